"""The use cases that create tasks. They take a transaction and flush; its owner commits."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import is_refusal_of_data
from db.models import Task
from db.reads import tasks
from db.tasks import clock, external_ids, idempotency
from db.tasks import creation as stored
from db.tasks.idempotency import Use
from jobs import json_value
from jobs.computation import PORTION, off_loop, portions
from jobs.datetimes import INSTANT, MILLISECOND
from jobs.errors import Conflict, ConflictReason, InvalidInput
from jobs.gathering import Gatherer
from jobs.pacing import pacer
from jobs.security.encryption import SecretKeys
from jobs.tasks import audit
from jobs.tasks.audit import Columns
from jobs.tasks.changes import expunged, external_id_taken
from jobs.tasks.columns import columns_of
from jobs.tasks.draft import TaskDraft
from jobs.tasks.idempotency import Key, digest_of
from jobs.tasks.transaction import NewTask, Transaction
from jobs.triggers import columns as trigger_columns
from jobs.triggers.schedule import Delayed

SCOPE = "createTask"
SMALL = 1_000
"""Values and characters of a body and metadata that are validated at once."""


class CreateRequest(NamedTuple):
    """A task to create, and the idempotency key of the request, if it has one."""

    draft: TaskDraft
    key: str | None = None


CreationOutcome = Task | InvalidInput | Conflict
"""The task that was created, or why it was not."""


class PriorCreation(NamedTuple):
    """The task that an idempotency key has created before, and the fingerprint of its input."""

    task: Task
    fingerprint: str


async def create_task(work: Transaction, draft: TaskDraft, *, now: datetime, key: str | None = None) -> Task:
    """Create a task that is first due at its trigger's first instant after `now`.

    With a key that has created a task before, return that task in its current state. Raises `InvalidInput` and
    `Conflict`.
    """
    request = CreateRequest(draft, key)
    if work.creations is not None and stands_alone(request):
        await pacer().turn()
        task = new_task(request, now=now, secrets=work.secrets)
        await work.creations.add(NewTask(task, entry_of(work, task, action=SCOPE)))
        publish(work, task)
        return task
    [outcome] = await create_tasks(work, [request], now=now)
    if isinstance(outcome, Task):
        return outcome
    raise expunged(work, outcome) if isinstance(outcome, Conflict) else outcome


def stands_alone(request: CreateRequest) -> bool:
    """Return whether a task can be stored without a look at what is stored already, and is validated within a few
    milliseconds.
    """
    draft, body = request.draft, request.draft.action.body
    if request.key is not None or draft.external_id is not None or isinstance(draft.trigger, Delayed):
        return False
    return not json_value.has_more_than(SMALL, [*body, draft.metadata])


def creations(engine: AsyncEngine) -> Gatherer[NewTask]:
    """Return what stores tasks that stand alone, each with its entry in the audit log, in few statements."""

    async def store(batch: Sequence[NewTask]) -> None:
        async with engine.begin() as connection:
            await stored.create(connection, [each.task for each in batch], [each.entry for each in batch])

    return Gatherer(store, most=PORTION, apart=is_refusal_of_data)


async def create_tasks(work: Transaction, requests: Sequence[CreateRequest], *, now: datetime) -> list[CreationOutcome]:
    """Create many tasks as `create_task` does, in as few statements as one task needs.

    Return the outcomes in the order of the requests. A refused task does not stop the others. Keys are looked up
    first, because the same input may have become invalid since (the instant of a one-off passes).
    """
    keys = await off_loop(lambda: [creation_key(each) for each in requests])
    while True:
        # Before the first statement, because no transaction may stay open meanwhile.
        validated = await off_loop(partial(new_tasks, requests, now=now, secrets=work.secrets))
        names = {task.external_id for task in validated if isinstance(task, Task) and task.external_id is not None}
        holders = await tasks.find_by_external_ids(work.session, external_ids=names)
        # After the names: if another request with the same key has committed meanwhile, its key is seen with its name.
        made = await prior_creations(work, [key for key in keys if key])
        outcomes: list[CreationOutcome] = []
        new: list[Task] = []
        uses: list[Use] = []
        delays: list[tuple[Task, int]] = []
        for request, task, key in zip(requests, validated, keys, strict=True):
            if key and key.digest in made:
                outcomes.append(task_of_key(made[key.digest], key, secrets=work.secrets))
                continue
            if isinstance(task, InvalidInput):
                outcomes.append(task)
                continue
            if task.external_id in holders:
                outcomes.append(external_id_taken(holders[task.external_id]))
                continue
            outcomes.append(task)
            new.append(task)
            if task.external_id is not None:
                holders[task.external_id] = task
            if isinstance(request.draft.trigger, Delayed):
                delays.append((task, request.draft.trigger.delay_ms or 0))
            if key:
                made[key.digest] = PriorCreation(task, work.secrets.fingerprint(key.input_digest))
                uses.append(Use(key.digest, task.id, None, made[key.digest].fingerprint))
        await start_delays(work, delays)
        if await insert(work, new, uses=uses):
            break
    for task in new:
        publish(work, task)
    return outcomes


def publish(work: Transaction, task: Task) -> None:
    """Wake a worker for a new task, and notify subscribers of it, after the commit."""
    work.schedule_wakeup(task.due_at)
    work.notify_task(task.id)
    work.trace(task.id)


def creation_key(request: CreateRequest) -> Key | None:
    """Return the key of a request, or None for an input from which no task can have been created."""
    values = (request.draft.action.body.payload, request.draft.metadata)
    if request.key is None or any(next(json_value.faults(value), None) for value in values):
        return None
    return Key.of(request.key, scope=SCOPE, input_digest=digest_of(request.draft))


async def prior_creations(work: Transaction, keys: Sequence[Key]) -> dict[str, PriorCreation]:
    """Return what the keys have created before. Deleting a task deletes its keys, so none belongs to a deleted task."""
    if not keys:
        return {}
    used = await idempotency.find(work.session, scope=SCOPE, keys={key.digest for key in keys})
    found = await tasks.find(work.session, ids=[use.task_id for use in used.values()])
    return {
        digest: PriorCreation(found[use.task_id], use.fingerprint)
        for digest, use in used.items()
        if use.task_id in found
    }


def task_of_key(made: PriorCreation, key: Key, *, secrets: SecretKeys) -> Task | Conflict:
    """Return the task that a key has created, or a conflict if its input was another one."""
    if secrets.fits(made.fingerprint, key.input_digest):
        return made.task
    message = "The idempotency key was used before, with another input; use a new key for a new input"
    return Conflict(message, reason=ConflictReason.IDEMPOTENCY_KEY_REUSED, task=made.task)


def new_tasks(requests: Sequence[CreateRequest], *, now: datetime, secrets: SecretKeys) -> list[Task | InvalidInput]:
    """Return the row of each new task, or what is wrong with it."""
    found: list[Task | InvalidInput] = []
    for request in requests:
        try:
            found.append(new_task(request, now=now, secrets=secrets))
        except InvalidInput as refusal:
            found.append(refusal)
    return found


def new_task(request: CreateRequest, *, now: datetime, secrets: SecretKeys) -> Task:
    """Return the row of a new task. Raises `InvalidInput`."""
    columns = columns_of(request.draft, now=now, secrets=secrets)
    task = stored.new_task(columns | {"settled_until": now, "created_at": now, "updated_at": now})
    task.due_at = trigger_columns.due_at(task)
    return task


async def start_delays(work: Transaction, delays: Sequence[tuple[Task, int]]) -> None:
    """Let new tasks be due so many milliseconds after the present by Postgres's clock."""
    if not delays:
        return
    stored_at = await clock.now(work.session)
    for task, delay_ms in delays:
        task.trigger_time = task.next_run = task.due_at = stored_at + delay_ms * MILLISECOND
        task.settled_until = stored_at - INSTANT


