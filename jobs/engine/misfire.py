"""The misfire rules: which instants of a due task run, which are recorded as missed, and which is next.

Pure, so `now` is an argument. An instant is missed when a later instant of the task is also due at its claim, or when
it is more than `LATE` late, after downtime, a pause, or a jump of the clock.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row

from db.engine.claims import NewRun, Reschedule
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus, TriggerType
from jobs.datetimes import FIRST_INSTANT
from jobs.run_ids import scheduled_run_id
from jobs.triggers import schedule
from jobs.triggers.schedule import Trigger

LATE = timedelta(seconds=10)
CAUGHT_UP = 1_000
"""Number of missed instants that ALL runs, the newest ones; older ones are counted in the first of them."""
INSTANT_BEFORE = timedelta(microseconds=1)


class Plan(NamedTuple):
    """The runs to create now, of which only the last may start, and the task's next instant after them."""

    runs: list[NewRun]
    reschedule: Reschedule


def plan(row: Row[Any], trigger: Trigger, *, now: datetime) -> Plan:
    """Settle a due task's instants up to `now` by its policies. `row` is a row of the claim's statement."""
    newest = newest_due(row, trigger, now=now)
    late = now - schedule.due_at(trigger, newest, task_id=row.id) > LATE
    if newest == row.next_run and not late:
        return Plan([run_for(row, trigger, newest)], rescheduled_after(row, trigger, newest, now=now))
    match MisfirePolicy(row.misfire):
        case MisfirePolicy.LATEST:
            runs = [run_for(row, trigger, newest)]
        case MisfirePolicy.SKIP if late:
            runs = [run_for(row, trigger, newest, verdict=RunState.MISSED)]
        case MisfirePolicy.SKIP:
            runs = [
                run_for(row, trigger, before(trigger, newest), verdict=RunState.MISSED),
                run_for(row, trigger, newest, standing_for=0),
            ]
        case MisfirePolicy.ALL:
            newest = oldest_of_newest(row.next_run, newest, trigger)
            runs = [run_for(row, trigger, newest, overlap=OverlapPolicy.ALLOW)]
    return Plan(runs, rescheduled_after(row, trigger, newest, now=now, one_by_one=row.misfire == MisfirePolicy.ALL))


def run_for(
    row: Row[Any],
    trigger: Trigger,
    instant: datetime,
    *,
    overlap: OverlapPolicy | None = None,
    standing_for: int | None = None,
    verdict: RunState | None = None,
) -> NewRun:
    """Return the run of an instant. Without `standing_for` it counts all earlier instants that have no run."""
    missed = schedule.count_between(trigger, row.next_run, instant) if standing_for is None else standing_for
    return NewRun(
        id=scheduled_run_id(row.id, instant),
        task_id=row.id,
        task_version=row.version,
        host=row.host,
        overlap=OverlapPolicy(row.overlap) if overlap is None else overlap,
        scheduled_for=instant,
        due_at=schedule.due_at(trigger, instant, task_id=row.id),
        missed_count=missed,
        missed_since=row.next_run if missed else None,
        verdict=verdict,
    )


def rescheduled_after(
    row: Row[Any], trigger: Trigger, settled: datetime, *, now: datetime, one_by_one: bool = False
) -> Reschedule:
    """Return the task's next instant once `settled` and all earlier instants are settled.

    With `one_by_one`, a next instant that is already due waits for the end of the run that is created now.
    """
    following = schedule.next_instant(trigger, settled)
    due_at = None if following is None else schedule.due_at(trigger, following, task_id=row.id)
    waits = one_by_one and due_at is not None and due_at <= now
    # A one-off is completed by the end of its run; any other task once it has no instant left.
    completed = following is None and row.trigger_type != TriggerType.ONE_OFF
    return Reschedule(
        task_id=row.id,
        next_run=following,
        due_at=None if waits else due_at,
        settled_until=settled,
        status=TaskStatus.COMPLETED if completed else TaskStatus.SCHEDULED,
    )


def newest_due(row: Row[Any], trigger: Trigger, *, now: datetime) -> datetime:
    """Return the task's latest instant that is due at `now`, its jitter included."""
    oldest: datetime = row.next_run
    following = schedule.next_instant(trigger, oldest)
    if following is None or schedule.due_at(trigger, following, task_id=row.id) > now:
        return oldest
    newest = schedule.latest_at_or_before(trigger, now, after=oldest) or oldest
    if newest > oldest and schedule.due_at(trigger, newest, task_id=row.id) > now:
        # Jitter is never longer than the shortest gap, so the one before it is due.
        newest = schedule.latest_at_or_before(trigger, newest - INSTANT_BEFORE, after=oldest) or oldest
    return newest


def before(trigger: Trigger, instant: datetime) -> datetime:
    """Return the trigger's instant before `instant`, or `instant` itself if it is the first."""
    found = schedule.latest_at_or_before(trigger, instant - INSTANT_BEFORE, after=FIRST_INSTANT)
    return instant if found is None else found


def oldest_of_newest(oldest: datetime, newest: datetime, trigger: Trigger) -> datetime:
    """Return the first of the newest `CAUGHT_UP` instants in [oldest, newest], found from the nearer end."""
    surplus = schedule.count_between(trigger, oldest, newest) + 1 - CAUGHT_UP
    if surplus <= 0:
        return oldest
    if surplus < CAUGHT_UP:
        return schedule.instants(trigger, oldest, count=surplus)[-1]
    found = newest
    for _ in range(CAUGHT_UP - 1):
        found = before(trigger, found)
    return found


def unplannable(row: Row[Any], *, error: Exception) -> Plan:
    """Return a FAILED run for a task whose schedule cannot be computed, and no next instant."""
    run = NewRun(
        id=scheduled_run_id(row.id, row.next_run),
        task_id=row.id,
        task_version=row.version,
        host=row.host,
        overlap=OverlapPolicy.ALLOW,
        scheduled_for=row.next_run,
        due_at=row.due_at,
        verdict=RunState.FAILED,
        error_message=f"the task's schedule cannot be computed: {error}",
    )
    reschedule = Reschedule(
        task_id=row.id, next_run=None, due_at=None, settled_until=row.next_run, status=TaskStatus.SCHEDULED
    )
    return Plan([run], reschedule)
