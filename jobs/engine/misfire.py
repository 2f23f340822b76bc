"""The misfire rules: which instants of a due task run, which are recorded as missed, and which is next.

Pure, so `now` is an argument. An instant is missed when a later instant of the task is also due at its claim, or when
it is more than `LATE` late, after downtime, a pause, or a jump of the clock.
"""

from datetime import datetime
from typing import NamedTuple

from db.engine.claims import NewRun, Reschedule
from db.engine.flow import Place
from db.prepared import Row
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus, TriggerType
from jobs.run_ids import scheduled_run_id
from jobs.triggers import schedule
from jobs.triggers.due import LATE, before, count_missed, latest_due, oldest_of_newest, unsettled
from jobs.triggers.schedule import Trigger


class Plan(NamedTuple):
    """The runs to create now, of which only the last may start, and the task's next instant after them."""

    runs: list[NewRun]
    reschedule: Reschedule

    def waiting(self, place: Place | None) -> "Plan":
        """Return the plan with a run that waits at a place, if there is one, instead of starting now."""
        if place is None:
            return self
        last = self.runs[-1]._replace(start_at=place.start_at, flow_limit_id=place.flow_limit_id)
        return self._replace(runs=[*self.runs[:-1], last])


def plan(row: Row, trigger: Trigger, *, now: datetime) -> Plan:
    """Settle a due task's instants up to `now` by its policies. `row` is a row of the claim's statement."""
    trigger = unsettled(trigger, row.next_run, settled_until=row.settled_until)
    newest = latest_due(trigger, row.next_run, due_at=row.due_at, now=now, task_id=row.id) or row.next_run
    late = now - due_since(row, trigger, newest) > LATE
    if newest == row.next_run and not late:
        return Plan([run_for(row, trigger, newest)], rescheduled_after(row, trigger, newest, now=now))
    match MisfirePolicy(row.misfire):
        case MisfirePolicy.LATEST:
            runs = [run_for(row, trigger, newest)]
        case MisfirePolicy.SKIP if late:
            runs = [run_for(row, trigger, newest, verdict=RunState.MISSED)]
        case MisfirePolicy.SKIP:
            runs = [
                run_for(row, trigger, before(trigger, newest, oldest=row.next_run), verdict=RunState.MISSED),
                run_for(row, trigger, newest, standing_for=0),
            ]
        case MisfirePolicy.ALL:
            newest = oldest_of_newest(row.next_run, newest, trigger)
            runs = [run_for(row, trigger, newest, overlap=OverlapPolicy.ALLOW)]
    return Plan(runs, rescheduled_after(row, trigger, newest, now=now, one_by_one=row.misfire == MisfirePolicy.ALL))


def due_since(row: Row, trigger: Trigger, instant: datetime) -> datetime:
    """Return the moment from which the lateness of an instant counts.

    An update that takes away the jitter for which a call waited makes the call due at that moment, so SKIP runs it.
    """
    due_at = schedule.due_at(trigger, instant, task_id=row.id)
    return max(due_at, row.due_at) if row.misfire == MisfirePolicy.SKIP and instant == row.next_run else due_at


def run_for(
    row: Row,
    trigger: Trigger,
    instant: datetime,
    *,
    overlap: OverlapPolicy | None = None,
    standing_for: int | None = None,
    verdict: RunState | None = None,
) -> NewRun:
    """Return the run of an instant. Without `standing_for` it counts all earlier instants that have no run."""
    missed = count_missed(trigger, row.next_run, instant) if standing_for is None else standing_for
    return NewRun(
        id=scheduled_run_id(row.id, instant),
        task_id=row.id,
        task_version=row.version,
        host=row.host,
        flow_key=row.flow_key,
        overlap=OverlapPolicy(row.overlap) if overlap is None else overlap,
        scheduled_for=instant,
        due_at=schedule.due_at(trigger, instant, task_id=row.id),
        missed_count=missed,
        missed_since=row.next_run if missed else None,
        verdict=verdict,
    )


def rescheduled_after(
    row: Row, trigger: Trigger, settled: datetime, *, now: datetime, one_by_one: bool = False
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
        settled_until=settled if row.settled_until is None else max(settled, row.settled_until),
        status=TaskStatus.COMPLETED if completed else TaskStatus.SCHEDULED,
    )


def unplannable(row: Row, *, error: Exception) -> Plan:
    """Return a FAILED run for a task whose schedule cannot be computed, and no next instant."""
    run = NewRun(
        id=scheduled_run_id(row.id, row.next_run),
        task_id=row.id,
        task_version=row.version,
        host=row.host,
        flow_key=row.flow_key,
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
