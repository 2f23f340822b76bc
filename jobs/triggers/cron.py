"""Cron expressions: parsed strictly, then stepped on a wall clock without time zones.

Five fields or a macro, after crontab(5); and beyond it, `L` for the last day of the month, `friL` for its last Friday
and `mon#2` for its second Monday. A wall-clock moment is a whole number of minutes since 1970-01-01 00:00 on that
clock, so no sum of moments overflows. `timezones` maps the wall clock to real instants.

The parser is our own: croniter accepts more than cron does, and reads some of it differently. croniter steps from one
matching day to the next (`matching_days`); the times of such a day are a list.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from jobs.triggers.day_steps import EPOCH_ORDINAL, LAST_ORDINAL
from jobs.triggers.matching_days import LAST_IN_MONTH, MatchingDays, NthWeekday

MAX_LENGTH = 256
WHITE_SPACE = " \t\r\n"
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

_MONTHS = "january february march april may june july august september october november december"
_WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday"
FULL_NAMES = {name[:3]: name for name in f"{_MONTHS} {_WEEKDAYS}".split()}
_NTH = re.compile(r"(?P<weekday>[0-9]|[a-z]{3})(?:L|#(?P<n>[0-9]+))", re.IGNORECASE)
_ITEM = re.compile(
    r"(?P<first>\*|[0-9]+|[a-z]+)(?:(?<!\*)-(?P<last>[0-9]+|[a-z]+))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE
)


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
    FieldRule(name="month", low=1, high=12, names={name[:3]: i for i, name in enumerate(_MONTHS.split(), start=1)}),
    FieldRule(name="day of week", low=0, high=7, names={name[:3]: i for i, name in enumerate(_WEEKDAYS.split())}),
)


DAY_OF_MONTH, DAY_OF_WEEK = FIELD_RULES[2], FIELD_RULES[4]
LAST_DAY = ("L", "l")
MOST_OF_A_WEEKDAY = 5
FIVE_FIELDS = (
    "exactly five are accepted: minute, hour, day of month, month, day of week (as in '0 9 * * mon-fri'), or a macro "
    "such as @daily"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A parsed expression.

    `values` are the numbers that each of the five fields stands for, in ascending order (Sunday is 0, never 7); the
    last day of the month (`last_day`) and the weekdays within it (`nth_weekdays`) are apart. `fixed_time` is True when
    neither minute nor hour begins with `*`, `either_day` when day of month and day of week are ORed. `minutes` are the
    matching minutes of a matching day, in ascending order.
    """

    values: tuple[tuple[int, ...], ...]
    last_day: bool
    nth_weekdays: frozenset[NthWeekday]
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
    last_day = False
    nth_weekdays: set[NthWeekday] = set()
    problems: list[str] = []
    for rule, written in zip(FIELD_RULES, fields, strict=True):
        items = written.split(",")
        if rule is DAY_OF_MONTH and (last_day := any(item in LAST_DAY for item in items)):
            items = [item for item in items if item not in LAST_DAY]
        numbers: set[int] = set()
        for item in items:
            try:
                if rule is DAY_OF_WEEK and (match := _NTH.fullmatch(item)):
                    nth_weekdays.add(_read_nth(match))
                else:
                    numbers.update(_read_item(rule, item))
            except InvalidExpression as problem:
                problems.append(str(problem))
                break
        values.append(tuple(sorted({number % 7 for number in numbers} if rule is DAY_OF_WEEK else numbers)))
    if problems:
        raise InvalidExpression("; ".join(problems))
    minutes, hours, days, months, weekdays = values
    either_day = not (fields[2].startswith("*") or fields[4].startswith("*"))
    return Expression(
        values=tuple(values),
        last_day=last_day,
        nth_weekdays=frozenset(nth_weekdays),
        fixed_time=not (fields[0].startswith("*") or fields[1].startswith("*")),
        either_day=either_day,
        minutes=tuple(hour * 60 + minute for hour in hours for minute in minutes),
        days=MatchingDays(
            days=days,
            last_day=last_day,
            months=months,
            weekdays=weekdays,
            nth_weekdays=nth_weekdays,
            either_day=either_day,
        ),
    )


def normalized(text: str) -> str:
    """Return a valid expression as a task stores it: with `*` for `?`, and with spaces alone between the fields."""
    if not set(text) & {"?", *WHITE_SPACE[1:]}:
        return text
    return " ".join(_split(text))


