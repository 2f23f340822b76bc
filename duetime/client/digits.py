"""JSON whose numbers keep every digit: 1.10, 1e5 and -0 stay as written, as in the API."""

import json
import re
from typing import Any, Self

encode = json.JSONEncoder(allow_nan=False).encode
"""Writes values that contain no exact numbers."""
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Number(float):
    """A number with its text, because Python would write it differently."""

    __slots__ = ("text",)
    text: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the number of a JSON literal."""
        number = cls(text)
        number.text = text
        return number


def number(text: str) -> int | float:
    """Return the number of a JSON literal."""
    value = float(text) if set(text) & set(".eE") else int(text)
    return value if repr(value) == text else Number.of(text)


def read(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises `ValueError`, also for a member that occurs twice."""
    try:
        return json.loads(
            text,
            parse_float=number,
            parse_int=number,
            parse_constant=refuse_constant,
            object_pairs_hook=without_duplicates,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def refuse_constant(name: str) -> Any:
    """Refuse NaN and infinities, which are not JSON."""
    raise ValueError(f"{name} is not JSON")


def without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members. Raises `ValueError` for a name that occurs twice."""
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise ValueError(f"the member {name!r} occurs twice in one object")
        found[name] = value
    return found


def written(value: Any) -> str:
    """Return a value as JSON."""
    match value:
        case Number():
            return value.text
        case dict():
            return "{" + ",".join(f"{encode(name)}:{written(each)}" for name, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(written, value)) + "]"
        case _:
            return encode(value)


def readable(text: str) -> str:
    """Return a text as JSON for people. A terminal would obey some characters, so only printable ones stay as they
    are."""
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    parts = (each if each.isprintable() and each not in '"\\' else encode(each)[1:-1] for each in text)
    return f'"{"".join(parts)}"'


def indented(value: Any, depth: int = 0) -> str:
    """Return a value as JSON for people, in the order of its members."""
    inner, outer = "  " * (depth + 1), "  " * depth
    match value:
        case dict() if value:
            members = (f"{inner}{json.dumps(name)}: {indented(each, depth + 1)}" for name, each in value.items())
            return "{\n" + ",\n".join(members) + f"\n{outer}}}"
        case list() if value:
            return "[\n" + ",\n".join(f"{inner}{indented(each, depth + 1)}" for each in value) + f"\n{outer}]"
        case str():
            return readable(value)
        case _:
            return written(value)
