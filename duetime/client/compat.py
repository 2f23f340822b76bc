"""Changes to the client's libraries."""

from typing import Any

from typer.core import TyperArgument


def hide_types_of_arguments() -> None:
    """Name an argument in the help as in the usage line. Typer would add its Python type, such as <list[str]>."""
    argument: Any = TyperArgument
    argument.display_type_rich = no_type


def no_type(_argument: TyperArgument, ctx: Any) -> None:
    """Return no type to show."""
