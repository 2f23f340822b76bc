"""The days on which a cron expression fires, on a calendar without time zones.

croniter finds them one by one (`day_steps`). They are counted by bit masks, a month at a time, since croniter could
count them only by stepping. The last day of a month and the weekdays within it (`friL`, `mon#2`) are found by the masks
as well, since croniter refuses them in one list with others.

A day is its proleptic Gregorian ordinal, as `date.toordinal` has it.
"""

from calendar import isleap
from collections.abc import Iterable, Iterator, Set
from datetime import date
from itertools import islice
from typing import NamedTuple

from jobs.triggers.day_steps import ALL_KINDS_YEARS, EPOCH_ORDINAL, LAST_ORDINAL, day_stepper

CALENDAR_CYCLE_MONTHS = 400 * 12 + 1
"""The Gregorian calendar repeats after 400 years, weekdays included."""

EVERY_DAY = tuple(range(1, 32))
EVERY_WEEKDAY = tuple(range(7))

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


LAST_IN_MONTH = -1
ALL_KINDS_MONTHS = ALL_KINDS_YEARS * 12 + 1


class NthWeekday(NamedTuple):
    """The nth of a weekday in a month, n from 1 to 5, or its last one, which is `LAST_IN_MONTH`. Sunday is 0."""

    weekday: int
    n: int


class MatchingDays:
    """The days that match day of month, month and day of week, each a list of numbers in ascending order; Sunday is 0.

    `last_day` adds the last day of each month to the days of month, and `nth_weekdays` adds weekdays to the days of
    week. With `either_day` a day matches when its day of month or its day of week does, and otherwise when both do.
    """

    def __init__(
        self,
        *,
        days: tuple[int, ...],
        months: tuple[int, ...],
        weekdays: tuple[int, ...],
        either_day: bool,
        last_day: bool = False,
        nth_weekdays: Set[NthWeekday] = frozenset(),
    ) -> None:
        self._by_mask = last_day or bool(nth_weekdays)
        self._last_day = last_day
        self._nth_weekdays = nth_weekdays
        # The OR of both is ours: croniter takes a list of all values for `*`, and a day that is `*` out of its own OR.
        steppers = [(days, EVERY_WEEKDAY), (EVERY_DAY, weekdays)] if either_day else [(days, weekdays)]
        if self._by_mask:
            steppers = []
        self._steppers = [day_stepper(days=of_month, months=months, weekdays=of_week) for of_month, of_week in steppers]
        self._either_day = either_day
        self._months = _mask(months)  # bit n stands for month n
        self._days = _mask(days) >> 1  # bit n stands for day n + 1 of a month
        # The same for a month that begins on each of the seven weekdays.
        self._weekdays = tuple(_mask(day for day in range(31) if (first + day) % 7 in weekdays) for first in range(7))

    def first_from(self, day: int) -> int | None:
        """Return the first matching day, `day` or later; None when there is none before the year 10000."""
        if self._by_mask:
            return self._first_by_mask(day)
        found = [first for stepper in self._steppers if (first := stepper.first_from(day)) is not None]
        return min(found, default=None)

    def last_until(self, day: int) -> int | None:
        """Return the last matching day, `day` or earlier; None when there is none since the year 1."""
        if self._by_mask:
            return self._last_by_mask(day)
        found = [last for stepper in self._steppers if (last := stepper.last_until(day)) is not None]
        return max(found, default=None)

    def count(self, first: int, before: int) -> int:
        """Return how many days in [first, before) match."""
        if first > LAST_ORDINAL:
            return 0
        total = 0
        passed = date.fromordinal(first).day - 1
        for begin, month, length in _months_from(first - passed):
            if begin >= before:
                break
            days = self._days_of_month(begin, month, min(length, before - begin))
            total += (days >> passed).bit_count()
            passed = 0
        return total

    def shortest_gap(self) -> int | None:
        """Return the fewest days from one matching day to the next; None when there are never two."""
        shortest: int | None = None
        previous: int | None = None
        for begin, month, length in islice(_months_from(EPOCH_ORDINAL), CALENDAR_CYCLE_MONTHS):
            days = self._days_of_month(begin, month, length)
            while days:
                day = begin + (days & -days).bit_length() - 1
                days &= days - 1
                if previous is not None and (shortest is None or day - previous < shortest):
                    shortest = day - previous
                    if shortest == 1:
                        return 1
                previous = day
        return shortest

    def _first_by_mask(self, day: int) -> int | None:
        if day > LAST_ORDINAL:
            return None
        passed = date.fromordinal(day).day - 1
        for begin, month, length in islice(_months_from(day - passed), ALL_KINDS_MONTHS):
            days = self._days_of_month(begin, month, length) >> passed << passed
            if days:
                return begin + (days & -days).bit_length() - 1
            passed = 0
        return None

    def _last_by_mask(self, day: int) -> int | None:
        begin = day + 1
        for _ in range(ALL_KINDS_MONTHS):
            if begin <= 1:
                return None
            last = date.fromordinal(begin - 1)
            begin -= last.day
            if days := self._days_of_month(begin, last.month, last.day):
                return begin + days.bit_length() - 1
        return None

    def _days_of_month(self, begin: int, month: int, length: int) -> int:
        """Return the matching days of the month that begins on the day `begin`; bit 0 is that day.

        `length` may be less than the month's, and then the days after it are left out.
        """
        if not self._months >> month & 1:
            return 0
        of_month, of_week = self._days, self._weekdays[begin % 7]
        if self._by_mask:
            first_day = date.fromordinal(begin)
            whole = _length_of(first_day.year, first_day.month)
            if self._last_day:
                of_month |= 1 << whole - 1
            for weekday, n in self._nth_weekdays:
                first = (weekday - begin) % 7
                of_week |= 1 << first + 7 * ((whole - 1 - first) // 7 if n == LAST_IN_MONTH else n - 1)
        days = of_month | of_week if self._either_day else of_month & of_week
        return days & ((1 << length) - 1)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)


def _months_from(begin: int) -> Iterator[tuple[int, int, int]]:
    """Yield months as (first day, month, length), from the one that begins on `begin` to the calendar's end."""
    first = date.fromordinal(begin)
    year, month = first.year, first.month
    while year <= date.max.year:
        length = _length_of(year, month)
        yield begin, month, length
        begin += length
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _length_of(year: int, month: int) -> int:
    return 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]
