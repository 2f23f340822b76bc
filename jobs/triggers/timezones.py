"""How a zone's wall clock maps to real instants, and so when a cron expression fires.

Time is cut into stretches in which a zone's clock runs evenly. Where one stretch meets the next, the clock may have
been set forward, which loses wall-clock minutes, or back, which shows some of them again::

    real time    ──────────────┬──────────────▶        `seen` is how far the clock had come in any earlier stretch;
    clock        ...01:59      │03:00...               seen < opens: the minutes from seen to opens are lost
    clock        ...02:59      │02:00...               seen > opens: the minutes from opens to seen are shown again

A *fixed-time* expression fires once for each wall-clock minute: not again before `seen`, and what was lost collapses
into one firing at the first minute of the stretch. Any other fires at every real minute whose wall clock matches.

Instants are whole seconds since 1970-01-01T00:00:00Z, in which nothing can overflow.
"""

from calendar import isleap
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from jobs.datetimes import UNIX_EPOCH
from jobs.triggers.cron import Expression
from jobs.triggers.day_steps import EPOCH_ORDINAL

DAY = 86_400

# No zone has set its clock twice within six days, so equal offsets at both ends of a probe mean none between them.
PROBE = 6 * DAY

# How far back a clock may have been ahead of what it shows now: none was ever set back by more than a day, and a wall
# clock is less than a day from UTC.
LOOK_BACK = 3 * DAY

# No zone's clock was set before 1800, and from 2100 on each follows a yearly rule that knows only the calendar, of
# which there are 14. So those years are like one of the same calendar near them, and need no probing.
FIRST_PROBED_YEAR, LAST_PROBED_YEAR = 1800, 2128
RULED_FROM_YEAR = 2100

# Any 40 years in a row show all 14 calendars, and so everything that one rule can bring about.
ALL_CALENDARS_YEARS = 40


class UnknownZone(ValueError):
    """The name is not in the time zone database; the message suggests a near one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time of even clock, [start, end), in a zone. `seen` is a wall-clock second; see the module."""

    start: int
    end: int
    offset: int
    seen: int

    @property
    def opens(self) -> int:
        """The wall-clock second that the stretch begins with."""
        return self.start + self.offset

    @property
    def first_minute(self) -> int:
        """The instant of the first whole wall-clock minute."""
        return _ceil_minute(self.opens) * 60 - self.offset


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name that the pinned database knows."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """The zone's rules, from the pinned `tzdata` package. Raises UnknownZone.

    ZoneInfo(name) would prefer the host's files (zoneinfo.TZPATH): two workers on hosts of different age would fire
    one task at different instants, and an update of the host would move instants that are already stored.
    """
    if name not in zone_names():
        raise UnknownZone(_unknown(name))
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def _unknown(name: str) -> str:
    known = {each.lower(): each for each in sorted(zone_names())}
    near = get_close_matches(name[:40].lower(), known, n=1)
    suggestion = f"did you mean {known[near[0]]}?" if near else "give an IANA name such as Europe/Berlin or UTC"
    shown = name if len(name) <= 40 else f"{name[:40]}..."
    return f"{shown!r} is not a time zone; {suggestion}"


def first_at_or_after(expression: Expression, zone_name: str, second: int, *, last: int) -> int | None:
    """The first firing in [second, last]; None when there is none."""
    year = year_of(second)
    # An interval expression that matches in gaps alone never fires.
    last_year = max(year, RULED_FROM_YEAR) + ALL_CALENDARS_YEARS
    while year <= last_year:
        for stretch in stretches(zone_name, year):
            if second < stretch.end:
                found = _first_in(stretch, expression, max(second, stretch.start))
                if found is not None:
                    return found if found <= last else None
        following = expression.first_at_or_after((_year_begin(year + 1) - LOOK_BACK) // 60)
        if following is None or following * 60 - LOOK_BACK > last:
            return None
        year = max(year + 1, year_of(following * 60 - LOOK_BACK))
    return None


def last_at_or_before(expression: Expression, zone_name: str, second: int, *, first: int) -> int | None:
    """The last firing in [first, second]; None when there is none."""
    year = year_of(second)
    while year > 0:
        for stretch in reversed(stretches(zone_name, year)):
            if second >= stretch.start:
                found = _last_in(stretch, expression, min(second, stretch.end - 1))
                if found is not None:
                    return found if found >= first else None
        previous = expression.last_at_or_before((_year_begin(year) + LOOK_BACK) // 60)
        if previous is None or previous * 60 + LOOK_BACK < first:
            return None
        year = min(year - 1, year_of(previous * 60 + LOOK_BACK))
    return None


def count(expression: Expression, zone_name: str, first: int, before: int) -> int:
    """How many firings lie in [first, before)."""
    return sum(
        _count_in(stretch, expression, max(first, stretch.start), min(before, stretch.end))
        for year in range(year_of(first), year_of(before) + 1)
        for stretch in stretches(zone_name, year)
        if first < stretch.end and stretch.start < before
    )


def shortest_gap(expression: Expression, zone_name: str, second: int) -> int | None:
    """The fewest seconds between two firings from `second` on; None when there never are two.

    A clock that is set brings two firings closer together than they are on an even one: a daily one at 09:00 comes 23
    hours after the last on some Sunday in March. Changes of the next `ALL_CALENDARS_YEARS` are looked at.
    """
    minutes = expression.shortest_gap()
    if minutes is None:
        return None
    shortest = minutes * 60
    year = year_of(second)
    last = _year_begin(year + ALL_CALENDARS_YEARS)
    reached = second
    for change in (change for each in range(year, year + ALL_CALENDARS_YEARS) for change in _changes(zone_name, each)):
        if change < reached:  # lies between two firings that were looked at already
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


def _changes(zone_name: str, year: int) -> list[int]:
    """The seconds of a year at which the zone's clock is set."""
    return [stretch.start for stretch in stretches(zone_name, year) if stretch.seen != stretch.opens]


