"""What the client changes about its libraries."""

from typing import Any

from typer.core import TyperArgument


def hide_types_of_arguments() -> None:
    """Let help name an argument as the usage does. Typer adds the type that Python has for it, such as <list[str]>."""
    argument: Any = TyperArgument
    argument.display_type_rich = no_type


def no_type(_argument: TyperArgument, ctx: Any) -> None:
    """Return no type to show."""
