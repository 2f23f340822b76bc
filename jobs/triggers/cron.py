"""Cron expressions: parsed strictly, then stepped on a wall clock without time zones.

Five fields or a macro, after crontab(5). A wall-clock moment is a whole number of minutes since 1970-01-01 00:00 on
that clock, so no sum of moments overflows. `timezones` maps the wall clock to real instants.

The parser is our own: croniter accepts more than cron does, and reads some of it differently. croniter steps from one
matching day to the next (`matching_days`); the times of such a day are a list.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

from jobs.triggers.day_steps import EPOCH_ORDINAL, LAST_ORDINAL
from jobs.triggers.matching_days import MatchingDays

MAX_LENGTH = 256
MINUTES_PER_DAY = 1_440
CALENDAR_BEGIN = (1 - EPOCH_ORDINAL) * MINUTES_PER_DAY
CALENDAR_END = (LAST_ORDINAL + 1 - EPOCH_ORDINAL) * MINUTES_PER_DAY

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WEEKDAYS = "sun mon tue wed thu fri sat"
_ITEM = re.compile(r"(?P<first>\*|[0-9]+|[a-z]+)(?:(?<!\*)-(?P<last>[0-9]+|[a-z]+))?(?:/(?P<step>[0-9]+))?", re.I)


class InvalidExpression(ValueError):
    """The text is not a cron expression. The message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """The values that one of the five fields accepts: numbers from `low` to `high`, or names for them."""

    name: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.names:
            return f"{self.low} to {self.high}"
        return f"{self.low} to {self.high} or {', '.join(self.names)}"


