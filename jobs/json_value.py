"""JSON that Duetime can store and send, digit for digit."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Self

from db import json_text
from db.json_text import JsonText
from db.postgres_text import is_postgres_text

MAX_DEPTH = 128
MAX_DIGITS = 4_300
"""Python's own limit: reading a longer integer takes quadratic time (CVE-2020-10735)."""

MAX_VALUES = 200_000
"""Largest number of values in the JSON of one request, where the name of a member counts as one as well. Reading that
many takes up to 0.1 s.
"""
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string of JSON, also one without its end."""

DIGITS_BOUND = 10**MAX_DIGITS
MISSING = object()
SCALARS = {str, int, float, bool, type(None)}


class NotJson(ValueError):
    """The text is not acceptable JSON; the message says where and why."""


class Number(float):
    """A number that Python would write in another way, such as 1.10, 1e5, -0 or 1e400, with its text."""

    __slots__ = ("text",)
    text: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the number that a text of JSON stands for."""
        number = cls(text)
        number.text = text
        return number


def read_float(text: str) -> float:
    """Return a number with a fraction or an exponent."""
    number = float(text)
    return number if repr(number) == text else Number.of(text)


def read_integer(text: str) -> int | float:
    """Return a number without a fraction and an exponent. Raises `ValueError` for one of too many digits."""
    return Number.of(text) if text == "-0" else int(text)


def without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members. Duplicate names are refused, because RFC 8259 does not define their meaning."""
    found = dict(members)
    if len(found) < len(members):
        # A name that is new removes itself from `found`, so the first that is not there occurs for the second time.
        twice = next(name for name, _ in members if found.pop(name, MISSING) is MISSING)
        raise NotJson(f"the member {twice[:100]!r} occurs twice in one object")
    return found


def refuse_constant(name: str) -> Any:
    """Refuse NaN and infinities, which Python's parser accepts and RFC 8259, section 6, does not."""
    raise NotJson(f"{name} is not JSON")


def parse(text: bytes | str, *, max_values: int | None = MAX_VALUES) -> Any:
    """Return the value of a JSON text, read strictly. Raises `NotJson`, also for more than `max_values` values."""
    decoded = text if isinstance(text, str) else decode(text)
    if max_values is not None and has_more_values(decoded, max_values):
        raise NotJson(f"it has more than {max_values:,} values, which is the most that are accepted")
    try:
        return json.loads(
            decoded,
            object_pairs_hook=without_duplicates,
            parse_constant=refuse_constant,
            parse_float=read_float,
            # Reading each integer by a function of Python's takes time, and -0 is the only one that it would change.
            parse_int=read_integer if "-0" in decoded else None,
        )
    except NotJson:
        raise
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise NotJson(f"nested too deeply; at most {MAX_DEPTH} levels can be stored") from error
    except ValueError as error:
        raise NotJson(f"an integer has more than {MAX_DIGITS:,} digits") from error


def decode(text: bytes) -> str:
    """Return a text in UTF-8. Raises `NotJson`."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start}") from error


def has_more_values(text: str, most: int) -> bool:
    """Return whether a JSON text has more values than that, at a small part of the cost of parsing it."""
    if separators(text) < most:
        return False
    # Strings may contain commas and brackets as well.
    return separators(STRING.sub("", text)) >= most


def separators(text: str) -> int:
    """Return the number of characters after which a value can begin."""
    return sum(text.count(each) for each in ",:[{")


def has_more_than(most: int, value: Any) -> bool:
    """Return whether a value has more values and characters than that. It stops counting there."""
    left, waiting = most, [value]
    while waiting and left >= 0:
        item = waiting.pop()
        left -= 1
        if isinstance(item, str):
            left -= len(item)
        elif isinstance(item, list | tuple):
            left -= len(item)
            waiting += item[:most]
        elif isinstance(item, dict):
            left -= len(item)
            waiting += (*item, *item.values()) if len(item) < most else ()
    return left < 0


def faults(value: Any) -> Iterator[str]:
    """Yield the reasons why a value cannot be stored."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield f"is nested too deeply; at most {MAX_DEPTH} levels can be stored"
            return
        kind = type(item)
        if kind is str:
            yield from text_faults(item)
        elif kind is int:
            if not -DIGITS_BOUND < item < DIGITS_BOUND:
                yield f"contains an integer of more than {MAX_DIGITS:,} digits"
        elif kind is float:
            if not math.isfinite(item):
                yield "contains a number that JSON has no text for: NaN, infinite, or with too many digits"
        elif kind is list:
            waiting += [(member, depth + 1) for member in item]
        elif kind is dict:
            for name in item:
                yield from text_faults(name)
            waiting += [(member, depth + 1) for member in item.values()]
        elif item is not None and kind is not bool and kind is not Number:
            # graphql-core puts its Undefined where a literal uses a variable that was not given.
            yield "contains a variable without a value"


def text_faults(text: str) -> tuple[str, ...]:
    """Return the reasons why a string in the value cannot be stored."""
    if is_postgres_text(text):
        return ()
    return ("contains a NUL character (\\u0000) or half a surrogate pair, which Postgres cannot store",)


def encode(value: Any) -> str:
    """Return the value as JSON text, spaced as Postgres writes it, without escaping."""
    return json_text.write(with_exact_numbers(value), ensure_ascii=False, allow_nan=False)


def size(value: Any) -> int:
    """Return the number of bytes of the value as JSON without white space, in UTF-8."""
    written = json_text.write(with_exact_numbers(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return len(written.encode())


def sorted_text(value: Any) -> str:
    """Return a text that two values share if they differ in the order of members alone. What is no JSON counts as text.

    To Python, 1, 1.0 and True are equal; here they are not.
    """
    return json_text.write(with_exact_numbers(value), sort_keys=True, default=str)


def same(mine: JsonText, theirs: JsonText) -> bool:
    """Return whether two texts differ at most in spaces and in the order of members."""
    if mine == theirs:
        return True
    try:
        return sorted_text(parse(mine.text, max_values=None)) == sorted_text(parse(theirs.text, max_values=None))
    except NotJson:
        # The older service accepted what is not read strictly, such as integers of more digits.
        return False


def with_exact_numbers(value: Any) -> Any:
    """Return the value in the form in which its numbers are written digit for digit."""
    return replaced(value) if has_exact_numbers(value) else value


def has_exact_numbers(value: Any) -> bool:
    """Return whether the value contains a number that Python would write in another way."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is Number:
            return True
        if kind is dict:
            waiting.extend(item.values())
        elif kind is list or (kind not in SCALARS and isinstance(item, tuple)):
            waiting.extend(item)
    return False


def replaced(value: Any) -> Any:
    """Return the value with its exact numbers as texts."""
    match value:
        case Number():
            return JsonText(value.text)
        case list() | tuple():
            return [replaced(item) for item in value]
        case dict():
            return {name: replaced(item) for name, item in value.items()}
        case _:
            return value
