"""Cron expressions: read strictly, then walked on a wall clock that knows no zone.

Five fields or a macro, after crontab(5). A wall-clock moment is a whole number of minutes since 1970-01-01 00:00 on
that clock, so nothing here can overflow a datetime. How wall clocks map to real instants stands in `wall_clock`.

croniter would do this walk too, but a step costs it 28 to 110 µs where the bit masks below take about one, and it
cannot count without stepping; the tests hold the two against each other.
"""

import re
from bisect import bisect_left, bisect_right
from calendar import isleap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import islice, pairwise

from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

MAX_LENGTH = 256
MINUTES_PER_DAY = 1_440
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
LAST_ORDINAL = date.max.toordinal()
CALENDAR_BEGIN = (1 - EPOCH_ORDINAL) * MINUTES_PER_DAY
CALENDAR_END = (LAST_ORDINAL + 1 - EPOCH_ORDINAL) * MINUTES_PER_DAY

# The Gregorian calendar repeats after 400 years, weekdays included: a day not found in that time never comes.
CALENDAR_CYCLE_MONTHS = 400 * 12 + 1

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WEEKDAYS = "sun mon tue wed thu fri sat"
_ITEM = re.compile(r"(?P<first>\*|[0-9]+|[a-z]+)(?:(?<!\*)-(?P<last>[0-9]+|[a-z]+))?(?:/(?P<step>[0-9]+))?", re.I)


