"""Which instants of a trigger are due at a moment, their jitter included, and which of those were missed."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from jobs.datetimes import INSTANT, LAST_INSTANT
from jobs.triggers import schedule
from jobs.triggers.schedule import Interval, OneOff, Trigger

LATE = timedelta(seconds=10)
"""An instant that has been due for longer is missed, and so is every instant after which a later one is due."""
CAUGHT_UP = 1_000
"""Number of missed instants that ALL runs, the newest ones; older ones are counted in the first of them."""


def unsettled(trigger: Trigger, oldest: datetime, *, settled_until: datetime | None) -> Trigger:
    """Return the trigger without its instants between `oldest`, the first that has no run, and `settled_until`.

    There are such instants only when an update has kept `oldest`, whose call had not been made: an instant of the new
    trigger that lies before the update was never due.
    """
    if settled_until is None or settled_until < oldest or isinstance(trigger, OneOff):
        return trigger
    if isinstance(trigger, Interval):
        return replace(trigger, start_at=schedule.next_instant(trigger, settled_until) or LAST_INSTANT)
    starts = settled_until + INSTANT
    return replace(trigger, start_at=starts if trigger.start_at is None else max(starts, trigger.start_at))


def latest_due(
    trigger: Trigger, oldest: datetime, *, due_at: datetime | None, now: datetime, task_id: UUID
) -> datetime | None:
    """Return the task's latest instant from `oldest` on that is due at `now`; None when not even `oldest` is due.

    `due_at` is when `oldest` is due, if that is stored: an update may have changed the jitter since.
    """
    if (due_at or schedule.due_at(trigger, oldest, task_id=task_id)) > now:
        return None
    following = schedule.next_instant(trigger, oldest)
    if following is None or schedule.due_at(trigger, following, task_id=task_id) > now:
        return oldest
    newest = schedule.latest_at_or_before(trigger, now, after=oldest)
    while newest is not None and schedule.due_at(trigger, newest, task_id=task_id) > now:
        # Jitter is never longer than the shortest gap, so the one before it is due.
        newest = schedule.latest_at_or_before(trigger, newest - INSTANT, after=oldest)
    return newest or oldest


def count_missed(trigger: Trigger, oldest: datetime, newest: datetime) -> int:
    """Return the number of instants in [`oldest`, `newest`). `oldest` counts, also if the trigger no longer has it."""
    return 1 + schedule.count_between(trigger, oldest + INSTANT, newest) if oldest < newest else 0


def before(trigger: Trigger, instant: datetime, *, oldest: datetime) -> datetime:
    """Return the instant before `instant`, which is later than `oldest`; `oldest` if there is none between them."""
    return schedule.latest_at_or_before(trigger, instant - INSTANT, after=oldest) or oldest


def oldest_of_newest(oldest: datetime, newest: datetime, trigger: Trigger) -> datetime:
    """Return the first of the newest `CAUGHT_UP` instants in [oldest, newest], found from the nearer end."""
    surplus = count_missed(trigger, oldest, newest) + 1 - CAUGHT_UP
    if surplus <= 0:
        return oldest
    if surplus < CAUGHT_UP:
        return schedule.instants(trigger, oldest, count=surplus)[-1]
    found = newest
    for _ in range(CAUGHT_UP - 1):
        found = before(trigger, found, oldest=oldest)
    return found
