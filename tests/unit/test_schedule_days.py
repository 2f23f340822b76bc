"""The days that croniter finds, against a scan of the calendar and against our own count."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.triggers import day_steps
from jobs.triggers.day_steps import LAST_ORDINAL
from jobs.triggers.matching_days import EVERY_DAY, EVERY_WEEKDAY, MatchingDays
from tests.support.caches import clear_caches

ALL_MONTHS = tuple(range(1, 13))
FRIDAY = (5,)


def numbers(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw the values of a field, often a single one or all of them."""
    some = st.sets(st.integers(low, high), min_size=1).map(lambda values: tuple(sorted(values)))
    return st.one_of(st.integers(low, high).map(lambda value: (value,)), some, st.just(tuple(range(low, high + 1))))


PATTERNS = st.builds(
    MatchingDays, days=numbers(1, 31), months=numbers(1, 12), weekdays=numbers(0, 6), either_day=st.booleans()
)
DAYS = st.one_of(
    st.dates(),
    st.dates(date(1890, 1, 1), date(1910, 12, 31)),
    st.sampled_from([date.min, date.max, date(1900, 3, 1), date(2000, 2, 29), date(2024, 12, 31)]),
)


@given(days=numbers(1, 31), months=numbers(1, 12), weekdays=numbers(0, 6), either_day=st.booleans(), day=DAYS)
@example(days=EVERY_DAY, months=ALL_MONTHS, weekdays=FRIDAY, either_day=True, day=date(2026, 1, 3))
@example(days=(31,), months=ALL_MONTHS, weekdays=EVERY_WEEKDAY, either_day=False, day=date(2026, 3, 5))
@example(days=(30, 31), months=(2, 3), weekdays=EVERY_WEEKDAY, either_day=False, day=date(2026, 3, 29))
@settings(max_examples=300, deadline=None)
def test_steps_are_those_of_a_scan(
    *,
    days: tuple[int, ...],
    months: tuple[int, ...],
    weekdays: tuple[int, ...],
    either_day: bool,
    day: date,
) -> None:
    """The next and the last matching day are the nearest ones that a scan of a year finds."""

    def matches(ordinal: int) -> bool:
        each = date.fromordinal(ordinal)
        both = (each.day in days, each.isoweekday() % 7 in weekdays)
        return each.month in months and (any(both) if either_day else all(both))

    pattern = MatchingDays(days=days, months=months, weekdays=weekdays, either_day=either_day)
    start = day.toordinal()
    ahead = range(start, min(start + 366, LAST_ORDINAL + 1))
    back = range(start, max(start - 366, 0), -1)

    first, last = pattern.first_from(start), pattern.last_until(start)

    assert (first if first in ahead else None) == next(filter(matches, ahead), None)
    assert (last if last in back else None) == next(filter(matches, back), None)


@given(pattern=PATTERNS, day=DAYS)
@settings(max_examples=200, deadline=None)
def test_steps_and_counts_agree(pattern: MatchingDays, day: date) -> None:
    """The day that a step finds is counted as one, and the days that it skips as none."""
    start = day.toordinal()
    first, last = pattern.first_from(start), pattern.last_until(start)

    if first is None:
        assert pattern.count(start, LAST_ORDINAL + 1) == 0
    else:
        assert (pattern.count(start, first), pattern.count(first, first + 1)) == (0, 1)
    if last is None:
        assert pattern.count(1, start + 1) == 0
    else:
        assert (pattern.count(last, last + 1), pattern.count(last + 1, start + 1)) == (1, 0)


@pytest.mark.parametrize(
    ("step", "start", "found"),
    [
        (lambda leap_days: leap_days.first_from, date(1896, 3, 1), date(1904, 2, 29)),
        (lambda leap_days: leap_days.last_until, date(2104, 2, 28), date(2096, 2, 29)),
        (lambda leap_days: leap_days.first_from, date(9996, 3, 1), None),
        (lambda leap_days: leap_days.last_until, date(4, 2, 28), None),
    ],
)
def test_steps_between_leap_days(
    step: Callable[[MatchingDays], Callable[[int], int | None]], start: date, found: date | None
) -> None:
    """They are eight years apart around 1900 and 2100, and end with the calendar."""
    leap_days = MatchingDays(days=(29,), months=(2,), weekdays=EVERY_WEEKDAY, either_day=False)

    assert step(leap_days)(start.toordinal()) == (None if found is None else found.toordinal())


def test_leap_fridays_are_forty_years_apart_over_1900() -> None:
    """This is the longest gap between two occurrences of a date."""
    leap_fridays = MatchingDays(days=(29,), months=(2,), weekdays=FRIDAY, either_day=False)

    assert leap_fridays.first_from(date(1884, 3, 1).toordinal()) == date(1924, 2, 29).toordinal()
    assert leap_fridays.last_until(date(1924, 2, 28).toordinal()) == date(1884, 2, 29).toordinal()


def test_an_impossible_date_is_never_found() -> None:
    """No year has a 30 February."""
    never = MatchingDays(days=(30, 31), months=(2,), weekdays=EVERY_WEEKDAY, either_day=False)

    assert never.first_from(date(2026, 1, 1).toordinal()) is None
    assert never.last_until(date(2026, 1, 1).toordinal()) is None


def test_threads_can_share_a_croniter_object() -> None:
    """The object has a current time, which one step at a time sets and reads."""
    pattern = MatchingDays(days=(1, 15), months=ALL_MONTHS, weekdays=EVERY_WEEKDAY, either_day=False)
    begin = date(2026, 1, 1).toordinal()
    expected = [pattern.first_from(begin + passed) for passed in range(400)]
    clear_caches(day_steps)
    shared = MatchingDays(days=(1, 15), months=ALL_MONTHS, weekdays=EVERY_WEEKDAY, either_day=False)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda passed: shared.first_from(begin + passed), range(400)))

    assert found == expected
    assert found[1] == begin + timedelta(days=14).days
