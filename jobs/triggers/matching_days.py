"""The days on which a cron expression fires, on a calendar without time zones.

croniter finds them one by one (`day_steps`). They are counted by bit masks, a month at a time, since croniter could
count them only by stepping.

A day is its proleptic Gregorian ordinal, as `date.toordinal` has it.
"""

from calendar import isleap
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice

from jobs.triggers.day_steps import EPOCH_ORDINAL, LAST_ORDINAL, day_stepper

CALENDAR_CYCLE_MONTHS = 400 * 12 + 1
"""The Gregorian calendar repeats after 400 years, weekdays included."""

EVERY_DAY = tuple(range(1, 32))
EVERY_WEEKDAY = tuple(range(7))

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class MatchingDays:
    """The days that match day of month, month and day of week, each a list of numbers in ascending order; Sunday is 0.

    With `either_day` a day matches when its day of month or its day of week does, and otherwise when both do.
    """

    def __init__(
        self, *, days: tuple[int, ...], months: tuple[int, ...], weekdays: tuple[int, ...], either_day: bool
    ) -> None:
        # The OR of both is ours: croniter takes a list of all values for `*`, and a day that is `*` out of its own OR.
        steppers = [(days, EVERY_WEEKDAY), (EVERY_DAY, weekdays)] if either_day else [(days, weekdays)]
        self._steppers = [day_stepper(days=of_month, months=months, weekdays=of_week) for of_month, of_week in steppers]
        self._either_day = either_day
        self._months = _mask(months)  # bit n stands for month n
        self._days = _mask(days) >> 1  # bit n stands for day n + 1 of a month
        # The same for a month that begins on each of the seven weekdays.
        self._weekdays = tuple(_mask(day for day in range(31) if (first + day) % 7 in weekdays) for first in range(7))

    def first_from(self, day: int) -> int | None:
        """Return the first matching day, `day` or later; None when there is none before the year 10000."""
        found = [first for stepper in self._steppers if (first := stepper.first_from(day)) is not None]
        return min(found, default=None)

    def last_until(self, day: int) -> int | None:
        """Return the last matching day, `day` or earlier; None when there is none since the year 1."""
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

    def _days_of_month(self, begin: int, month: int, length: int) -> int:
        """Return the matching days of the month that begins on the day `begin`; bit 0 is that day."""
        if not self._months >> month & 1:
            return 0
        weekdays = self._weekdays[begin % 7]
        days = self._days | weekdays if self._either_day else self._days & weekdays
        return days & ((1 << length) - 1)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)


def _months_from(begin: int) -> Iterator[tuple[int, int, int]]:
    """Yield months as (first day, month, length), from the one that begins on `begin` to the calendar's end."""
    first = date.fromordinal(begin)
    year, month = first.year, first.month
    while year <= date.max.year:
        length = 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]
        yield begin, month, length
        begin += length
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
