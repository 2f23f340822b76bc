"""The use case that creates a task, or brings the existing one to an input. It takes a transaction and flushes."""

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial

from db.models import Task
from db.tasks import external_ids
from jobs.computation import off_loop
from jobs.errors import InvalidInput
from jobs.problems import Problem
from jobs.tasks import changes, creation
from jobs.tasks.creation import CreateRequest
from jobs.tasks.draft import TaskDraft, columns_replaced
from jobs.tasks.transaction import Transaction
from jobs.triggers import columns as trigger_columns
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Delayed, Interval, Trigger

ACTION = "upsertTask"
NO_EXTERNAL_ID = Problem(("externalId",), "is missing; it says which task to create or to change")
NO_KEY = Problem(
    ("idempotencyKey",),
    "is not accepted here; leave it out, because sending the same externalId and input again changes nothing",
)
NO_DELAY = Problem(
    ("trigger", "oneOff", "delayMs"),
    "is not accepted here, because the same input would mean another instant each time; give the instant as at",
)


class UpsertOutcome(StrEnum):
    """What an upsert has done."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


async def upsert_task(
    work: Transaction, draft: TaskDraft, *, now: datetime, key: str | None = None
) -> tuple[Task, UpsertOutcome]:
    """Create the task of a draft's external id, or bring the existing one to exactly this draft.

    Raises `InvalidInput`, also for an idempotency key. An existing task keeps its status as in an update.
    """
    problems = [NO_EXTERNAL_ID] if draft.external_id is None else []
    if key is not None:
        problems.append(NO_KEY)
    # Before the first statement, because no transaction may stay open meanwhile.
    [candidate] = await off_loop(partial(creation.new_tasks, [CreateRequest(draft)], now=now, secrets=work.secrets))
    if isinstance(candidate, Task) and isinstance(draft.trigger, Delayed):
        problems.append(NO_DELAY)
    if problems or draft.external_id is None or isinstance(draft.trigger, Delayed):
        raise InvalidInput([*problems, *(candidate.problems if isinstance(candidate, InvalidInput) else ())])
    while True:
        task = await locked(work, draft.external_id)
        if task is not None:
            changed = await bring_to(work, task, draft, trigger=draft.trigger, now=now)
            return task, UpsertOutcome.UPDATED if changed else UpsertOutcome.UNCHANGED
        if isinstance(candidate, InvalidInput):
            raise candidate
        if await creation.insert(work, [candidate], uses=(), action=ACTION):
            creation.publish(work, candidate)
            return candidate, UpsertOutcome.CREATED
        candidate = creation.new_task(CreateRequest(draft), now=now, secrets=work.secrets)


async def locked(work: Transaction, external_id: str) -> Task | None:
    """Return the task that has an external id, locked, or None."""
    while True:
        task_id = await external_ids.holder(work.session, external_id)
        if task_id is None:
            return None
        task = (await changes.all_locked(work, [task_id])).get(task_id)
        if task is not None and task.external_id == external_id:
            return task


async def bring_to(work: Transaction, task: Task, draft: TaskDraft, *, trigger: Trigger, now: datetime) -> bool:
    """Bring a locked task to a draft. Return False if it is equal to it already. Raises `InvalidInput`."""
    changed = changes.changed_trigger(task, whole(trigger), revives=False, now=now)
    columns = columns_replaced(task, draft, trigger=changed, now=now, secrets=work.secrets)
    if not columns:
        return False
    if not columns.keys() & trigger_columns.COLUMNS:
        # The same trigger in other words.
        changed = None
    await changes.change(work, task, columns, ACTION, trigger=changed, now=now)
    return True


def whole(trigger: Trigger) -> TriggerUpdate:
    """Return a trigger as an update that sets every member; an interval without a start keeps its instants."""
    members = asdict(trigger)
    if isinstance(trigger, Interval) and trigger.start_at is None:
        del members["start_at"]
    return TriggerUpdate(kind=type(trigger), members=members)
