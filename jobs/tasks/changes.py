"""The use cases that change tasks. They take a transaction and flush; its owner commits.

A change waits for a claim that has the task locked, and later claims see the change. So no run that is claimed after a
change was acknowledged has the old definition; a run that was claimed before keeps it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from db.models import DEFINED, Task
from db.reads.tasks import find_by_external_ids
from db.states import MisfirePolicy, TaskStatus
from db.tasks import cancellation, changes, clock, definitions, external_ids, idempotency
from db.tasks import creation as stored
from db.tasks.changes import Missed
from jobs.computation import portions
from jobs.datetimes import INSTANT
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound
from jobs.pacing import paced
from jobs.tasks import audit
from jobs.tasks.columns import columns_changed
from jobs.tasks.draft import TaskUpdate
from jobs.tasks.missed import missed_by, missed_by_update, settle, standing
from jobs.tasks.transaction import Transaction
from jobs.tasks.validation import NO_INSTANT
from jobs.triggers import columns as trigger_columns
from jobs.triggers import revision, schedule, validation
from jobs.triggers.revision import ChangedTrigger, TriggerUpdate
from jobs.triggers.schedule import Delayed

ENDED = (TaskStatus.COMPLETED, TaskStatus.CANCELLED)

ChangeOutcome = Task | NotFound | Conflict
"""The changed task, or why it was not changed."""


class Change(NamedTuple):
    """A locked task, the columns to set, and its trigger if that changes."""

    task: Task
    columns: Mapping[str, Any]
    trigger: ChangedTrigger | None


async def update_task(
    work: Transaction,
    task_id: UUID,
    update: TaskUpdate,
    *,
    now: datetime,
    expected_version: int | None = None,
    revives: bool = True,
) -> Task:
    """Apply an update, and nothing at all if it changes nothing.

    A new trigger applies from `now` on, and a delay counts from the present by Postgres's clock;
    `jobs.triggers.revision` decides about the earlier instants. The status stays the same, except that a new
    trigger schedules a completed task again if `revives` is set. The problems of the target count only if the URL is
    new. Raises `NotFound`, `Conflict` and `InvalidInput`.
    """
    task = await locked(work, task_id)
    if expected_version is not None and expected_version != task.version:
        message = f"The task has version {task.version}, not {expected_version}: it has been changed since"
        raise conflict(work, task, message, reason=ConflictReason.STALE_VERSION)
    if update.trigger is not None and update.trigger.kind is Delayed:
        now = await clock.now(work.session) - INSTANT
    changed = None if update.trigger is None else changed_trigger(task, update.trigger, revives=revives, now=now)
    columns = columns_changed(task, update, trigger=changed, now=now, secrets=work.secrets)
    completed = task.status == TaskStatus.COMPLETED
    if not columns and not (completed and changed):
        return task
    if completed and not revives:
        changed = None
    if columns.get("external_id") is not None:
        await give_external_id(work, task, columns["external_id"])
    await change(work, task, columns, "updateTask", trigger=changed, now=now)
    return task


async def change(
    work: Transaction,
    task: Task,
    columns: Mapping[str, Any],
    action: str,
    *,
    trigger: ChangedTrigger | None,
    now: datetime,
) -> None:
    """Set columns of a task, and reschedule it if its trigger changes. Raises `InvalidInput`."""
    await change_all(work, [checked_change(Change(task, columns, trigger), now=now)], action, now=now)


def checked_change(change: Change, *, now: datetime) -> Change:
    """Return a change that can be made. Raises `InvalidInput` if its trigger has no instant left."""
    if change.trigger is not None:
        trigger = trigger_columns.trigger_of(with_columns(change.task, change.columns))
        if revision.revised(trigger, change.trigger, now=now) is None:
            raise InvalidInput([NO_INSTANT])
    return change


def with_columns(task: Task, columns: Mapping[str, Any]) -> Task:
    """Return a copy of a task in which some columns are set."""
    return stored.new_task({name: getattr(task, name) for name in Task.model_fields} | dict(columns))


async def change_all(work: Transaction, wanted: Sequence[Change], action: str, *, now: datetime) -> None:
    """Make changes of locked tasks, which `checked_change` has checked, in a few statements."""
    requests = [each.task.id for each in wanted if each.columns.keys() & set(changes.DEFINITION)]
    if requests:
        await changes.keep_definitions(work.session, task_ids=requests)
    defined = [each.task.id for each in wanted if each.columns.keys() & set(DEFINED)]
    if defined:
        await definitions.keep_origins(work.session, task_ids=defined)
    missed: list[Missed] = []
    async for task, columns, trigger in paced(wanted):
        missed += [] if trigger is None else missed_by_update(task, trigger)
        for name, value in columns.items():
            setattr(task, name, value)
        if "pause_after_failures" in columns:
            task.failures = 0
        if trigger is not None:
            reschedule(task, trigger, now=now)
            work.schedule_wakeup(task.due_at)
    await bump_version(work, [each.task for each in wanted], action, now=now)
    if defined:
        await definitions.keep(work.session, task_ids=defined, at=now, actor=work.caller.name)
    await settle(work, missed, now=now, reason="missed: the trigger was changed before this instant was claimed")


async def give_external_id(work: Transaction, task: Task, external_id: str) -> None:
    """Give a task an external id. Raises `Conflict` if another task has it."""
    while True:
        holders = await find_by_external_ids(work.session, external_ids=[external_id])
        if external_id in holders:
            raise expunged(work, external_id_taken(holders[external_id]))
        if await external_ids.give(work.session, external_id, task_id=task.id):
            return


def external_id_taken(holder: Task) -> Conflict:
    """Return the conflict with the task that has an external id."""
    message = f"The task {holder.id} has the externalId {holder.external_id!r}; choose another one, or change that task"
    return Conflict(message, reason=ConflictReason.EXTERNAL_ID_TAKEN, task=holder)


def changed_trigger(task: Task, update: TriggerUpdate, *, revives: bool, now: datetime) -> ChangedTrigger | None:
    """Return the trigger after an update; None if the update leaves it, and the task's schedule, as it is."""
    old = trigger_columns.trigger_of(task)
    changed = revision.changed_trigger(update, old, standing(task, now=now), now=now)
    revived = revives and task.status == TaskStatus.COMPLETED and not validation.check(changed.trigger, now=now)[1]
    return changed if changed.trigger != old or revived else None