FIELD_RULES = (
    FieldRule(name="minute", low=0, high=59),
    FieldRule(name="hour", low=0, high=23),
    FieldRule(name="day of month", low=1, high=31),
    FieldRule(name="month", low=1, high=12, names={name: i for i, name in enumerate(_MONTHS.split(), start=1)}),
    FieldRule(name="day of week", low=0, high=7, names={name: i for i, name in enumerate(_WEEKDAYS.split())}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A parsed expression.

    `values` are the numbers that each of the five fields stands for, in ascending order (Sunday is 0, never 7).
    `fixed_time` is True when neither minute nor hour begins with `*`, `either_day` when day of month and day of week
    are ORed. `minutes` are the matching minutes of a matching day, in ascending order.
    """

    values: tuple[tuple[int, ...], ...]
    fixed_time: bool
    either_day: bool
    minutes: tuple[int, ...]
    days: MatchingDays

    def first_at_or_after(self, moment: int) -> int | None:
        """Return the first matching minute at `moment` or later; None when there is none before the year 10000."""
        day, minute = _day_and_minute(max(moment, CALENDAR_BEGIN))
        found = self.days.first_from(day)
        if found == day:
            index = bisect_left(self.minutes, minute)
            if index < len(self.minutes):
                return _moment(day, self.minutes[index])
            found = self.days.first_from(day + 1)
        return None if found is None else _moment(found, self.minutes[0])

    def last_at_or_before(self, moment: int) -> int | None:
        """Return the last matching minute at `moment` or earlier; None when there is none since the year 1."""
        day, minute = _day_and_minute(min(moment, CALENDAR_END - 1))
        found = self.days.last_until(day)
        if found == day:
            index = bisect_right(self.minutes, minute)
            if index:
                return _moment(day, self.minutes[index - 1])
            found = self.days.last_until(day - 1)
        return None if found is None else _moment(found, self.minutes[-1])

    def count(self, first: int, before: int) -> int:
        """Return how many minutes in [first, before) match, without stepping through them."""
        first, before = max(first, CALENDAR_BEGIN), min(before, CALENDAR_END)
        if first >= before:
            return 0
        first_day, first_minute = _day_and_minute(first)
        last_day, last_minute = _day_and_minute(before)
        total = self.days.count(first_day, last_day) * len(self.minutes)
        if self.days.count(first_day, first_day + 1):
            total -= bisect_left(self.minutes, first_minute)
        if self.days.count(last_day, last_day + 1):
            total += bisect_left(self.minutes, last_minute)
        return total

    def shortest_gap(self) -> int | None:
        """Return the fewest minutes between two matches on an unchanged clock; None when there are never two."""
        within_a_day = min((later - earlier for earlier, later in pairwise(self.minutes)), default=None)
        over_midnight = MINUTES_PER_DAY - self.minutes[-1] + self.minutes[0]
        if within_a_day is not None and within_a_day <= over_midnight:
            return within_a_day
        days = self.days.shortest_gap()
        if days is None:
            return within_a_day
        between_days = (days - 1) * MINUTES_PER_DAY + over_midnight
        return between_days if within_a_day is None else min(within_a_day, between_days)


@lru_cache(maxsize=4_096)
def parse(text: str) -> Expression:
    """Parse five fields or a macro. Raises `InvalidExpression` with everything that is wrong in one message."""
    fields = _split(text)
    values: list[tuple[int, ...]] = []
    problems: list[str] = []
    for rule, written in zip(FIELD_RULES, fields, strict=True):
        try:
            values.append(_read_field(rule, written))
        except InvalidExpression as problem:
            problems.append(str(problem))
    if problems:
        raise InvalidExpression("; ".join(problems))
    minutes, hours, days, months, weekdays = values
    either_day = not (fields[2].startswith("*") or fields[4].startswith("*"))
    return Expression(
        values=tuple(values),
        fixed_time=not (fields[0].startswith("*") or fields[1].startswith("*")),
        either_day=either_day,
        minutes=tuple(hour * 60 + minute for hour in hours for minute in minutes),
        days=MatchingDays(days=days, months=months, weekdays=weekdays, either_day=either_day),
    )


@lru_cache(maxsize=1_024)
def describe(text: str) -> str:
    """Return the expression as an English sentence, the same for all that mean the same. Raises `InvalidExpression`."""
    expression = parse(text)
    minutes, hours, days, months, weekdays = map(_canonical, FIELD_RULES, expression.values)
    if "*" in (days, weekdays) and expression.either_day:
        days = weekdays = "*"
    elif "*" not in (days, weekdays):
        weekdays = ",".join(map(str, expression.values[4]))  # a list is what gets the word "or"
    # Without a locale the library would take the host's.
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    written = f"{minutes} {hours} {days} {months} {weekdays}"
    sentence: str = ExpressionDescriptor(written, options).get_full_description()
    return sentence if expression.either_day else sentence.replace(", or on ", ", and only on ")


def _canonical(rule: FieldRule, values: tuple[int, ...]) -> str:
    """Return the shortest way to write a field, with a step only where its gaps are equal."""
    last = 6 if rule.name == "day of week" else rule.high
    span = last - rule.low + 1
    for step in range(1, span):
        if values == tuple(range(rule.low, last + 1, step)):
            if step == 1:
                return "*"
            if span % step == 0 or rule.name == "day of month":
                return f"*/{step}"
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]}-{values[-1]}"
    return ",".join(map(str, values))


def _split(text: str) -> tuple[str, ...]:
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"has {len(text)} characters; at most {MAX_LENGTH} are accepted")
    for position, character in enumerate(text, start=1):
        if not " " <= character <= "~":
            raise InvalidExpression(
                f"has the character U+{ord(character):04X} at position {position}; only printable ASCII is accepted, "
                "with spaces between the fields"
            )
    written = text.strip(" ")
    if written.upper().startswith(("TZ=", "CRON_TZ=")):
        raise InvalidExpression("names a time zone; give the zone as the trigger's timezone instead")
    if written.startswith("@every"):
        raise InvalidExpression("@every is not a cron expression; use an interval trigger with everyMs instead")
    if written.startswith("@"):
        if written not in MACROS:
            raise InvalidExpression(f"{_quoted(written)} is not a macro; the macros are {', '.join(MACROS)}")
        written = MACROS[written]
    fields = tuple(written.split())
    if len(fields) != len(FIELD_RULES):
        raise InvalidExpression(
            f"has {len(fields)} fields; exactly five are accepted: minute, hour, day of month, month, day of week "
            "(as in '0 9 * * mon-fri'), or a macro such as @daily"
        )
    return fields


def _read_field(rule: FieldRule, written: str) -> tuple[int, ...]:
    values = {value for item in written.split(",") for value in _read_item(rule, item)}
    return tuple(sorted({value % 7 for value in values} if rule.name == "day of week" else values))


def _read_item(rule: FieldRule, item: str) -> range:
    if not item:
        raise InvalidExpression(f"{rule.name}: a comma needs a value on both sides, as in '1,2'")
    match = _ITEM.fullmatch(item)
    if match is None:
        raise InvalidExpression(f"{rule.name}: {_quoted(item)} {_unreadable(item)}")
    step = int(match["step"] or "1")
    if step == 0:
        raise InvalidExpression(f"{rule.name}: the step in {_quoted(item)} must be at least 1")
    if match["first"] == "*":
        return range(rule.low, rule.high + 1, step)
    first = _read_value(rule, match["first"])
    if match["last"] is not None:
        last = _read_value(rule, match["last"])
    else:
        last = first if match["step"] is None else rule.high
    if last < first:
        rest = "" if (last, rule.high) == (0, 7) else f",{rule.low}-{last}"  # 7 is Sunday already
        raise InvalidExpression(
            f"{rule.name}: the range {_quoted(item)} runs backwards; write '{first}-{rule.high}{rest}'"
        )
    return range(first, last + 1, step)


def _read_value(rule: FieldRule, written: str) -> int:
    if written.isdigit():
        value = int(written)
        if not rule.low <= value <= rule.high:
            raise InvalidExpression(f"{rule.name}: {_quoted(written)} is out of range; accepted are {rule}")
        return value
    if written.lower() not in rule.names:
        if written.upper() in ("L", "W", "LW", "H", "R"):
            raise InvalidExpression(f"{rule.name}: {_quoted(written)} {_unreadable(written)}")
        raise InvalidExpression(f"{rule.name}: {_quoted(written)} is not known; accepted are {rule}")
    return rule.names[written.lower()]


def _unreadable(item: str) -> str:
    for character in item.upper():
        if character in "LW#?HR~":
            return f"uses {character}, which five-field cron does not know; write values, ranges a-b and steps /n"
    return "cannot be read; write *, a value or a range a-b, each with or without a step /n"


def _quoted(written: str) -> str:
    return f"'{written}'" if len(written) <= 40 else f"'{written[:40]}...'"


def _day_and_minute(moment: int) -> tuple[int, int]:
    """Return the ordinal of the day, which may lie outside the calendar, and its minute."""
    day, minute = divmod(moment, MINUTES_PER_DAY)
    return day + EPOCH_ORDINAL, minute


def _moment(day: int, minute: int) -> int:
    return (day - EPOCH_ORDINAL) * MINUTES_PER_DAY + minute
