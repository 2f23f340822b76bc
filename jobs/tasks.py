"""The use cases of tasks. They take a session, flush, and leave the commit to whoever opened it.

A change waits for the claim that has the task locked, and whoever claims after it was committed sees what it left: no
run that is claimed after a change was acknowledged has the old definition. One that was claimed before keeps it.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.models import Task
from db.statements import cancellation, changes, idempotency
from db.statements.changes import Missed
from db.states import MisfirePolicy, TaskStatus
from jobs import audit, json_value, schedule, trigger
from jobs.idempotency import Key, fingerprint
from jobs.refusals import Conflict, ConflictReason, InvalidInput, NotFound, Problem
from jobs.run_ids import scheduled_run_id
from jobs.task_draft import TaskChanges, TaskDraft, columns_changed, columns_of
from jobs.transaction import Transaction
from jobs.trigger import TriggerDraft

INSTANT_BEFORE = timedelta(microseconds=1)
ENDED = (TaskStatus.COMPLETED, TaskStatus.CANCELLED)


async def create_task(work: Transaction, draft: TaskDraft, *, now: datetime, key: str | None = None) -> Task:
    """Makes a task that is due from its trigger's first instant after `now` on.

    With a key that has made a task already, that task, whatever has become of it; the key is looked up first, since the
    same input may be wrong by now (a one-off's instant passes). Raises `InvalidInput` and `Conflict`.
    """
    once = creation_key(draft, key)
    made = await once.made(work) if once else None
    earlier = await changes.lock_task(work.session, task_id=made.task_id) if made else None
    if made and earlier:
        if made.same_input:
            return earlier
        message = "The idempotency key was used before, with another input; use a new key for a new input"
        raise refused(work, earlier, message, reason=ConflictReason.IDEMPOTENCY_KEY_REUSED)
    task = Task(**columns_of(draft, now=now), settled_until=now, created_at=now, updated_at=now)
    task.due_at = due_at(task)
    work.session.add(task)
    await work.session.flush()
    if once:
        await once.remember(work, task_id=task.id)
    work.wake(task.due_at)
    work.changed(task.id)
    work.record("createTask", task_id=task.id, after=audit.definition(task))
    return task


def creation_key(draft: TaskDraft, key: str | None) -> Key | None:
    """The key of a creation; none for an input that no task can have been made from."""
    if key is None or next(json_value.faults(draft.action.payload), None):
        return None
    return Key("createTask", key, fingerprint=fingerprint(draft))


async def update_task(
    work: Transaction,
    task_id: UUID,
    wanted: TaskChanges,
    *,
    now: datetime,
    expected_version: int | None = None,
    revives: bool = True,
) -> Task:
    """Changes what is asked for; nothing else, and nothing at all when all of that is so already.

    A new trigger starts after `now`; what was due under the old one and could not be claimed is recorded as missed. It
    leaves the status alone, but for a completed task, which it schedules again if it `revives`. Raises `NotFound`,
    `Conflict` and `InvalidInput`.
    """
    task = await locked(work, task_id)
    if expected_version is not None and expected_version != task.version:
        message = f"The task has version {task.version}, not {expected_version}: it was changed meanwhile"
        raise refused(work, task, message, reason=ConflictReason.STALE_VERSION)
    columns = columns_changed(task, wanted, now=now)
    first = columns.pop("next_run", None)
    columns = {name: value for name, value in columns.items() if not same(getattr(task, name), value)}
    completed = task.status == TaskStatus.COMPLETED
    rescheduled = first is not None and (revives if completed else bool(columns.keys() & trigger.COLUMNS))
    if not columns and not rescheduled:
        return task
    if columns.keys() & set(changes.DEFINITION):
        await changes.keep_definition(work.session, task_id=task_id)
    if rescheduled:
        await settle(work, task, now=now, reason="missed: the trigger was changed before this instant was claimed")
    for name, value in columns.items():
        setattr(task, name, value)
    if rescheduled:
        reschedule(task, first, now=now)
        work.wake(task.due_at)
    await touch(work, task, "updateTask", now=now)
    return task


def reschedule(task: Task, first: datetime | None, *, now: datetime) -> None:
    """Has the task begin at the first instant of its new trigger, as far as its status lets it."""
    task.misfire_once, task.settled_until = None, now
    if task.status == TaskStatus.PAUSED:
        task.resume_from = first
    elif task.status != TaskStatus.CANCELLED:
        task.status = TaskStatus.SCHEDULED
        task.next_run = first
        task.due_at = due_at(task)


async def pause_task(work: Transaction, task_id: UUID, *, now: datetime) -> Task:
    """Stops the schedule until it is resumed; runs that were claimed go on, and so do their retries.

    Raises `NotFound`, and `Conflict` for a task whose schedule has ended.
    """
    task = await locked(work, task_id)
    if task.status == TaskStatus.PAUSED:
        return task
    if task.status in ENDED:
        raise refused(work, task, f"A task that is {task.status} cannot be paused: its schedule has ended")
    task.status = TaskStatus.PAUSED
    task.resume_from = task.next_run
    task.next_run = task.due_at = task.misfire_once = None
    await touch(work, task, "pauseTask", now=now)
    return task


async def resume_task(work: Transaction, task_id: UUID, *, now: datetime, missed: MisfirePolicy | None = None) -> Task:
    """Goes on with the schedule. The next claim settles what was missed, by `missed` or else by the task's own policy.

    Raises `NotFound`, and `Conflict` for a task whose schedule has ended.
    """
    task = await locked(work, task_id)
    if task.status == TaskStatus.SCHEDULED:
        return task
    if task.status in ENDED:
        raise refused(work, task, f"A task that is {task.status} cannot be resumed: its schedule has ended")
    task.status, task.next_run, task.resume_from = TaskStatus.SCHEDULED, task.resume_from, None
    task.due_at = due_at(task)
    is_going_on = await changes.has_scheduled_run(work.session, task_id=task_id)
    if task.due_at is not None and task.due_at <= now:
        task.misfire_once = missed
        # ALL runs one after another, so that the end of the run that is going on makes the next instant due.
        if is_going_on and (missed or task.misfire) == MisfirePolicy.ALL:
            task.due_at = None
    # A one-off that was paused after its instant is only completed once its run has ended.
    if task.next_run is None and not is_going_on:
        task.status = TaskStatus.COMPLETED
    await touch(work, task, "resumeTask", now=now)
    work.wake(task.due_at)
    return task


async def cancel_task(work: Transaction, task_id: UUID, *, now: datetime) -> Task:
    """Ends the schedule for good; the task and its history stay. Raises `NotFound`.

    A run that is going on ends by itself, one that waits is cancelled. A completed task can be cancelled too, after
    which nothing schedules it again; one that is cancelled already stays as it is.
    """
    task = await locked(work, task_id)
    if task.status == TaskStatus.CANCELLED:
        return task
    await settle(work, task, now=now, reason="missed: the task was cancelled before this instant was claimed")
    end_schedule(task)
    await touch(work, task, "cancelTask", now=now)
    if await cancellation.cancel_waiting_runs(work.session, task_id=task_id, now=now):
        work.poke()
    return task


async def delete_task(work: Transaction, task_id: UUID, *, now: datetime) -> None:
    """Hides the task and its history from now on, and breaks off its runs. Raises `NotFound`.

    The rows are removed later, by the sweep. The keys that made the task and its runs can be used again.
    """
    task = await locked(work, task_id)
    end_schedule(task)
    task.deleted_at = now
    await touch(work, task, "deleteTask", now=now)
    await idempotency.forget(work.session, task_id=task_id)
    if await cancellation.cancel_unfinished_runs(work.session, task_id=task_id, now=now):
        work.poke()


def preview(draft: TriggerDraft, *, count: int, after: datetime | None, now: datetime) -> tuple[list[datetime], str]:
    """The next instants that the trigger would have, and the trigger in words. Raises `InvalidInput`."""
    try:
        accepted = trigger.accept(draft, now=now)
    except schedule.InvalidTrigger as error:
        problems = [Problem(path, message).under("trigger") for path, message in error.problems]
        raise InvalidInput(problems) from error
    return schedule.instants(accepted, after or now, count=count), schedule.describe(accepted)


def upcoming(task: Task, *, count: int, now: datetime) -> list[datetime]:
    """The next instants of a task; of a paused one, what they would be; none once its schedule has ended."""
    if task.status == TaskStatus.PAUSED:
        return schedule.instants(trigger.trigger_of(task), now, count=count)
    if task.next_run is None or count == 0:
        return []
    return [task.next_run, *schedule.instants(trigger.trigger_of(task), task.next_run, count=count - 1)]


async def locked(work: Transaction, task_id: UUID) -> Task:
    """The task, and nobody else changes or claims it until the transaction ends. Raises `NotFound`."""
    task = await changes.lock_task(work.session, task_id=task_id)
    if task is None:
        raise NotFound("task", task_id)
    work.seen[task_id] = audit.definition(task)
    return task


def refused(
    work: Transaction, task: Task, message: str, *, reason: ConflictReason = ConflictReason.WRONG_STATE
) -> Conflict:
    """Why the task's state forbids what was asked; the task comes along, and outlives the rollback."""
    work.session.expunge(task)
    return Conflict(message, reason=reason, task=task)


async def settle(work: Transaction, task: Task, *, now: datetime, reason: str) -> None:
    """Accounts for the instants up to `now` that a change leaves behind unclaimed, in one run that is missed."""
    oldest = task.next_run or task.resume_from
    if oldest is None or oldest > now:
        return
    its = trigger.trigger_of(task)
    newest = schedule.latest_at_or_before(its, now, after=oldest - INSTANT_BEFORE) or oldest
    count = schedule.count_between(its, oldest, newest)
    missed = Missed(
        run_id=scheduled_run_id(task.id, newest),
        task_id=task.id,
        scheduled_for=newest,
        missed_count=count,
        missed_since=oldest if count else None,
    )
    await changes.record_missed(work.session, missed, reason=reason, now=now)
    work.poke()


def end_schedule(task: Task) -> None:
    """Has the task fire no more."""
    task.status = TaskStatus.CANCELLED
    task.next_run = task.due_at = task.resume_from = task.misfire_once = None


def due_at(task: Task) -> datetime | None:
    """When the task's next instant is due, its jitter included."""
    if task.next_run is None:
        return None
    return schedule.due_at(trigger.trigger_of(task), task.next_run, task_id=task.id)


async def touch(work: Transaction, task: Task, action: str, *, now: datetime) -> None:
    """Saves a change of definition or status, by which the version grows, and notes it in the audit log."""
    task.version += 1
    before, after = audit.difference(work.seen[task.id], audit.definition(task))
    work.record(action, task_id=task.id, before=before, after=after)
    task.updated_at = now
    await work.session.flush()
    work.changed(task.id)


def same(mine: Any, theirs: Any) -> bool:
    """Whether two values are kept alike; to Python, 1 and 1.0 and True are equal, and in JSON they are not."""
    return json.dumps(mine, sort_keys=True, default=str) == json.dumps(theirs, sort_keys=True, default=str)
