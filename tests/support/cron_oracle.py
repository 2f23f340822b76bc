"""A second implementation of when a cron expression fires, which shares no code with `jobs`.

It is slow and plain on purpose: it goes through the real minutes one by one and looks at what the zone's clock shows.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
WARM_UP = timedelta(days=2)

_NAMES = {
    3: ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_BOUNDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def zone(name: str) -> ZoneInfo:
    """Return the zone of the tzdata package rather than the host's."""
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def firings(expression: str, zone_name: str, first: datetime, before: datetime) -> list[datetime]:
    """Return every instant in [first, before) at which the expression fires in the zone."""
    written = expression.split()
    matches = _matcher(written)
    fixed_time = written[0][0] != "*" and written[1][0] != "*"
    rules = zone(zone_name)
    found: list[datetime] = []
    instant = first - WARM_UP
    reached = _shown(instant, rules) - MINUTE
    while instant < before:
        clock = _shown(instant, rules)
        if fixed_time:
            fires = False
            while reached < clock:  # each wall-clock minute once; skipped ones fire with this one
                reached += MINUTE
                fires = matches(reached) or fires
        else:
            fires = matches(clock)
        if fires and instant >= first:
            found.append(instant)
        instant += MINUTE
    return found


def _shown(instant: datetime, rules: ZoneInfo) -> datetime:
    return instant.astimezone(rules).replace(tzinfo=None)


def _matcher(written: list[str]) -> Callable[[datetime], bool]:
    minutes, hours, days, months, weekdays = (_numbers(text, position) for position, text in enumerate(written))
    both_restricted = written[2][0] != "*" and written[4][0] != "*"

    def matches(clock: datetime) -> bool:
        if clock.minute not in minutes or clock.hour not in hours or clock.month not in months:
            return False
        day_fits = clock.day in days
        weekday_fits = clock.isoweekday() in weekdays or (clock.isoweekday() == 7 and 0 in weekdays)
        return (day_fits or weekday_fits) if both_restricted else (day_fits and weekday_fits)

    return matches


def _numbers(text: str, position: int) -> set[int]:
    low, high = _BOUNDS[position]
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        if begin == "*":
            first, last = low, high
        else:
            first = _number(begin, position)
            last = _number(end, position) if end else (high if step else first)
        found.update(number for number in range(first, last + 1) if (number - first) % int(step or 1) == 0)
    return found


def _number(text: str, position: int) -> int:
    return int(text) if text.isdigit() else _NAMES[position].index(text.lower())
