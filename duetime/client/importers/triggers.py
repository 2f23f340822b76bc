"""Checks cron expressions and time zones, so that the API accepts what an importer prints."""

import re
from itertools import chain
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from duetime.client.importers.result import CannotTake

MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
PART = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?")
DAY_OF_MONTH = re.compile(r"([0-9a-z]+)(?:l|#[1-5])")
"""The last Friday of the month, friL, or the second one, fri#2."""
ANY = {"*", "?"}


class Field(NamedTuple):
    """A field of a cron expression, its values, and the names of the first ones."""

    name: str
    values: range
    names: tuple[str, ...] = ()


DAY, DAY_OF_WEEK = "day of month", "day of week"
FIELDS = (
    Field("minute", range(60)),
    Field("hour", range(24)),
    Field(DAY, range(1, 32)),
    Field("month", range(1, 13), MONTHS),
    Field(DAY_OF_WEEK, range(8), DAYS),
)


def cron_trigger(expression: str, timezone: Any = None) -> dict[str, Any]:
    """Return a cron trigger. Raises `CannotTake` for an expression or a time zone that the API refuses."""
    check(expression)
    zone = checked_zone(timezone or "UTC")
    return {"cron": {"expression": expression} | ({} if zone == "UTC" else {"timezone": zone})}


def checked_zone(timezone: Any) -> str:
    """Return the name of a time zone. Raises `CannotTake` if there is none of this name."""
    try:
        return ZoneInfo(timezone).key
    except (KeyError, OSError, TypeError, ValueError):
        raise CannotTake(f"{timezone} is no time zone") from None


def check(expression: str) -> None:
    """Raise `CannotTake` for a cron expression that the API refuses."""
    if expression.startswith("@"):
        if expression not in MACROS:
            raise CannotTake(f"{expression} is not known here")
        return
    given = expression.lower().split()
    if len(given) != len(FIELDS):
        raise CannotTake(f"{expression!r} has {len(given)} fields instead of five")
    _, _, days, months, _ = (values_of(text, field) for text, field in zip(given, FIELDS, strict=True))
    if days and given[4] in ANY and all(LONGEST_MONTHS[month - 1] < min(days) for month in months):
        raise CannotTake(f"{expression!r} is never due, because no month has such a day")


def values_of(text: str, field: Field) -> set[int]:
    """Return the values of a field, without those that depend on the month. Raises `CannotTake`."""
    if text == "?" and field.name in {DAY, DAY_OF_WEEK}:
        return set(field.values)
    return set(chain.from_iterable(values_of_part(part, field) for part in text.split(",")))


def values_of_part(text: str, field: Field) -> range:
    """Return the values of a part between commas. Raises `CannotTake`."""
    if text == "l" and field.name == DAY:
        return range(0)
    if field.name == DAY_OF_WEEK and (found := DAY_OF_MONTH.fullmatch(text)):
        value_of(found[1], field)
        return range(0)
    found = PART.fullmatch(text)
    if found is None or found[3] == "0":
        raise CannotTake(f"{text!r} is no {field.name} of a cron expression")
    first, last, step = found.groups()
    if first is None:
        return field.values[:: int(step or 1)]
    begin = value_of(first, field)
    end = value_of(last, field) if last else field.values[-1] if step else begin
    if end < begin:
        raise CannotTake(f"the range {text!r} of the field {field.name} runs backwards")
    return range(begin, end + 1, int(step or 1))


def value_of(text: str, field: Field) -> int:
    """Return a value, given as a number or by its name. Raises `CannotTake`."""
    value = field.names.index(text) + field.values[0] if text in field.names else int(text) if text.isdecimal() else -1
    if value not in field.values:
        raise CannotTake(f"{text!r} is no {field.name} of a cron expression")
    return value
