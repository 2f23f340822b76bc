"""`duetime completion`: scripts for shells."""

from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

from duetime.client.errors import UsageError
from duetime.client.output import write
from duetime.command_name import NAME

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_DUETIME_COMPLETE"

Shell = Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", autocompletion=lambda: list(SHELLS))]


def completion(shell: Shell) -> None:
    """Print a script that lets a shell complete the commands of duetime.

    For bash: eval "$(duetime completion bash)" in ~/.bashrc. For zsh: the same with zsh in ~/.zshrc, after compinit.
    For fish: duetime completion fish > ~/.config/fish/completions/duetime.fish
    """
    if shell not in SHELLS:
        raise UsageError(f"there is no completion for {shell!r}; there is one for {', '.join(SHELLS)}")
    write(f"{get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell)}\n")