class InvalidExpression(ValueError):
    """The text is no cron expression. The message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What one of the five fields may hold: numbers from `low` to `high`, or names that stand for them."""

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

    `values` are the numbers that each of the five fields means, rising (Sunday is 0, never 7). `fixed_time` is True
    when neither minute nor hour begins with `*`, `either_day` when day of month and day of week are ORed. `minutes`
    are the minutes of a matching day, rising. Of the masks, `months` has bit n set for month n, `days` bit n for day
    n + 1 of a month, and `weekdays[w]` likewise the days of a month whose first day is weekday w.
    """

    values: tuple[tuple[int, ...], ...]
    fixed_time: bool
    either_day: bool
    minutes: tuple[int, ...]
    months: int
    days: int
    weekdays: tuple[int, ...]

    def first_at_or_after(self, moment: int) -> int | None:
        """The first matching minute at `moment` or later; None when there is none before the year 10000."""
        day, minute = _day_and_minute(max(moment, CALENDAR_BEGIN))
        found = self._first_day(day)
        if found == day:
            index = bisect_left(self.minutes, minute)
            if index < len(self.minutes):
                return _moment(day, self.minutes[index])
            found = self._first_day(day + 1)
        return None if found is None else _moment(found, self.minutes[0])

    def last_at_or_before(self, moment: int) -> int | None:
        """The last matching minute at `moment` or earlier; None when there is none since the year 1."""
        day, minute = _day_and_minute(min(moment, CALENDAR_END - 1))
        found = self._last_day(day)
        if found == day:
            index = bisect_right(self.minutes, minute)
            if index:
                return _moment(day, self.minutes[index - 1])
            found = self._last_day(day - 1)
        return None if found is None else _moment(found, self.minutes[-1])

    def count(self, first: int, before: int) -> int:
        """How many minutes in [first, before) match. Days are counted by the month, not walked."""
        first, before = max(first, CALENDAR_BEGIN), min(before, CALENDAR_END)
        if first >= before:
            return 0
        first_day, first_minute = _day_and_minute(first)
        last_day, last_minute = _day_and_minute(before)
        total = self._count_days(first_day, last_day) * len(self.minutes)
        if self._count_days(first_day, first_day + 1):
            total -= bisect_left(self.minutes, first_minute)
        if self._count_days(last_day, last_day + 1):
            total += bisect_left(self.minutes, last_minute)
        return total

    def shortest_gap(self) -> int | None:
        """The fewest minutes between two matches on a clock that nobody sets; None when there never are two."""
        within_a_day = min((later - earlier for earlier, later in pairwise(self.minutes)), default=None)
        over_midnight = MINUTES_PER_DAY - self.minutes[-1] + self.minutes[0]
        if within_a_day is not None and within_a_day <= over_midnight:
            return within_a_day
        days = self._shortest_gap_of_days()
        if days is None:
            return within_a_day
        between_days = (days - 1) * MINUTES_PER_DAY + over_midnight
        return between_days if within_a_day is None else min(within_a_day, between_days)

    def _shortest_gap_of_days(self) -> int | None:
        shortest: int | None = None
        previous: int | None = None
        for first, month, length in islice(_months_from(EPOCH_ORDINAL), CALENDAR_CYCLE_MONTHS):
            days = self._days_of_month(first, month, length)
            while days:
                day = first + _lowest_bit(days)
                days &= days - 1
                if previous is not None and (shortest is None or day - previous < shortest):
                    shortest = day - previous
                    if shortest == 1:
                        return 1
                previous = day
        return shortest

    def _days_of_month(self, first: int, month: int, length: int) -> int:
        """The matching days of the month that begins on the day with the ordinal `first`; bit 0 is that day."""
        if not self.months >> month & 1:
            return 0
        weekdays = self.weekdays[first % 7]
        days = self.days | weekdays if self.either_day else self.days & weekdays
        return days & ((1 << length) - 1)

    def _first_day(self, day: int) -> int | None:
        if day > LAST_ORDINAL:
            return None
        passed = date.fromordinal(day).day - 1
        for first, month, length in islice(_months_from(day - passed), CALENDAR_CYCLE_MONTHS):
            days = self._days_of_month(first, month, length) >> passed << passed
            if days:
                return first + _lowest_bit(days)
            passed = 0
        return None

    def _last_day(self, day: int) -> int | None:
        if day < 1:
            return None
        kept = date.fromordinal(day).day
        for first, month, length in islice(_months_back_from(day - kept + 1), CALENDAR_CYCLE_MONTHS):
            days = self._days_of_month(first, month, min(length, kept))
            if days:
                return first + days.bit_length() - 1
            kept = 31
        return None

    def _count_days(self, first_day: int, before: int) -> int:
        if first_day > LAST_ORDINAL:
            return 0
        total = 0
        passed = date.fromordinal(first_day).day - 1
        for first, month, length in _months_from(first_day - passed):
            if first >= before:
                break
            days = self._days_of_month(first, month, min(length, before - first))
            total += (days >> passed).bit_count()
            passed = 0
        return total


@lru_cache(maxsize=4_096)
def parse(text: str) -> Expression:
    """Read five fields or a macro. Raises InvalidExpression with everything that is wrong in one message."""
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
    return Expression(
        values=tuple(values),
        fixed_time=not (fields[0].startswith("*") or fields[1].startswith("*")),
        either_day=not (fields[2].startswith("*") or fields[4].startswith("*")),
        minutes=tuple(hour * 60 + minute for hour in hours for minute in minutes),
        months=_mask(months),
        days=_mask(days) >> 1,
        weekdays=tuple(_mask(day for day in range(31) if (first + day) % 7 in weekdays) for first in range(7)),
    )


@lru_cache(maxsize=1_024)
def describe(text: str) -> str:
    """The expression in a sentence, by what it means rather than by how it is written. Raises InvalidExpression."""
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
    """The plainest way to write a field, so that equal schedules read alike, and a step only where it is even."""
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
    """The ordinal of the day, which may lie outside the calendar, and the minute of it."""
    day, minute = divmod(moment, MINUTES_PER_DAY)
    return day + EPOCH_ORDINAL, minute


def _moment(day: int, minute: int) -> int:
    return (day - EPOCH_ORDINAL) * MINUTES_PER_DAY + minute


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)


def _lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _month_length(year: int, month: int) -> int:
    return 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]


def _months_from(first: int) -> Iterator[tuple[int, int, int]]:
    """Months as (ordinal of the first day, month, length), from the one beginning on `first` to the calendar's end."""
    begin = date.fromordinal(first)
    year, month = begin.year, begin.month
    while year <= date.max.year:
        length = _month_length(year, month)
        yield first, month, length
        first += length
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _months_back_from(first: int) -> Iterator[tuple[int, int, int]]:
    """The same backwards, from the month that begins on `first` to the calendar's beginning."""
    begin = date.fromordinal(first)
    year, month = begin.year, begin.month
    while year >= date.min.year:
        yield first, month, _month_length(year, month)
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        first -= _month_length(year, month)
