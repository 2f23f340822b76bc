"""The scalars beyond GraphQL's own."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, NewType, TypeVar

import strawberry
from graphql import (
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    value_from_ast_untyped,
)
from strawberry import UNSET
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from graphql_api import instants
from jobs import json_value

MAX_SAFE = 2**53 - 1

Given = TypeVar("Given")

Milliseconds = NewType("Milliseconds", int)
Count = NewType("Count", int)


class Default:
    """Marks the default of a member of an input, so that the member's absence is told from a value that equals it."""


class DefaultText(Default, str):
    """A default text."""


class DefaultNumber(Default, int):
    """A default number."""


def is_given(value: Any) -> bool:
    """Return whether a member of an input is present; it may be null."""
    return value is not UNSET and not isinstance(value, Default)


def given_or_none(value: Given | None) -> Given | None:
    """Return the value of an optional argument, or None if it is absent or null."""
    return None if value is UNSET else value


def given_members(input_: Any) -> dict[str, Any]:
    """Return the members of an input that are present and not null, by their Python names."""
    return {name: value for name, value in vars(input_).items() if given_or_none(value) is not None}


def parse_instant(value: Any) -> datetime:
    """Parse a DateTime."""
    if not isinstance(value, str):
        raise GraphQLError(f"A DateTime is a string such as {instants.EXAMPLE!r}")
    try:
        return instants.parse(value)
    except ValueError as error:
        raise GraphQLError(f"{error}") from None


def parse_milliseconds(value: Any) -> int:
    """Parse Milliseconds. As with Int, a number such as 5.0 is whole."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise GraphQLError("Milliseconds are a whole number")
    if not 0 <= value <= MAX_SAFE:
        raise GraphQLError(f"Milliseconds are 0 to {MAX_SAFE:,}")
    return int(value)


def in_document(parse: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a parser for values in a document, whose errors have the place."""

    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return parse(value_from_ast_untyped(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None

    return parse_literal


def json_of_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """Return the JSON value in a document. Its numbers keep every digit, as those in variables do."""
    match node:
        case FloatValueNode():
            return json_value.read_float(node.value)
        case IntValueNode() if node.value == "-0":
            return json_value.read_integer(node.value)
        case ListValueNode():
            return [json_of_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: json_of_literal(field.value, variables) for field in node.fields}
        case _:
            return value_from_ast_untyped(node, variables)


def parse_count(value: Any) -> int:
    """Parse a Count. No input has one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SAFE:
        raise GraphQLError(f"A Count is a whole number from 0 to {MAX_SAFE:,}")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant by RFC 3339, with microseconds. Input needs an offset; output is in UTC and ends in 'Z'."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=instants.write,
        parse_value=parse_instant,
        parse_literal=in_document(parse_instant),
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day of the calendar by ISO 8601, such as 2026-11-28.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=date.isoformat,
        parse_value=date.fromisoformat,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value. Numbers keep every digit: 1.10, 1e5 and -0 stay as they are written. An integer "
        "has at most 4,300 digits.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
        parse_value=lambda value: value,
        parse_literal=json_of_literal,
    ),
    Milliseconds: strawberry.scalar(
        name="Milliseconds",
        description="A duration in whole milliseconds, from 0 to 2^53-1, as a JSON number.",
        serialize=int,
        parse_value=parse_milliseconds,
        parse_literal=in_document(parse_milliseconds),
    ),
    Count: strawberry.scalar(
        name="Count",
        description="A whole number from 0 to 2^53-1, as a JSON number.",
        serialize=int,
        parse_value=parse_count,
        parse_literal=in_document(parse_count),
    ),
}
