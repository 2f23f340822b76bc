"""The entry point of the command `duetime`. It imports either the server commands or the client commands, never
both."""

import os
import sys
from collections.abc import Sequence

from duetime.client import CLIENT_COMMANDS
from duetime.lazy_imports import lazy_imports

COMPLETION = "_DUETIME_COMPLETE"
"""Shells set it when they ask for completions of a command line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of this process, or another one."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if COMPLETION in os.environ:
        from duetime.cli import parser  # noqa: PLC0415 (servers import nothing of the client)
        from duetime.client.completion import complete  # noqa: PLC0415

        complete(parser())
    elif arguments and arguments[0] in CLIENT_COMMANDS:
        try:
            with lazy_imports():
                from duetime.client.main import run  # noqa: PLC0415
        except KeyboardInterrupt:
            sys.exit(130)
        run(arguments)
    else:
        with lazy_imports():
            from duetime.cli import main as run_servers  # noqa: PLC0415
        run_servers(arguments)
