"""The command `duetime` as the user can type it, for messages that suggest a command."""

import os
import shutil
import sys
from pathlib import Path

NAME = "duetime"
VARIABLE = "DUETIME_COMMAND_NAME"
"""Passes the name of the command as it was called to the processes of `duetime up`."""


def command_name() -> str:
    """Return the command: by its name if the shell finds it, and otherwise by the path by which it was called."""
    passed_on = os.environ.get(VARIABLE)
    if passed_on:
        return passed_on
    called = sys.argv[0]
    if Path(called).name != NAME or same_file(called, shutil.which(NAME)):
        return NAME
    return called


def same_file(called: str, found: str | None) -> bool:
    """Return whether the shell finds the file that was called."""
    return found is not None and Path(found).exists() and Path(called).exists() and Path(found).samefile(called)
