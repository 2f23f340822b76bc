"""Cron texts as the service before Duetime took them: one may begin with its time zone, and may be an interval."""

import re
from datetime import timedelta

from jobs.legacy import durations
from jobs.triggers import timezones
from jobs.triggers.columns import MILLISECOND, CronDraft, IntervalDraft
from jobs.triggers.schedule import Cron, Interval

ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)", re.DOTALL)
EVERY = re.compile(r"@every(?:\s+(.*))?", re.DOTALL)
SHORTEST = timedelta(seconds=1)
"""The old service's library rounded shorter intervals up."""


def parse(text: str) -> tuple[CronDraft | IntervalDraft, str | None]:
    """The trigger, its expression unchecked, and the time zone that the text names, if it does. Raises `ValueError`."""
    zone, expression = found.groups() if (found := ZONE.fullmatch(text)) else (None, text)
    if zone:
        timezones.zone(zone)
    if (found := EVERY.fullmatch(expression)) is None:
        return CronDraft(expression=expression, timezone=zone or "UTC"), zone
    every = durations.parse((found[1] or "").strip())
    if every <= timedelta():
        raise ValueError("the duration of @every must be longer than nothing")
    return IntervalDraft(every_ms=max(every, SHORTEST) // MILLISECOND), zone


def write(trigger: Cron | Interval) -> str:
    """The trigger in a form that `parse` takes."""
    match trigger:
        case Interval():
            return f"@every {durations.write(trigger.every)}"
        case Cron(timezone="UTC"):
            return trigger.expression
        case Cron():
            return f"CRON_TZ={trigger.timezone} {trigger.expression}"
