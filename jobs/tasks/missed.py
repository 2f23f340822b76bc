"""Missed instants: those that a change of a task leaves unclaimed, each of which is recorded in a run."""

from collections.abc import Sequence
from datetime import datetime

from db.models import Task, utc_now
from db.tasks import changes
from db.tasks.changes import Missed
from jobs.run_ids import scheduled_run_id
from jobs.tasks.transaction import Transaction
from jobs.triggers import columns as trigger_columns
from jobs.triggers import revision
from jobs.triggers.due import count_missed, unsettled
from jobs.triggers.revision import ChangedTrigger, Standing
from jobs.triggers.schedule import Delayed, OneOff


def standing(task: Task, *, now: datetime) -> Standing:
    """Return where a task's schedule stands. What is due can be claimed unless the task is paused or catches up."""
    return revision.standing(
        trigger_columns.trigger_of(task),
        task.next_run or task.resume_from,
        settled_until=task.settled_until,
        due_at=task.due_at,
        now=now,
        task_id=task.id,
    )


def missed_by(task: Task, *, now: datetime) -> list[Missed]:
    """Return the instants that are due at `now` and that an end of the task's schedule leaves unclaimed."""
    stands = standing(task, now=max(now, made_due_at(task) or now))
    last = stands.due or (stands.missed and stands.missed[1])
    return [] if last is None else [missed_run(task, stands.missed[0] if stands.missed else last, last)]


def made_due_at(task: Task) -> datetime | None:
    """Return when something else than the schedule made the task's next instant due, such as the end of the run before.

    That may be after the instant of a request that has waited for the lock on the task meanwhile. An instant that is
    still to come is not due, whatever set it: an update leaves a call to the jitter that it had.
    """
    if task.due_at is None or task.due_at > utc_now() or task.due_at == trigger_columns.due_at(task):
        return None
    return task.due_at


def missed_by_update(task: Task, changed: ChangedTrigger) -> list[Missed]:
    """Return the instants that an update of the trigger leaves unclaimed."""
    stands = changed.stands
    if isinstance(changed.trigger, OneOff | Delayed) and stands.due is not None:
        return [missed_run(task, stands.missed[0] if stands.missed else stands.due, stands.due)]
    return [missed_run(task, *stands.missed)] if stands.missed else []


def missed_run(task: Task, oldest: datetime, newest: datetime) -> Missed:
    """Return the missed run for the instants from `oldest` to `newest`."""
    trigger = unsettled(trigger_columns.trigger_of(task), oldest, settled_until=task.settled_until)
    count = count_missed(trigger, oldest, newest)
    return Missed(
        run_id=scheduled_run_id(task.id, newest),
        task_id=task.id,
        task_version=task.version,
        host=task.host,
        scheduled_for=newest,
        missed_count=count,
        missed_since=oldest if count else None,
    )


async def settle(work: Transaction, missed: Sequence[Missed], *, now: datetime, reason: str) -> None:
    """Record the instants that a change leaves unclaimed."""
    if missed:
        await changes.record_missed(work.session, missed, reason=reason, now=now)
        work.notify_events()
