"""Cron texts of the service before Duetime, which may begin with a time zone and may stand for an interval.

TZ=Europe/Berlin 0 9 * * *
@every 1h30m
"""

import re
from collections.abc import Iterator
from datetime import timedelta

from jobs.datetimes import MILLISECOND
from jobs.legacy import durations
from jobs.triggers import cron, timezones
from jobs.triggers.schedule import Cron, Interval, OneOff

ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)", re.DOTALL)
EVERY = re.compile(r"@every(?:\s+(.*))?", re.DOTALL)
STEPPED = re.compile(r"(?:\*|\?)/0*([2-9]|[1-9][0-9]+)")
FROM_WEEKDAY = re.compile(r"[0-6a-z]+/", re.IGNORECASE)
SHORTEST = timedelta(seconds=1)
"""The old service's library rounded shorter intervals up."""


def parse(text: str) -> tuple[Cron | Interval, str | None]:
    """Return the trigger, its expression unchecked, and the time zone that the text names, or None.

    Raises `ValueError` for an unknown time zone and for an interval that cannot be read or is not positive.
    """
    zone, expression = found.groups() if (found := ZONE.fullmatch(text)) else (None, text)
    if zone:
        timezones.zone(zone)
    if (found := EVERY.fullmatch(expression)) is None:
        return Cron(expression=expression, timezone=zone or "UTC"), zone
    every = durations.parse((found[1] or "").strip())
    if every <= timedelta():
        raise ValueError("the duration of @every must be longer than zero")
    return Interval(every_ms=max(every, SHORTEST) // MILLISECOND), zone


def write(trigger: Cron | Interval) -> str:
    """Return the trigger as a text that `parse` reads."""
    match trigger:
        case Interval():
            return f"@every {durations.write(trigger.every)}"
        case Cron():
            return write_cron(trigger.expression, timezone=trigger.timezone)


def write_cron(expression: str, *, timezone: str) -> str:
    """Return the text of an expression in a time zone."""
    return expression if timezone == "UTC" else f"CRON_TZ={timezone} {expression}"


def differences(trigger: Cron | Interval | OneOff) -> Iterator[str]:
    """Yield where the old service's library read a valid trigger differently."""
    if not isinstance(trigger, Cron):
        return
    expression = cron.parse(trigger.expression)
    fields = trigger.expression.split()
    if len(fields) == 1:
        return
    days, weekdays = fields[2], fields[4]
    # It took a field for unrestricted if that was `*`, but not if it was `*/2`.
    if any(STEPPED.match(one) and not other.startswith("*") for one, other in ((days, weekdays), (weekdays, days))):
        yield f"{trigger.expression!r} fires when both day fields match, and fired when one of them did"
    if 0 in expression.values[4] and any(FROM_WEEKDAY.match(item) and item[0] != "0" for item in weekdays.split(",")):
        yield f"{trigger.expression!r} fires on Sunday, too, since a step runs up to 7"
