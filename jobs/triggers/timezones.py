"""When a cron expression fires: the wall clock of its time zone, mapped to real instants.

Time is cut at the zone's transitions into periods of constant UTC offset. At a transition the clock goes forward, which
skips wall-clock minutes, or back, which repeats some::

    real time    ──────────────┬──────────────▶        `reached` is the latest wall-clock second of all earlier periods:
    clock        ...01:59      │03:00...               reached < wall_start: the minutes between them are skipped
    clock        ...02:59      │02:00...               reached > wall_start: the minutes between them are repeated

A *fixed-time* expression fires once for each wall-clock minute: not again before `reached`, and the skipped minutes
that match become one firing, in the first minute of the period. Any other expression fires at every real minute whose
wall clock matches.

Instants are whole seconds since 1970-01-01T00:00:00Z, so no sum of them overflows.
"""

from calendar import isleap
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from jobs.datetimes import UNIX_EPOCH
from jobs.triggers import zone_names
from jobs.triggers.cron import Expression
from jobs.triggers.day_steps import ALL_KINDS_YEARS, EPOCH_ORDINAL

DAY = 86_400

# Transitions of a zone are more than six days apart, so equal offsets at both ends of a probe mean none between them.
PROBE = 6 * DAY

# How far back a clock may have been ahead of what it shows now: no transition sets one back by more than a day, and a
# wall clock is less than a day from UTC.
LOOK_BACK = 3 * DAY

