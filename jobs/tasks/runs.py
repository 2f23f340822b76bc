"""The use cases of runs. They take a transaction and flush; its owner commits."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from db.engine import finishes
from db.models import Run, Task
from db.reads import runs, versions
from db.states import RunCause
from db.tasks import cancellation, changes, idempotency, run_requests
from db.tasks.idempotency import Use
from db.tasks.run_requests import RunRequest
from jobs.computation import portions
from jobs.errors import Conflict, ConflictReason, NotFound
from jobs.pacing import paced
from jobs.run_ids import requested_run_id
from jobs.tasks import run_input
from jobs.tasks.idempotency import Key
from jobs.tasks.run_input import NO_INPUT, RunInput
from jobs.tasks.transaction import Transaction

RUNS_AT_ONCE = 200
"""Number of runs that are read at once. Between them the event loop serves others."""

RunOutcome = Run | NotFound | Conflict
"""The run in its new state, or why nothing was done."""


async def run_task(
    work: Transaction, task_id: UUID, *, now: datetime, key: str | None = None, given: RunInput = NO_INPUT
) -> Run:
    """Run a task now, in addition to its schedule and whatever its status, with its current definition.

    Only this run sends the given body and headers instead of the task's own. The overlap policy may leave the run
    queued or
    skipped. With a key that has created a run before, return that run. Raises `NotFound`, `InvalidInput`, and
    `Conflict` for a key that was used with another input.
    """
    [outcome] = await run_tasks(work, [task_id], now=now, key=key, given=given)
    return run_or_raise(outcome)


async def run_tasks(
    work: Transaction, task_ids: Sequence[UUID], *, now: datetime, key: str | None = None, given: RunInput = NO_INPUT
) -> list[RunOutcome]:
    """Run many tasks once each. Return the outcomes in the order of the ids. A key and an input are for one task.

    Raises `InvalidInput`, and `Conflict` for a key that was used with another input.
    """
    tasks = await locked_tasks(work, task_ids)
    once = run_input.key_of(key, scope=f"runTask:{task_ids[0]}", given=given) if task_ids else None
    if (earlier := await run_of_key(work, once)) is not None:
        return [earlier]
    requests = [
        requested(
            task,
            cause=RunCause.MANUAL,
            version=task.version,
            host=task.host,
            now=now,
            columns={} if given == NO_INPUT else run_input.columns_of(given, task=task, secrets=work.secrets),
        )
        async for task_id in paced(dict.fromkeys(task_ids))
        if (task := tasks.get(task_id))
    ]
    made = await fire(work, "runTask", requests, now=now, once=once)
    by_task = {run.task_id: run for run in made}
    return [by_task.get(task_id) or NotFound("task", task_id) for task_id in task_ids]


async def retry_run(work: Transaction, run_id: UUID, *, now: datetime, key: str | None = None) -> Run:
    """Create a new run with the request of a finished one, as it was, even if the task was changed since.

    Overlap and key work as in `run_task`. Raises `NotFound`, and `Conflict` for a run that is unfinished.
    """
    [outcome] = await retry_runs(work, [run_id], now=now, key=key)
    return run_or_raise(outcome)


async def retry_runs(
    work: Transaction, run_ids: Sequence[UUID], *, now: datetime, key: str | None = None
) -> list[RunOutcome]:
    """Retry many runs once each. Return the outcomes in the order of the ids. A key is for one run.

    The overlap policy judges the runs of one task in that order.
    """
    found, tasks = await locked_runs(work, run_ids)
    once = use_of(key, "retryRun", run_ids)
    if found and (earlier := await run_of_key(work, once)) is not None:
        return [earlier]
    refusals: dict[UUID, RunOutcome] = {
        run.id: conflict(work, run, f"A run that is {run.state} cannot be retried before it has finished")
        for run in found.values()
        if run.finished_at is None
    }
    retried = [found[run_id] for run_id in dict.fromkeys(run_ids) if run_id in found and run_id not in refusals]
    definitions = [(run.task_id, run.task_version) for run in retried]
    kept = await versions.find(work.session, keys=definitions, without_large=True) if definitions else {}
    inputs = await runs.inputs(work.session, ids=[run.id for run in retried])
    requests = [
        requested(
            tasks[run.task_id],
            cause=RunCause.RETRY,
            version=run.task_version,
            host=kept.get((run.task_id, run.task_version), tasks[run.task_id]).host,
            now=now,
            retry_of=run.id,
            columns=inputs[run.id],
        )
        async for run in paced(retried)
    ]
    made = await fire(work, "retryRun", requests, now=now, once=once)
    results: dict[UUID, RunOutcome] = {**refusals, **{run.retry_of: run for run in made if run.retry_of is not None}}
    return [results.get(run_id) or NotFound("run", run_id) for run_id in run_ids]


async def cancel_run(work: Transaction, run_id: UUID, *, now: datetime) -> Run:
    """Cancel a waiting run, or abort a running one within about a second.

    Whatever waited for its end becomes due. Raises `NotFound`, and `Conflict` for a run that is finished.
    """
    [outcome] = await cancel_runs(work, [run_id], now=now)
    return run_or_raise(outcome)


async def cancel_runs(work: Transaction, run_ids: Sequence[UUID], *, now: datetime) -> list[RunOutcome]:
    """Cancel many runs. Return the outcomes in the order of the ids."""
    found, _ = await locked_runs(work, run_ids)
    if not found:
        return [NotFound("run", run_id) for run_id in run_ids]
    states = {run.id: run.state for run in found.values()}
    cancelled = await cancellation.cancel_runs(work.session, run_ids=states.keys(), now=now)
    results: dict[UUID, RunOutcome] = {}
    async for run in paced((await found_runs(work, list(states), again=True)).values()):
        if run.id in cancelled:
            before, after = {"state": states[run.id]}, {"state": run.state}
            work.record("cancelRun", task_id=run.task_id, run_id=run.id, before=before, after=after)
            results[run.id] = run
        else:
            results[run.id] = conflict(work, run, f"A run that is {run.state} cannot be cancelled: it has ended")
    if cancelled:
        work.notify_events()
        freed = {found[run_id].task_id for run_id in cancelled}
        if await finishes.promote_waiting(await work.session.connection(), task_ids=freed, now=now):
            work.schedule_wakeup(now)
    return [results.get(run_id) or NotFound("run", run_id) for run_id in run_ids]


def requested(
    task: Task,
    *,
    cause: RunCause,
    version: int,
    host: str,
    now: datetime,
    columns: Mapping[str, Any],
    retry_of: UUID | None = None,
) -> RunRequest:
    """Return a run to create, with an id of its own. `columns` are those of its input, if it has one."""
    return RunRequest(
        run_id=requested_run_id(now, randomness=secrets.token_bytes(10)),
        task_id=task.id,
        task_version=version,
        host=host,
        flow_key=task.flow_key,
        cause=cause,
        retry_of=retry_of,
        overlap=task.overlap,
        **{name: None if value is None else json.dumps(value) for name, value in columns.items()},
    )


def use_of(key: str | None, mutation: str, ids: Sequence[UUID]) -> Key | None:
    """Return the key of a mutation of one task or run."""
    return None if key is None else Key.of(key, scope=f"{mutation}:{ids[0]}")


async def run_of_key(work: Transaction, once: Key | None) -> Run | None:
    """Return the run that a key has created before, or None. Raises `Conflict` if that was with another input.

    The task's lock protects the key as well: an earlier holder of the lock has committed what the key created.
    """
    if once is None:
        return None
    made = await idempotency.find(work.session, scope=once.scope, keys=[once.digest])
    for use in made.values():
        prior = None if use.run_id is None else (await runs.find(work.session, ids=[use.run_id])).get(use.run_id)
        if prior is not None:
            if not work.secrets.fits(use.fingerprint, once.input_digest):
                message = "The idempotency key was used before, with another input; use a new key for a new input"
                raise conflict(work, prior, message, reason=ConflictReason.IDEMPOTENCY_KEY_REUSED)
            return prior
    return None


async def fire(
    work: Transaction, action: str, requests: Sequence[RunRequest], *, now: datetime, once: Key | None
) -> list[Run]:
    """Create requested runs of tasks that this transaction has locked, and return them. A key is not used yet."""
    if not requests:
        return []
    if once:
        fingerprint = work.secrets.fingerprint(once.input_digest) if once.input_digest else ""
        uses = [Use(once.digest, each.task_id, each.run_id, fingerprint) for each in requests]
        await idempotency.remember(work.session, scope=once.scope, uses=uses)
    await run_requests.make_runs(work.session, requests, now=now)
    made_runs = await found_runs(work, [each.run_id for each in requests])
    inputs = {each.run_id: shown_input(each) for each in requests}
    async for run in paced(made_runs.values()):
        retried = {} if run.retry_of is None else {"retry_of": str(run.retry_of)}
        after = {"state": run.state, **inputs[run.id], **retried}
        work.record(action, task_id=run.task_id, run_id=run.id, after=after)
        work.trace(run.id)
        work.schedule_wakeup(run.next_attempt_at)
        if run.next_attempt_at is None:
            work.notify_events()
    return list(made_runs.values())


async def locked_tasks(work: Transaction, task_ids: Sequence[UUID]) -> dict[UUID, Task]:
    """Return the tasks that exist, locked in the order of their ids. A run is changed only while its task is locked."""
    found: dict[UUID, Task] = {}
    for portion in portions(sorted(set(task_ids))):
        found |= await changes.lock_tasks(work.session, task_ids=portion)
    return found


async def locked_runs(work: Transaction, run_ids: Sequence[UUID]) -> tuple[dict[UUID, Run], dict[UUID, Task]]:
    """Return the runs that exist, and their tasks, which are locked."""
    owners = await cancellation.tasks_of_runs(work.session, run_ids=set(run_ids))
    tasks = await locked_tasks(work, list(owners.values()))
    ids = [run_id for run_id, task_id in owners.items() if task_id in tasks]
    return await found_runs(work, ids), tasks


async def found_runs(work: Transaction, run_ids: Sequence[UUID], *, again: bool = False) -> dict[UUID, Run]:
    """Return those of the runs that exist; with `again`, in their state after a change."""
    found: dict[UUID, Run] = {}
    for portion in portions(run_ids, size=RUNS_AT_ONCE):
        found |= await runs.find(work.session, ids=portion, again=again)
    return found


def run_or_raise(outcome: RunOutcome) -> Run:
    """Return the run of an outcome. Raises it if it is a refusal."""
    if isinstance(outcome, Run):
        return outcome
    raise outcome


def shown_input(request: RunRequest) -> dict[str, Any]:
    """Return the input of a run for the audit log."""
    columns = {"input_body": request.input_body, "input_headers": request.input_headers}
    return {name: json.loads(text) for name, text in columns.items() if text is not None}


def conflict(
    work: Transaction, run: Run, message: str, *, reason: ConflictReason = ConflictReason.WRONG_STATE
) -> Conflict:
    """Return a conflict with the state of a run. The conflict carries the run, which has to outlive the rollback."""
    work.session.expunge(run)
    return Conflict(message, reason=reason, run=run)
