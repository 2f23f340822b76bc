"""The use cases of runs. They take a transaction and flush; its owner commits."""

import json
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from db.engine import finishes
from db.models import Run, Task
from db.reads import versions
from db.states import RunCause
from db.tasks import cancellation, changes, idempotency, run_requests
from db.tasks.idempotency import Use
from db.tasks.run_requests import RunRequest
from jobs.errors import Conflict, ConflictReason, NotFound
from jobs.run_ids import requested_run_id
from jobs.tasks import run_input
from jobs.tasks.changes import locked
from jobs.tasks.idempotency import Key
from jobs.tasks.run_input import NO_INPUT, RunInput
from jobs.tasks.transaction import Transaction


async def run_task(
    work: Transaction, task_id: UUID, *, now: datetime, key: str | None = None, given: RunInput = NO_INPUT
) -> Run:
    """Run a task now, in addition to its schedule and whatever its status, with its current definition.

    What is given is sent in place of the task's own, by this run alone. The overlap policy may leave the run queued or
    skipped. With a key that has created a run before, return that run. Raises `NotFound`, `InvalidInput`, and
    `Conflict` for a key that was used with another input.
    """
    task = await locked(work, task_id)
    return await fire(
        work,
        task,
        "runTask",
        cause=RunCause.MANUAL,
        version=task.version,
        host=task.host,
        now=now,
        once=run_input.key_of(key, scope=f"runTask:{task_id}", given=given),
        columns=lambda: run_input.columns_of(given, task=task, secrets=work.secrets),
    )


async def retry_run(work: Transaction, run_id: UUID, *, now: datetime, key: str | None = None) -> Run:
    """Create a new run with the request of a finished one and its input, even if the task was changed since.

    Overlap and key work as in `run_task`. Raises `NotFound`, and `Conflict` for a run that is unfinished.
    """
    task = await locked_task_of(work, run_id)
    run = await existing_run(work, run_id)
    if run.finished_at is None:
        raise conflict(work, run, f"A run that is {run.state} cannot be retried before it has finished")
    kept = await versions.find(work.session, keys=[(task.id, run.task_version)])
    definition = kept.get((task.id, run.task_version), task)
    return await fire(
        work,
        task,
        "retryRun",
        cause=RunCause.RETRY,
        version=run.task_version,
        host=definition.host,
        retry_of=run_id,
        now=now,
        once=None if key is None else Key.of(key, scope=f"retryRun:{run_id}"),
        columns=lambda: {"input_body": run.input_body, "input_headers": run.input_headers},
    )


async def fire(
    work: Transaction,
    task: Task,
    action: str,
    *,
    cause: RunCause,
    version: int,
    host: str,
    now: datetime,
    once: Key | None,
    columns: Callable[[], dict[str, Any]],
    retry_of: UUID | None = None,
) -> Run:
    """Create a requested run of a task that this transaction has locked.

    `columns` returns those of the run's input. It may raise `InvalidInput`, and is not called if the key has created a
    run before, because the task may have changed since.
    """
    # The task's lock protects the key as well: an earlier holder of the lock has committed what the key created.
    made = await idempotency.find(work.session, scope=once.scope, keys=[once.digest]) if once else {}
    for use in made.values():
        if once is not None and use.run_id is not None:
            prior = await existing_run(work, use.run_id)
            if not work.secrets.fits(use.fingerprint, once.input_digest):
                message = "The idempotency key was used before, with another input; use a new key for a new input"
                raise conflict(work, prior, message, reason=ConflictReason.IDEMPOTENCY_KEY_REUSED)
            return prior
    given = columns()
    run_id = requested_run_id(now, randomness=secrets.token_bytes(10))
    if once:
        fingerprint = work.secrets.fingerprint(once.input_digest) if once.input_digest else ""
        use = Use(once.digest, task.id, run_id, fingerprint)
        await idempotency.remember(work.session, scope=once.scope, uses=[use])
    request = RunRequest(
        run_id=run_id,
        task_id=task.id,
        task_version=version,
        host=host,
        cause=cause,
        retry_of=retry_of,
        overlap=task.overlap,
        **{name: None if value is None else json.dumps(value) for name, value in given.items()},
    )
    await run_requests.make_run(work.session, request, now=now)
    run = await existing_run(work, run_id)
    retried = None if retry_of is None else {"retry_of": str(retry_of)}
    shown = {name: value for name, value in given.items() if value is not None}
    work.record(action, task_id=task.id, run_id=run_id, after={"state": run.state, **shown, **(retried or {})})
    work.schedule_wakeup(run.next_attempt_at)
    if run.next_attempt_at is None:
        work.notify_events()
    return run


async def cancel_run(work: Transaction, run_id: UUID, *, now: datetime) -> Run:
    """Cancel a waiting run, or abort a running one within about a second.

    Whatever waited for its end becomes due. Raises `NotFound`, and `Conflict` for a run that is finished.
    """
    task = await locked_task_of(work, run_id)
    run = await existing_run(work, run_id)
    before = run.state
    cancelled = await cancellation.cancel_run(work.session, run_id=run_id, now=now)
    await work.session.refresh(run)
    if not cancelled:
        raise conflict(work, run, f"A run that is {run.state} cannot be cancelled: it has ended")
    work.record("cancelRun", task_id=task.id, run_id=run_id, before={"state": before}, after={"state": run.state})
    work.notify_events()
    if await finishes.promote_waiting(await work.session.connection(), task_ids=[task.id], now=now):
        work.schedule_wakeup(now)
    return run


async def locked_task_of(work: Transaction, run_id: UUID) -> Task:
    """Return the run's task, which has to be locked before the run is changed. Raises `NotFound` for the run."""
    task_id = await cancellation.task_of_run(work.session, run_id=run_id)
    task = None if task_id is None else await changes.lock_task(work.session, task_id=task_id)
    if task is None:
        raise NotFound("run", run_id)
    return task


async def existing_run(work: Transaction, run_id: UUID) -> Run:
    """Return the run in its current state. Raises `NotFound`."""
    run = await work.session.get(Run, run_id)
    if run is None:
        raise NotFound("run", run_id)
    return run


def conflict(
    work: Transaction, run: Run, message: str, *, reason: ConflictReason = ConflictReason.WRONG_STATE
) -> Conflict:
    """Return a conflict with the state of a run. The conflict carries the run, which has to outlive the rollback."""
    work.session.expunge(run)
    return Conflict(message, reason=reason, run=run)
