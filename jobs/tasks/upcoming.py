"""What comes next: the instants of a trigger, and those of a task."""

from datetime import datetime

from db.models import Task
from db.states import MisfirePolicy, TaskStatus
from jobs.errors import InvalidInput
from jobs.triggers import columns as trigger_columns
from jobs.triggers import schedule, validation
from jobs.triggers.due import LATE, latest_due, oldest_of_newest, unsettled
from jobs.triggers.schedule import Requested


def preview(trigger: Requested, *, count: int, after: datetime | None, now: datetime) -> tuple[list[datetime], str]:
    """Return the next instants of a trigger, and its description in words. Raises `InvalidInput`."""
    accepted, problems = validation.check(trigger, now=now)
    if problems:
        raise InvalidInput([problem.under("trigger") for problem in problems])
    return schedule.instants(accepted, after or now, count=count), schedule.describe(accepted)


def upcoming(task: Task, *, count: int, now: datetime) -> list[datetime]:
    """Return the next instants of a task: for a paused one what they would be, and none once its schedule has ended."""
    trigger = trigger_columns.trigger_of(task)
    if task.status == TaskStatus.PAUSED:
        return schedule.instants(trigger, now, count=count)
    first = next_to_run(task, now=now)
    if first is None or count == 0:
        return []
    trigger = unsettled(trigger, first, settled_until=task.settled_until)
    return [first, *schedule.instants(trigger, first, count=count - 1)]


def next_to_run(task: Task, *, now: datetime) -> datetime | None:
    """Return the instant of the next run, or None if there will be none.

    When instants were missed, that is the one which the misfire policy runs for them, and which has passed. A claim
    records a schedule that cannot be computed in a run of its own.
    """
    oldest = task.next_run
    if oldest is None or task.due_at is None or task.due_at > now:
        return oldest
    try:
        return first_of_overdue(task, oldest, due_at=task.due_at, now=now)
    except ValueError:
        return oldest


def next_to_come(task: Task, *, now: datetime) -> datetime | None:
    """Return the next instant of a task that has not passed, or None if its schedule has ended or is paused.

    When the last instant has passed and its run has not started yet, return that one.
    """
    first = next_to_run(task, now=now)
    if first is None or first > now:
        return first
    trigger = trigger_columns.trigger_of(task)
    try:
        return schedule.next_instant(unsettled(trigger, first, settled_until=task.settled_until), now) or first
    except ValueError:
        return first


def first_of_overdue(task: Task, oldest: datetime, *, due_at: datetime, now: datetime) -> datetime | None:
    """Return the instant of the next run of a task that is due. Raises `ValueError` if it cannot be computed."""
    trigger = unsettled(trigger_columns.trigger_of(task), oldest, settled_until=task.settled_until)
    newest = latest_due(trigger, oldest, due_at=due_at, now=now, task_id=task.id) or oldest
    match task.misfire_once or task.misfire:
        case MisfirePolicy.ALL:
            return oldest_of_newest(oldest, newest, trigger)
        case MisfirePolicy.SKIP if now - max(due_at, schedule.due_at(trigger, newest, task_id=task.id)) > LATE:
            return schedule.next_instant(trigger, newest)
        case _:
            return newest