# No zone has a transition before 1800, and from 2100 on each follows a yearly rule that depends on the calendar alone.
# So a year outside the probed ones has the transitions of a probed year of the same kind, and needs no probing.
FIRST_PROBED_YEAR, LAST_PROBED_YEAR = 1800, 2128
RULED_FROM_YEAR = 2100


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period of constant UTC offset, [start, end). `reached` is a wall-clock second; see the module."""

    start: int
    end: int
    offset: int
    reached: int

    @property
    def wall_start(self) -> int:
        """The wall-clock second that the period begins with."""
        return self.start + self.offset

    @property
    def first_minute(self) -> int:
        """The instant at which the first whole wall-clock minute begins."""
        return _ceil_minute(self.wall_start) * 60 - self.offset


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """Return the zone's rules from the pinned `tzdata` package. Raises `zone_names.UnknownZone`.

    ZoneInfo(name) would prefer the host's files (zoneinfo.TZPATH): workers on hosts with different versions would fire
    one task at different instants, and an update of the host would change instants that are already stored.
    """
    if name not in zone_names.zone_names():
        raise zone_names.unknown(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def first_at_or_after(expression: Expression, zone_name: str, second: int, *, last: int) -> int | None:
    """Return the first firing in [second, last]; None when there is none."""
    year = year_of(second)
    # An expression that matches only skipped minutes never fires, so the search has an end.
    last_year = max(year, RULED_FROM_YEAR) + ALL_KINDS_YEARS
    while year <= last_year:
        for period in periods(zone_name, year):
            if second < period.end:
                found = _first_in(period, expression, max(second, period.start))
                if found is not None:
                    return found if found <= last else None
        following = expression.first_at_or_after((_year_begin(year + 1) - LOOK_BACK) // 60)
        if following is None or following * 60 - LOOK_BACK > last:
            return None
        year = max(year + 1, year_of(following * 60 - LOOK_BACK))
    return None


def last_at_or_before(expression: Expression, zone_name: str, second: int, *, first: int) -> int | None:
    """Return the last firing in [first, second]; None when there is none."""
    year = year_of(second)
    while year > 0:
        for period in reversed(periods(zone_name, year)):
            if second >= period.start:
                found = _last_in(period, expression, min(second, period.end - 1))
                if found is not None:
                    return found if found >= first else None
        previous = expression.last_at_or_before((_year_begin(year) + LOOK_BACK) // 60)
        if previous is None or previous * 60 + LOOK_BACK < first:
            return None
        year = min(year - 1, year_of(previous * 60 + LOOK_BACK))
    return None


def count(expression: Expression, zone_name: str, first: int, before: int) -> int:
    """Return the number of firings in [first, before)."""
    return sum(
        _count_in(period, expression, max(first, period.start), min(before, period.end))
        for year in range(year_of(first), year_of(before) + 1)
        for period in periods(zone_name, year)
        if first < period.end and period.start < before
    )


def shortest_gap(expression: Expression, zone_name: str, second: int) -> int | None:
    """Return the fewest seconds between two firings from `second` on; None when there are never two.

    A transition can bring two firings closer together: one at 09:00 each day comes 23 hours after the one before it on
    a Sunday in March. The transitions of the next `ALL_KINDS_YEARS` are examined.
    """
    minutes = expression.shortest_gap()
    if minutes is None:
        return None
    shortest = minutes * 60
    year = year_of(second)
    last = _year_begin(year + ALL_KINDS_YEARS)
    reached = second
    for change in (change for each in range(year, year + ALL_KINDS_YEARS) for change in _transitions(zone_name, each)):
        if change < reached:  # lies between two firings that have been examined
            continue
        before = last_at_or_before(expression, zone_name, change - 1, first=reached)
        at = first_at_or_after(expression, zone_name, change, last=last)
        if at is None:
            break
        after = first_at_or_after(expression, zone_name, at + 1, last=last)
        if before is not None:
            shortest = min(shortest, at - before)
        if after is not None:
            shortest = min(shortest, after - at)
        reached = at
    return shortest


def _transitions(zone_name: str, year: int) -> list[int]:
    """Return the seconds of a year at which the clock skips or repeats minutes."""
    return [period.start for period in periods(zone_name, year) if period.reached != period.wall_start]


def _first_in(period: Period, expression: Expression, second: int) -> int | None:
    if second <= period.first_minute and _collapses(period, expression):
        return period.first_minute
    minute = expression.first_at_or_after(
        _ceil_minute(max(second + period.offset, _countable_from(period, expression)))
    )
    if minute is None:
        return None
    found = minute * 60 - period.offset
    return found if found < period.end else None


def _last_in(period: Period, expression: Expression, second: int) -> int | None:
    minute = expression.last_at_or_before((second + period.offset) // 60)
    if minute is not None and minute * 60 >= _countable_from(period, expression):
        return minute * 60 - period.offset
    return period.first_minute if second >= period.first_minute and _collapses(period, expression) else None


def _count_in(period: Period, expression: Expression, first: int, before: int) -> int:
    begin = _ceil_minute(max(first + period.offset, _countable_from(period, expression)))
    total = expression.count(begin, _ceil_minute(before + period.offset))
    if first <= period.first_minute < before and _collapses(period, expression):
        minute = _ceil_minute(period.wall_start)
        total += 1 - expression.count(minute, minute + 1)
    return total


def _countable_from(period: Period, expression: Expression) -> int:
    """Return the wall-clock second from which minutes of the period count for the expression."""
    return max(period.wall_start, period.reached) if expression.fixed_time else period.wall_start


def _collapses(period: Period, expression: Expression) -> bool:
    """Return whether the first minute of the period stands for skipped minutes that match."""
    return (
        expression.fixed_time
        and period.reached < period.wall_start
        and period.first_minute < period.end
        and expression.count(_ceil_minute(period.reached), _ceil_minute(period.wall_start)) > 0
    )


@lru_cache(maxsize=4_096)
def periods(zone_name: str, year: int) -> tuple[Period, ...]:
    """Return the periods of a year (of UTC) in a zone; its first and last one are cut at the turn of the year."""
    like = _year_alike(year)
    if like != year:
        later = _year_begin(year) - _year_begin(like)
        return tuple(
            Period(start=each.start + later, end=each.end + later, offset=each.offset, reached=each.reached + later)
            for each in periods(zone_name, like)
        )
    rules = zone(zone_name)
    begin, end = _year_begin(year), _year_begin(year + 1)
    start = begin - LOOK_BACK
    offset = _offset(rules, start)
    reached = start + offset
    found: list[Period] = []
    while start < end:
        change = _next_transition(rules, start, offset, end)
        if change > begin:
            # The turn of the year is no transition, so nothing is skipped where it cuts a period.
            cut = start < begin
            found.append(
                Period(
                    start=begin if cut else start,
                    end=change,
                    offset=offset,
                    reached=max(reached, begin + offset) if cut else reached,
                )
            )
        reached = max(reached, change + offset)
        start, offset = change, _offset(rules, change)
    return tuple(found)


def _next_transition(rules: ZoneInfo, start: int, offset: int, end: int) -> int:
    """Return the first second after `start` whose offset is not `offset`, but `end` at the latest."""
    even = start
    while even < end:
        probe = min(even + PROBE, end)
        if _offset(rules, probe) != offset:
            while probe - even > 1:
                middle = (even + probe) // 2
                if _offset(rules, middle) == offset:
                    even = middle
                else:
                    probe = middle
            return probe
        even = probe
    return end


def _offset(rules: ZoneInfo, second: int) -> int:
    ahead = (UNIX_EPOCH + timedelta(seconds=second)).astimezone(rules).utcoffset() or timedelta()
    return ahead.days * DAY + ahead.seconds


def _year_alike(year: int) -> int:
    """Return the year itself when it is probed, or else a probed year of the same kind under the same rules."""
    if year < FIRST_PROBED_YEAR:
        candidates = range(FIRST_PROBED_YEAR - 28, FIRST_PROBED_YEAR)
    elif year > LAST_PROBED_YEAR:
        candidates = range(LAST_PROBED_YEAR - 27, LAST_PROBED_YEAR + 1)
    else:
        return year
    begin, leap = _year_begin(year), isleap(year)
    return next(each for each in candidates if isleap(each) == leap and (_year_begin(each) - begin) % (7 * DAY) == 0)


def _ceil_minute(second: int) -> int:
    return -(-second // 60)


def _year_begin(year: int) -> int:
    whole = year - 1
    return (whole * 365 + whole // 4 - whole // 100 + whole // 400 + 1 - EPOCH_ORDINAL) * DAY


def year_of(second: int) -> int:
    """Return the UTC year of an instant, from 1 to 9999."""
    return (UNIX_EPOCH + timedelta(seconds=min(max(second, _year_begin(1)), _year_begin(10_000) - 1))).year