def _first_in(stretch: Stretch, expression: Expression, second: int) -> int | None:
    if second <= stretch.first_minute and _collapses(stretch, expression):
        return stretch.first_minute
    minute = expression.first_at_or_after(_ceil_minute(max(second + stretch.offset, _counts_from(stretch, expression))))
    if minute is None:
        return None
    found = minute * 60 - stretch.offset
    return found if found < stretch.end else None


def _last_in(stretch: Stretch, expression: Expression, second: int) -> int | None:
    minute = expression.last_at_or_before((second + stretch.offset) // 60)
    if minute is not None and minute * 60 >= _counts_from(stretch, expression):
        return minute * 60 - stretch.offset
    return stretch.first_minute if second >= stretch.first_minute and _collapses(stretch, expression) else None


def _count_in(stretch: Stretch, expression: Expression, first: int, before: int) -> int:
    begin = _ceil_minute(max(first + stretch.offset, _counts_from(stretch, expression)))
    total = expression.count(begin, _ceil_minute(before + stretch.offset))
    if first <= stretch.first_minute < before and _collapses(stretch, expression):
        minute = _ceil_minute(stretch.opens)
        total += 1 - expression.count(minute, minute + 1)
    return total


def _counts_from(stretch: Stretch, expression: Expression) -> int:
    """The wall-clock second from which the stretch counts for the expression."""
    return max(stretch.opens, stretch.seen) if expression.fixed_time else stretch.opens


def _collapses(stretch: Stretch, expression: Expression) -> bool:
    """Whether the first minute of the stretch stands for minutes lost before it."""
    return (
        expression.fixed_time
        and stretch.seen < stretch.opens
        and stretch.first_minute < stretch.end
        and expression.count(_ceil_minute(stretch.seen), _ceil_minute(stretch.opens)) > 0
    )


@lru_cache(maxsize=4_096)
def stretches(zone_name: str, year: int) -> tuple[Stretch, ...]:
    """A year (of UTC) of a zone, cut where its clock is set."""
    like = _like(year)
    if like != year:
        later = _year_begin(year) - _year_begin(like)
        return tuple(
            Stretch(start=each.start + later, end=each.end + later, offset=each.offset, seen=each.seen + later)
            for each in stretches(zone_name, like)
        )
    rules = zone(zone_name)
    begin, end = _year_begin(year), _year_begin(year + 1)
    start = begin - LOOK_BACK
    offset = _offset(rules, start)
    seen = start + offset
    found: list[Stretch] = []
    while start < end:
        change = _next_change(rules, start, offset, end)
        if change > begin:
            # A stretch that the turn of the year cuts has had no change there, so nothing is lost.
            cut = start < begin
            found.append(
                Stretch(
                    start=begin if cut else start,
                    end=change,
                    offset=offset,
                    seen=max(seen, begin + offset) if cut else seen,
                )
            )
        seen = max(seen, change + offset)
        start, offset = change, _offset(rules, change)
    return tuple(found)


def _next_change(rules: ZoneInfo, start: int, offset: int, end: int) -> int:
    """The first second after `start` at which the clock does not show `offset` any more; at most `end`."""
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


def _like(year: int) -> int:
    """The year itself, or one of the same calendar and rules near the probed years."""
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
    """The UTC year of an instant, from 1 to 9999."""
    return (UNIX_EPOCH + timedelta(seconds=min(max(second, _year_begin(1)), _year_begin(10_000) - 1))).year
