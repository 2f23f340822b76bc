"""JSON as text. Python reads 1.10 as 1.1, 1e400 as infinity and -0 as 0; a text keeps what was written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, zip_longest
from secrets import token_hex
from typing import Any

from sqlalchemy import JSON, ColumnElement, Dialect, Text, cast, type_coerce
from sqlalchemy.types import TypeDecorator

PLACEHOLDER = token_hex(16)
"""Stands for a text until the JSON around it is written. It is random, so no value has the same text by chance."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value, or a number in one, as it was written."""

    text: str


def write(value: Any, *, default: Callable[[Any], Any] | None = None, **options: Any) -> str:
    """Return a value as JSON, in which each `JsonText` is embedded as it is. The options are those of `json.dumps`."""
    if isinstance(value, JsonText):
        return value.text
    embedded: list[str] = []

    def placeholder(item: Any) -> Any:
        if isinstance(item, JsonText):
            embedded.append(item.text)
            return PLACEHOLDER
        if default is None:
            raise TypeError(f"{type(item).__name__} is not JSON")
        return default(item)

    written = json.dumps(value, default=placeholder, **options)
    if not embedded:
        return written
    around = written.split(f'"{PLACEHOLDER}"')
    return "".join(chain.from_iterable(zip_longest(around, embedded, fillvalue="")))


class TextOfJson(TypeDecorator[Any]):
    """A json column that is read as `JsonText`. Any JSON value can be written to it."""

    impl = JSON
    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the column as a statement selects it: connections parse what comes as json."""
        return type_coerce(cast(column, Text), self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], JsonText | None]:
        """Return how a column's value is read."""
        return read


def read(text: str | None) -> JsonText | None:
    """Return a column's value. Its lines are joined, because a line has a meaning of its own in a stream of events."""
    return None if text is None else JsonText(text.replace("\r", " ").replace("\n", " "))
