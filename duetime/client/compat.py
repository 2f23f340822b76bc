"""Changes to the client's libraries."""

from typing import Any

from typer._click.exceptions import ClickException as CommandLineError
from typer._click.exceptions import NoArgsIsHelpError as HelpInstead
from typer.core import TyperArgument

__all__ = ["CommandLineError", "HelpInstead", "context_of", "hide_types_of_arguments"]


def hide_types_of_arguments() -> None:
    """Name an argument in the help as in the usage line. Typer would add its Python type, such as <list[str]>."""
    argument: Any = TyperArgument
    argument.display_type_rich = no_type


def context_of(error: CommandLineError) -> str | None:
    """Return the command, such as `duetime tasks list`, whose command line is wrong."""
    context = getattr(error, "ctx", None)
    return context and context.command_path


def no_type(_argument: TyperArgument, ctx: Any) -> None:
    """Return no type to show."""
