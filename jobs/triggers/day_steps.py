"""Steps from one matching day to the next, which croniter computes.

croniter gets normalised lists and naive wall-clock time only, and it gets days, not minutes: the times of a matching
day are a list already. A step costs it 20 to 50 µs, so its answers are kept and hold for other days too:

- There are 14 kinds of year: leap or not, and beginning on one of seven weekdays. croniter is asked about one year of
  each kind, and its answers hold for every year of that kind. So it never comes near the first or the last year of the
  calendar. Years without a matching day are skipped, so a date that occurs every 28 years costs no more than others.
- A pattern that restricts the weekdays alone repeats every week, so croniter is asked about one week.
- The first matching day from Tuesday on is also the first from each day between Tuesday and itself.

A day is its proleptic Gregorian ordinal, as `date.toordinal` has it.
"""

from calendar import isleap
from datetime import date
from functools import lru_cache
from threading import Lock

from croniter import CroniterBadDateError, croniter

from jobs.datetimes import UNIX_EPOCH

EPOCH_ORDINAL = UNIX_EPOCH.toordinal()
LAST_ORDINAL = date.max.toordinal()
SECONDS_PER_DAY = 86_400

YEARS_ASKED = range(1972, 2000)
"""28 years without a turn of the century, which include all 14 kinds of year."""

ALL_KINDS_YEARS = 40
"""Any 40 consecutive years include all 14 kinds of year."""

CALENDAR_CYCLE_YEARS = 400
"""The Gregorian calendar repeats after 400 years, weekdays included."""

WEEK_ASKED = date(1972, 1, 3).toordinal()


class DayStepper:
    """Finds the days that match a day of month, a month and a day of week (Sunday is 0), all three of them."""

    def __init__(self, *, days: tuple[int, ...], months: tuple[int, ...], weekdays: tuple[int, ...]) -> None:
        fields = [
            "*" if len(values) == size else ",".join(map(str, values))
            for values, size in ((days, 31), (months, 12), (weekdays, 7))
        ]
        self._weekly = fields[:2] == ["*", "*"]
        # Every minute matches, so croniter need not look for a time after it has found the day.
        self._croniter = croniter(f"* * {' '.join(fields)}", 0.0, day_or=False, max_years_between_matches=1)
        self._lock = Lock()

    def first_from(self, day: int) -> int | None:
        """Return the first matching day, `day` or later; None when there is none before the year 10000."""
        if day > LAST_ORDINAL:
            return None
        if self._weekly:
            found = day + _days_ahead(self, day % 7)
            return found if found <= LAST_ORDINAL else None
        year = date.fromordinal(day).year
        this_year = self._first_in(year, day)
        if this_year is not None:
            return this_year
        # Most years may have no matching day at all, such as a 29 February that is a Sunday, so they are skipped.
        years = _years_ahead(self)[(year + 1) % CALENDAR_CYCLE_YEARS]
        if years is None or year + 1 + years > date.max.year:
            return None
        return self._first_in(year + 1 + years, day)

    def _first_in(self, year: int, day: int) -> int | None:
        begin, asked = _year(year)
        place = max(0, day - begin)
        answers = _first_days(self, asked)
        answer = answers[place]
        if answer is None:
            answer = self._ask_ahead(asked, place, answers)
        return begin + answer if answer < len(answers) else None

    def last_until(self, day: int) -> int | None:
        """Return the last matching day, `day` or earlier; None when there is none since the year 1."""
        if day < 1:
            return None
        if self._weekly:
            found = day - _days_back(self, day % 7)
            return found if found >= 1 else None
        year = date.fromordinal(day).year
        this_year = self._last_in(year, day)
        if this_year is not None:
            return this_year
        years = _years_back(self)[(year - 1) % CALENDAR_CYCLE_YEARS]
        if years is None or year - 1 - years < date.min.year:
            return None
        return self._last_in(year - 1 - years, day)

    def _last_in(self, year: int, day: int) -> int | None:
        begin, asked = _year(year)
        answers = _last_days(self, asked)
        place = min(day - begin, len(answers) - 1)
        answer = answers[place]
        if answer is None:
            answer = self._ask_back(asked, place, answers)
        return begin + answer if answer >= 0 else None

    def matches_in(self, year: int) -> bool:
        """Return whether a year has a matching day."""
        return self._first_in(year, 0) is not None

    def _ask_ahead(self, year: int, place: int, answers: list[int | None]) -> int:
        begin = date(year, 1, 1).toordinal()
        found = self.step(begin + place, back=False)
        answer = len(answers) if found is None else min(found - begin, len(answers))
        last = min(answer, len(answers) - 1)
        answers[place : last + 1] = [answer] * (last + 1 - place)
        return answer

    def _ask_back(self, year: int, place: int, answers: list[int | None]) -> int:
        begin = date(year, 1, 1).toordinal()
        found = self.step(begin + place, back=True)
        answer = -1 if found is None else max(found - begin, -1)
        first = max(answer, 0)
        answers[first : place + 1] = [answer] * (place + 1 - first)
        return answer

    def step(self, day: int, *, back: bool) -> int | None:
        """Let croniter find the first matching day from `day` on, or the last one until it; None when it finds none.

        It looks no further than a year ahead or back.
        """
        midnight = float((day - EPOCH_ORDINAL) * SECONDS_PER_DAY)
        with self._lock:  # a step begins by setting the object's current time
            try:
                if back:
                    found = self._croniter.get_prev(float, start_time=midnight + SECONDS_PER_DAY)
                else:
                    found = self._croniter.get_next(float, start_time=midnight - 60)
            except CroniterBadDateError:
                return None
        return int(found) // SECONDS_PER_DAY + EPOCH_ORDINAL


