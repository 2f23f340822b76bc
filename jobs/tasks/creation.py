"""The use cases that make tasks. They take a session, flush, and leave the commit to whoever opened it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from db.models import Task
from db.reads import tasks
from db.tasks import idempotency
from db.tasks.idempotency import Use
from jobs import json_value
from jobs.errors import Conflict, ConflictReason, InvalidInput, Problem
from jobs.security.encryption import SecretKeys
from jobs.tasks import audit
from jobs.tasks.draft import TaskDraft, columns_of
from jobs.tasks.idempotency import Key, fingerprint
from jobs.tasks.transaction import Transaction
from jobs.triggers import columns as trigger_columns

SCOPE = "createTask"


class CreateRequest(NamedTuple):
    """A task as it was asked for, perhaps under a key.

    `target_problems` is what `Targets` says of its URL, which has to look names up and so is asked before.
    """

    draft: TaskDraft
    key: str | None = None
    target_problems: Sequence[Problem] = ()


Outcome = Task | InvalidInput | Conflict
"""What came of a task that was asked for."""


class PriorCreation(NamedTuple):
    """The task that a key has made, and of which input."""

    task: Task
    fingerprint: str


async def create_task(
    work: Transaction,
    draft: TaskDraft,
    *,
    now: datetime,
    key: str | None = None,
    target_problems: Sequence[Problem] = (),
) -> Task:
    """Makes a task that is due from its trigger's first instant after `now` on.

    With a key that has made a task already, that task, whatever has become of it. Raises `InvalidInput` and `Conflict`.
    """
    [outcome] = await create_tasks(work, [CreateRequest(draft, key, target_problems)], now=now)
    if isinstance(outcome, Task):
        return outcome
    if isinstance(outcome, Conflict) and outcome.task is not None:
        # It comes along, and outlives the rollback.
        work.session.expunge(outcome.task)
    raise outcome


async def create_tasks(work: Transaction, wanted: Sequence[CreateRequest], *, now: datetime) -> list[Outcome]:
    """Makes tasks as `create_task` does, in as few statements as one, and tells in the same order what came of each.

    One that is refused does not hold back the others. Keys are looked up first, since the same input may be wrong by
    now (a one-off's instant passes).
    """
    keys = [creation_key(each) for each in wanted]
    while True:
        made = await tasks_made(work, [key for key in keys if key])
        outcomes: list[Outcome] = []
        new: list[Task] = []
        uses: list[Use] = []
        for each, key in zip(wanted, keys, strict=True):
            if key and key.digest in made:
                outcomes.append(made_before(made[key.digest], key))
                continue
            try:
                task = new_task(each, now=now, secrets=work.secrets)
            except InvalidInput as refusal:
                outcomes.append(refusal)
                continue
            outcomes.append(task)
            new.append(task)
            if key:
                made[key.digest] = PriorCreation(task, key.fingerprint)
                uses.append(Use(key.digest, task.id, None, key.fingerprint))
        if await insert(work, new, uses=uses):
            break
    for task in new:
        work.wake(task.due_at)
        work.changed(task.id)
    return outcomes


def creation_key(wanted: CreateRequest) -> Key | None:
    """The key of a creation; none for an input that no task can have been made from."""
    if wanted.key is None or next(json_value.faults(wanted.draft.action.payload), None):
        return None
    return Key.of(wanted.key, scope=SCOPE, fingerprint=fingerprint(wanted.draft))


async def tasks_made(work: Transaction, keys: Sequence[Key]) -> dict[str, PriorCreation]:
    """What the keys have made before. Whoever deletes a task forgets its keys, so none is of a deleted one."""
    if not keys:
        return {}
    used = await idempotency.find(work.session, scope=SCOPE, keys={key.digest for key in keys})
    found = await tasks.find(work.session, ids=[use.task_id for use in used.values()])
    return {
        digest: PriorCreation(found[use.task_id], use.fingerprint)
        for digest, use in used.items()
        if use.task_id in found
    }


def made_before(made: PriorCreation, key: Key) -> Task | Conflict:
    """The task that the key has made, if it was of the same input."""
    if made.fingerprint == key.fingerprint:
        return made.task
    message = "The idempotency key was used before, with another input; use a new key for a new input"
    return Conflict(message, reason=ConflictReason.IDEMPOTENCY_KEY_REUSED, task=made.task)


def new_task(wanted: CreateRequest, *, now: datetime, secrets: SecretKeys) -> Task:
    """The row of a new task. Raises `InvalidInput`."""
    columns = columns_of(wanted.draft, now=now, secrets=secrets, target_problems=wanted.target_problems)
    task = Task(**columns, settled_until=now, created_at=now, updated_at=now)
    task.due_at = trigger_columns.due_at(task)
    return task


async def insert(work: Transaction, new: Sequence[Task], *, uses: Sequence[Use]) -> bool:
    """Inserts the tasks and notes their keys; inserts nothing if a key was used meanwhile.

    Whoever uses one of the keys at the same time waits here for the other, and then finds what that one made.
    """
    if not uses:
        await add(work, new)
        return True
    async with work.session.begin_nested() as attempt:
        await add(work, new)
        if await idempotency.remember(work.session, scope=SCOPE, uses=uses) == len(uses):
            return True
        await attempt.rollback()
    return False


async def add(work: Transaction, new: Sequence[Task]) -> None:
    """Inserts the tasks, and notes each in the audit log."""
    work.session.add_all(new)
    for task in new:
        work.record(SCOPE, task_id=task.id, after=audit.definition(task))
    await work.session.flush()