def reschedule(task: Task, changed: ChangedTrigger, *, now: datetime) -> None:
    """Schedule a task for the first instant of its new trigger, if its status allows that. Raises `InvalidInput`."""
    trigger = trigger_columns.trigger_of(task)
    revised = revision.revised(trigger, changed, now=now)
    if revised is None:
        raise InvalidInput([NO_INSTANT])
    task.misfire_once, task.settled_until = None, revised.settled_until
    if task.status == TaskStatus.PAUSED:
        task.resume_from = revised.first
    elif task.status != TaskStatus.CANCELLED:
        task.status = TaskStatus.SCHEDULED
        task.next_run = revised.first
        if revised.first != changed.stands.due:
            # A call that waited for a jitter which is gone is due now.
            task.due_at = max(schedule.due_at(trigger, revised.first, task_id=task.id), now)


async def pause_task(work: Transaction, task_id: UUID, *, now: datetime, reason: str | None = None) -> Task:
    """Stop the schedule until it is resumed. Runs that were claimed continue, and so do their retries.

    Raises `NotFound`, and `Conflict` for a task whose schedule has ended.
    """
    return task_or_raise(await pause_tasks(work, [task_id], now=now, reason=reason))


async def pause_tasks(
    work: Transaction, task_ids: Sequence[UUID], *, now: datetime, reason: str | None = None
) -> list[ChangeOutcome]:
    """Pause many tasks, with a note of the caller and the reason. Return the outcomes in the order of the ids.

    The caller has checked the reason by `jobs.tasks.validation.reason_problems`.
    """
    found = await all_locked(work, task_ids)
    refusals = conflicts_of_ended(work, found.values(), "paused")
    pausable = [task for task in found.values() if task.id not in refusals and task.status != TaskStatus.PAUSED]
    async for task in paced(pausable):
        task.status = TaskStatus.PAUSED
        task.resume_from = task.next_run
        task.next_run = task.due_at = task.misfire_once = None
        task.paused_at, task.paused_by, task.pause_reason = now, work.caller.name, reason or None
    await bump_version(work, pausable, "pauseTask", now=now)
    return outcomes(task_ids, {**found, **refusals})