async def insert(work: Transaction, new: Sequence[Task], *, uses: Sequence[Use], action: str = SCOPE) -> bool:
    """Insert the tasks with their keys, or nothing if a key or an external id was used meanwhile. Return whether they
    were inserted.

    Concurrent uses of the same one wait for each other here, and the later one then finds what the first one created.
    All insert external ids in one order, and then keys in one order, so no two of them wait for each other.
    """
    if not uses and all(task.external_id is None for task in new):
        await add(work, new, action=action)
        return True
    try:
        async with work.session.begin_nested() as attempt:
            await add(work, sorted(new, key=lambda task: task.external_id or ""), action=action)
            if not uses or await idempotency.remember(work.session, scope=SCOPE, uses=uses) == len(uses):
                return True
            await attempt.rollback()
    except IntegrityError as error:
        if not external_ids.is_taken(error):
            raise
    return False


async def add(work: Transaction, new: Sequence[Task], *, action: str) -> None:
    """Insert the tasks, and record each in the audit log."""
    for portion in portions(new):
        await stored.create(work.session, portion, [entry_of(work, task, action=action) for task in portion])


def entry_of(work: Transaction, task: Task, *, action: str) -> Columns:
    """Return the audit log's entry about a new task."""
    return work.entry(action, task_id=task.id, after=audit.definition(task))
