"""The use cases that create tasks, or bring existing ones to inputs. They take a transaction and flush."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple
from uuid import UUID

from db.models import Task
from db.postgres_text import is_postgres_text
from db.reads.tasks import read_by_external_ids
from db.tasks import external_ids
from jobs.computation import off_loop
from jobs.errors import InvalidInput
from jobs.pacing import paced
from jobs.problems import Problem
from jobs.tasks import audit, changes, creation
from jobs.tasks.audit import Columns
from jobs.tasks.changes import Change
from jobs.tasks.columns import columns_replaced
from jobs.tasks.creation import CreateRequest
from jobs.tasks.draft import TaskDraft
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

NOT_NEEDED = InvalidInput([])
"""Stands for the new row of a task that exists."""
TWICE = Problem(("externalId",), "occurs twice in inputs; only the first one counts")


class UpsertOutcome(StrEnum):
    """What an upsert has done."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Upserted(NamedTuple):
    """A task after an upsert, what the upsert did, and the members of the definition that changed, without secrets."""

    task: Task
    outcome: UpsertOutcome
    before: Columns | None = None
    after: Columns | None = None


async def upsert_task(work: Transaction, draft: TaskDraft, *, now: datetime, key: str | None = None) -> Upserted:
    """Create the task of a draft's external id, or bring the existing one to exactly this draft.

    Raises `InvalidInput`, also for an idempotency key. An existing task keeps its status as in an update.
    """
    [result] = await upsert_tasks(work, [CreateRequest(draft, key)], now=now)
    if isinstance(result, InvalidInput):
        raise result
    return result


async def upsert_tasks(
    work: Transaction, requests: Sequence[CreateRequest], *, now: datetime, dry_run: bool = False
) -> list[Upserted | InvalidInput]:
    """Do for each request what `upsert_task` does, in a few statements. Return the results in their order.

    A refused request does not stop the others. With `dry_run`, nothing is changed or locked.
    """
    while True:
        candidates = await candidates_of(work, requests, now=now)
        found = await present(work, [each.draft.external_id for each in requests], locks=not dry_run)
        if found is None or any(
            place not in candidates and request.draft.external_id not in found for place, request in enumerate(requests)
        ):
            # One was renamed or deleted in the meantime.
            await work.session.rollback()
            continue
        results: list[Upserted | InvalidInput] = []
        changing: dict[UUID, Change] = {}
        seen: set[str] = set()
        async for place, request in paced(enumerate(requests)):
            name = request.draft.external_id
            task = None if name is None else found.get(name)
            problems = problems_of(request)
            if name in seen:
                problems.append(TWICE)
            seen |= {name} if name is not None else set()
            try:
                candidate = candidates.get(place, NOT_NEEDED)
                results.append(judged(work, request, candidate, task, problems=problems, changing=changing, now=now))
            except InvalidInput as refusal:
                results.append(refusal)
        new = [each.task for each in results if isinstance(each, Upserted) and each.outcome is UpsertOutcome.CREATED]
        if dry_run:
            return results
        if not new or await creation.insert(work, new, uses=(), action=ACTION):
            break
        # Another request has created one of them in the meantime.
        await work.session.rollback()
    for task in new:
        creation.publish(work, task)
    await changes.change_all(work, list(changing.values()), ACTION, now=now)
    return results


async def candidates_of(
    work: Transaction, requests: Sequence[CreateRequest], *, now: datetime
) -> dict[int, Task | InvalidInput]:
    """Return the new rows of the requests that may need one, by their places: those of tasks that do not exist.

    No transaction is open afterwards, and none is while they are made. What is wrong with a request as an upsert is
    told together with all that is wrong with its task, so that is checked then, too.
    """
    known: Container[str | None] = ()
    if len(requests) > 1:
        known = await external_ids.holders(work.session, valid_names(each.draft.external_id for each in requests))
        await work.session.rollback()
    places = [place for place, each in enumerate(requests) if each.draft.external_id not in known or problems_of(each)]
    made = await off_loop(
        partial(creation.new_tasks, [requests[place] for place in places], now=now, secrets=work.secrets)
    )
    return dict(zip(places, made, strict=True))


def problems_of(request: CreateRequest) -> list[Problem]:
    """Return what is wrong with a request as an upsert."""
    problems = [NO_EXTERNAL_ID] if request.draft.external_id is None else []
    if request.key is not None:
        problems.append(NO_KEY)
    if isinstance(request.draft.trigger, Delayed):
        problems.append(NO_DELAY)
    return problems


def valid_names(names: Iterable[str | None]) -> set[str]:
    """Return the external ids that a task can have."""
    return {name for name in names if name is not None and is_postgres_text(name)}


async def present(work: Transaction, names: Iterable[str | None], *, locks: bool) -> dict[str, Task] | None:
    """Return the tasks that have the external ids, locked if wanted; None if one was renamed before it was locked."""
    wanted = valid_names(names)
    if not locks:
        return await read_by_external_ids(await work.session.connection(), external_ids=wanted)
    holders = await external_ids.holders(work.session, wanted)
    locked = await changes.all_locked(work, list(holders.values()))
    found = {name: locked[task_id] for name, task_id in holders.items() if task_id in locked}
    return found if all(task.external_id == name for name, task in found.items()) else None


def judged(
    work: Transaction,
    request: CreateRequest,
    candidate: Task | InvalidInput,
    task: Task | None,
    *,
    problems: Sequence[Problem],
    changing: dict[UUID, Change],
    now: datetime,
) -> Upserted:
    """Return the outcome of a request. Add the change of an existing task to `changing`. Raises `InvalidInput`."""
    draft = request.draft
    wrong = candidate.problems if isinstance(candidate, InvalidInput) else ()
    if problems or isinstance(draft.trigger, Delayed):
        raise InvalidInput([*problems, *wrong])
    if task is None:
        if isinstance(candidate, InvalidInput):
            raise candidate
        return Upserted(candidate, UpsertOutcome.CREATED, None, audit.definition(candidate))
    change = change_to(work, task, draft, trigger=draft.trigger, now=now)
    if change is None:
        return Upserted(task, UpsertOutcome.UNCHANGED)
    changing[task.id] = change
    return Upserted(task, UpsertOutcome.UPDATED, *audit.changes_of(task, change.columns))


def change_to(work: Transaction, task: Task, draft: TaskDraft, *, trigger: Trigger, now: datetime) -> Change | None:
    """Return the change that brings a task to a draft; None if it is equal to it already. Raises `InvalidInput`."""
    changed = changes.changed_trigger(task, whole(trigger), revives=False, now=now)
    columns = columns_replaced(task, draft, trigger=changed, now=now, secrets=work.secrets)
    if not columns:
        return None
    if not columns.keys() & trigger_columns.COLUMNS:
        # The same trigger in other words.
        changed = None
    return changes.checked_change(Change(task, columns, changed), now=now)


def whole(trigger: Trigger) -> TriggerUpdate:
    """Return a trigger as an update that sets every member; an interval without a start keeps its instants."""
    members = asdict(trigger)
    if isinstance(trigger, Interval) and trigger.start_at is None:
        del members["start_at"]
    return TriggerUpdate(kind=type(trigger), members=members)