async def resume_task(work: Transaction, task_id: UUID, *, now: datetime, missed: MisfirePolicy | None = None) -> Task:
    """Resume the schedule. The next claim settles what was missed, by `missed` or else by the task's own policy.

    Raises `NotFound`, and `Conflict` for a task whose schedule has ended.
    """
    return task_or_raise(await resume_tasks(work, [task_id], now=now, missed=missed))


async def resume_tasks(
    work: Transaction, task_ids: Sequence[UUID], *, now: datetime, missed: MisfirePolicy | None = None
) -> list[ChangeOutcome]:
    """Resume many tasks. Return the outcomes in the order of the ids."""
    found = await all_locked(work, task_ids)
    refusals = conflicts_of_ended(work, found.values(), "resumed")
    paused = [task for task in found.values() if task.status == TaskStatus.PAUSED]
    unfinished = await changes.having_scheduled_runs(work.session, task_ids=[task.id for task in paused])
    async for task in paced(paused):
        resume_schedule(task, now=now, missed=missed, has_unfinished_run=task.id in unfinished)
        work.schedule_wakeup(task.due_at)
    await bump_version(work, paused, "resumeTask", now=now)
    return outcomes(task_ids, {**found, **refusals})


def resume_schedule(task: Task, *, now: datetime, missed: MisfirePolicy | None, has_unfinished_run: bool) -> None:
    """Put a paused task back into its schedule. A scheduled run may still be unfinished."""
    task.status, task.next_run, task.resume_from = TaskStatus.SCHEDULED, task.resume_from, None
    task.failures = 0
    task.paused_at = task.paused_by = task.pause_reason = None
    task.due_at = trigger_columns.due_at(task)
    if task.due_at is not None and task.due_at <= now:
        task.misfire_once = missed
        # ALL runs one after another, so the end of the unfinished run makes the next instant due.
        if has_unfinished_run and (missed or task.misfire) == MisfirePolicy.ALL:
            task.due_at = None
    # A one-off that was paused after its instant is completed only when its run has ended.
    if task.next_run is None and not has_unfinished_run:
        task.status = TaskStatus.COMPLETED


async def cancel_task(work: Transaction, task_id: UUID, *, now: datetime) -> Task:
    """End the schedule permanently; the task and its history are kept. Raises `NotFound`.

    A run in progress finishes, and a waiting run is cancelled. A completed task can be cancelled as well, and then
    nothing schedules it again. A task that is already cancelled stays unchanged.
    """
    return task_or_raise(await cancel_tasks(work, [task_id], now=now))


async def cancel_tasks(work: Transaction, task_ids: Sequence[UUID], *, now: datetime) -> list[ChangeOutcome]:
    """Cancel many tasks. Return the outcomes in the order of the ids."""
    found = await all_locked(work, task_ids)
    cancellable = [task for task in found.values() if task.status != TaskStatus.CANCELLED]
    missed = [each async for task in paced(cancellable) for each in missed_by(task, now=now)]
    async for task in paced(cancellable):
        end_schedule(task)
    await bump_version(work, cancellable, "cancelTask", now=now)
    ids = [task.id for task in cancellable]
    # This waits for runs that are being claimed, so it comes before anything that locks the counter of events.
    if ids and await cancellation.cancel_waiting_runs(work.session, task_ids=ids, now=now):
        work.notify_events()
    await settle(work, missed, now=now, reason="missed: the task was cancelled before this instant was claimed")
    return outcomes(task_ids, found)