@lru_cache(maxsize=4_096)
def day_stepper(*, days: tuple[int, ...], months: tuple[int, ...], weekdays: tuple[int, ...]) -> DayStepper:
    """Return the stepper of these days; expressions that differ in their times alone share one croniter object."""
    return DayStepper(days=days, months=months, weekdays=weekdays)


@lru_cache(maxsize=512)
def _years_ahead(stepper: DayStepper) -> list[int | None]:
    """Return, for each year of the calendar's cycle, how many years later the next one with a matching day is.

    It is 0 for a year with such a day, and None when no year has one.
    """
    return _distances(stepper, range(CALENDAR_CYCLE_YEARS - 1, -1, -1))


@lru_cache(maxsize=512)
def _years_back(stepper: DayStepper) -> list[int | None]:
    """Return the same about the last year with a matching day."""
    return _distances(stepper, range(CALENDAR_CYCLE_YEARS))


def _distances(stepper: DayStepper, towards: range) -> list[int | None]:
    distances: list[int | None] = [None] * CALENDAR_CYCLE_YEARS
    distance: int | None = None
    # The first pass finds the distance at the end of the cycle, where the second one begins.
    for year in (*towards, *towards):
        if stepper.matches_in(year + CALENDAR_CYCLE_YEARS):
            distance = 0
        elif distance is not None:
            distance += 1
        distances[year] = distance
    return distances


@lru_cache(maxsize=2_048)
def _first_days(_of: DayStepper, year: int) -> list[int | None]:
    """Return croniter's answers about a year, yet to be filled: for each day of it the first that matches from it on.

    Days count from 0; the length of the year stands for a day after it.
    """
    return [None] * (365 + isleap(year))


@lru_cache(maxsize=2_048)
def _last_days(_of: DayStepper, year: int) -> list[int | None]:
    """Return the same with the last day that matches until each day; -1 stands for a day before the year."""
    return [None] * (365 + isleap(year))


@lru_cache(maxsize=8_192)
def _days_ahead(stepper: DayStepper, remainder: int) -> int:
    """Return how many days after a day of the week the next matching one is; 0 when it matches itself."""
    day = WEEK_ASKED + (remainder - WEEK_ASKED) % 7
    found = stepper.step(day, back=False)
    assert found is not None  # noqa: S101 - each week has such a day
    return found - day


@lru_cache(maxsize=8_192)
def _days_back(stepper: DayStepper, remainder: int) -> int:
    """Return how many days before a day of the week the last matching one is; 0 when it matches itself."""
    day = WEEK_ASKED + (remainder - WEEK_ASKED) % 7
    found = stepper.step(day, back=True)
    assert found is not None  # noqa: S101 - each week has such a day
    return day - found


@lru_cache(maxsize=4_096)
def _year(year: int) -> tuple[int, int]:
    """Return the first day of a year, and the year of its kind that croniter is asked about."""
    begin = date(year, 1, 1).toordinal()
    return begin, next(
        asked
        for asked in YEARS_ASKED
        if isleap(asked) == isleap(year) and (date(asked, 1, 1).toordinal() - begin) % 7 == 0
    )