def _split(text: str) -> tuple[str, ...]:
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"has {len(text):,} characters; at most {MAX_LENGTH} are accepted")
    written = text.strip(WHITE_SPACE)
    for position, character in enumerate(written, start=1):
        if not (" " <= character <= "~" or character == "\t"):
            raise InvalidExpression(
                f"has the character U+{ord(character):04X} at position {position}; only printable ASCII is accepted, "
                "with spaces or tabs between the fields"
            )
    if written.startswith("@"):
        if written not in MACROS:
            raise InvalidExpression(f"{quoted(written)} is not a macro; the macros are {', '.join(MACROS)}")
        written = MACROS[written]
    fields = written.split()
    if not fields:
        raise InvalidExpression(f"is empty; {FIVE_FIELDS}")
    if len(fields) != len(FIELD_RULES):
        number = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise InvalidExpression(f"has {number}; {FIVE_FIELDS}")
    return tuple(
        "*" if rule in (DAY_OF_MONTH, DAY_OF_WEEK) and written == "?" else written
        for rule, written in zip(FIELD_RULES, fields, strict=True)
    )


def _read_nth(match: re.Match[str]) -> NthWeekday:
    weekday = _read_value(DAY_OF_WEEK, match["weekday"]) % 7
    if match["n"] is None:
        return NthWeekday(weekday, LAST_IN_MONTH)
    if not 1 <= int(match["n"]) <= MOST_OF_A_WEEKDAY:
        raise InvalidExpression(
            f"{DAY_OF_WEEK.name}: the number after # in {quoted(match.group())} must be from 1 to {MOST_OF_A_WEEKDAY}, "
            "since no month has more of a weekday"
        )
    return NthWeekday(weekday, int(match["n"]))


def _read_item(rule: FieldRule, item: str) -> range:
    if not item:
        raise InvalidExpression(f"{rule.name}: a comma needs a value on both sides, as in '1,2'")
    match = _ITEM.fullmatch(item)
    if match is None:
        raise InvalidExpression(f"{rule.name}: {quoted(item)} {_unreadable(rule, item)}")
    step = int(match["step"] or "1")
    if step == 0:
        raise InvalidExpression(f"{rule.name}: the step in {quoted(item)} must be at least 1")
    if match["first"] == "*":
        return range(rule.low, rule.high + 1, step)
    first = _read_value(rule, match["first"])
    if match["last"] is not None:
        last = _read_value(rule, match["last"])
    else:
        last = first if match["step"] is None else rule.high
    if last < first:
        raise InvalidExpression(
            f"{rule.name}: the range {quoted(item)} runs backwards; write '{_wrapped(rule, first, last, step)}'"
        )
    return range(first, last + 1, step)


def _wrapped(rule: FieldRule, first: int, last: int, step: int) -> str:
    """Return what a range that passes the field's end stands for: up to the end, and from the beginning on."""
    if rule is DAY_OF_WEEK and last == 0:
        return _range(first, 7, step)
    high = 6 if rule is DAY_OF_WEEK else rule.high
    following = first + (high - first) // step * step + step - (high - rule.low + 1)
    parts = [_range(first, high, step)] + ([_range(following, last, step)] if following <= last else [])
    return ",".join(parts)


def _range(first: int, last: int, step: int) -> str:
    if first + step > last:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}/{step}"


def _read_value(rule: FieldRule, written: str) -> int:
    if written.isdigit():
        value = int(written)
        if not rule.low <= value <= rule.high:
            raise InvalidExpression(f"{rule.name}: {quoted(written)} is out of range; accepted are {rule}")
        return value
    name = written.lower()
    if name in rule.names:
        return rule.names[name]
    short = next((known for known in rule.names if FULL_NAMES[known].startswith(name.rstrip("s"))), None)
    if short is not None and len(name) > len(short):
        raise InvalidExpression(f"{rule.name}: {quoted(written)} is not known; write '{short}'")
    if written.upper() in ("L", "W", "LW", "H", "R"):
        raise InvalidExpression(f"{rule.name}: {quoted(written)} {_unreadable(rule, written)}")
    raise InvalidExpression(f"{rule.name}: {quoted(written)} is not known; accepted are {rule}")


def _unreadable(rule: FieldRule, item: str) -> str:
    """Return what is wrong with an invalid item, and what to write instead."""
    written = item.upper()
    if "?" in written:
        return "uses ?, which is only accepted as a whole day field; write *"
    if "#" in written:
        return "uses #, which is for one day of the week and its number in the month, as in 'mon#2'"
    if "L" in written and "W" not in written:
        return (
            "uses L, which stands by itself as day of month (the last day), or after a day of the week, as in 'friL' "
            "(the last Friday)"
        )
    for character in "WHR~":
        if character in written:
            return f"uses {character}, which cron does not know; write values, ranges a-b and steps /n"
    return "cannot be read; write *, a value or a range a-b, each with or without a step /n"


def quoted(written: str) -> str:
    """Return a text in quotation marks, cut when it is long."""
    return f"'{written}'" if len(written) <= 40 else f"'{written[:40]}...'"


def _day_and_minute(moment: int) -> tuple[int, int]:
    """Return the ordinal of the day, which may lie outside the calendar, and its minute."""
    day, minute = divmod(moment, MINUTES_PER_DAY)
    return day + EPOCH_ORDINAL, minute


def _moment(day: int, minute: int) -> int:
    return (day - EPOCH_ORDINAL) * MINUTES_PER_DAY + minute