async def delete_task(work: Transaction, task_id: UUID, *, now: datetime) -> None:
    """Hide the task and its history, and abort its runs. Raises `NotFound`.

    Maintenance removes the rows later. The keys that created the task and its runs can be used again.
    """
    task_or_raise(await delete_tasks(work, [task_id], now=now))


async def delete_tasks(work: Transaction, task_ids: Sequence[UUID], *, now: datetime) -> list[ChangeOutcome]:
    """Delete many tasks. Return the outcomes in the order of the ids."""
    found = await all_locked(work, task_ids)
    async for task in paced(found.values()):
        end_schedule(task)
        task.deleted_at = now
    await bump_version(work, list(found.values()), "deleteTask", now=now)
    if found:
        await idempotency.forget(work.session, task_ids=found.keys())
        if await cancellation.cancel_unfinished_runs(work.session, task_ids=found.keys(), now=now):
            work.notify_events()
    return outcomes(task_ids, found)


async def locked(work: Transaction, task_id: UUID) -> Task:
    """Return the task, locked against changes and claims until the transaction ends. Raises `NotFound`."""
    found = await all_locked(work, [task_id])
    if task_id not in found:
        raise NotFound("task", task_id)
    return found[task_id]


async def all_locked(work: Transaction, task_ids: Sequence[UUID]) -> dict[UUID, Task]:
    """Return the tasks that exist, locked in the same way, in the order of their ids."""
    found: dict[UUID, Task] = {}
    for portion in portions(sorted(set(task_ids))):
        locked = await changes.lock_tasks(work.session, task_ids=portion)
        work.seen |= {task.id: audit.definition(task) for task in locked.values()}
        found |= locked
    return found


def outcomes(task_ids: Sequence[UUID], found: Mapping[UUID, Task | Conflict]) -> list[ChangeOutcome]:
    """Return the outcome for each id; an id may occur more than once."""
    return [found.get(task_id) or NotFound("task", task_id) for task_id in task_ids]


def task_or_raise(outcomes: Sequence[ChangeOutcome]) -> Task:
    """Return the only outcome. Raises it if it is a refusal."""
    [outcome] = outcomes
    if isinstance(outcome, Task):
        return outcome
    raise outcome


def conflicts_of_ended(work: Transaction, found: Iterable[Task], what: str) -> dict[UUID, Conflict]:
    """Return conflicts for the tasks whose schedule has ended, which cannot be paused or resumed."""
    return {
        task.id: conflict(work, task, f"A task that is {task.status} cannot be {what}: its schedule has ended")
        for task in found
        if task.status in ENDED
    }


def conflict(
    work: Transaction, task: Task, message: str, *, reason: ConflictReason = ConflictReason.WRONG_STATE
) -> Conflict:
    """Return a conflict with the state of a task."""
    return expunged(work, Conflict(message, reason=reason, task=task))


def expunged(work: Transaction, refusal: Conflict) -> Conflict:
    """Return a conflict whose task has left the session, because it has to outlive the rollback."""
    if refusal.task is not None and refusal.task in work.session:
        work.session.expunge(refusal.task)
    return refusal


def end_schedule(task: Task) -> None:
    """Clear everything that makes the task fire."""
    task.status = TaskStatus.CANCELLED
    task.next_run = task.due_at = task.resume_from = task.misfire_once = None
    task.paused_at = task.paused_by = task.pause_reason = None


async def bump_version(work: Transaction, tasks: Sequence[Task], action: str, *, now: datetime) -> None:
    """Save changes of definition or status, increase the versions, and record the changes in the audit log.

    For a deleted task the log contains the whole definition, because nothing else will.
    """
    for portion in portions(tasks):
        for task in portion:
            task.version += 1
            before, after = audit.difference(work.seen[task.id], audit.definition(task))
            deleted = task.deleted_at is not None
            work.record(action, task_id=task.id, before=work.seen[task.id] if deleted else before, after=after)
            task.updated_at = now
            work.notify_task(task.id)
        await work.session.flush()
        await work.write_entries()
