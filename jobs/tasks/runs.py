"""The use cases of runs. They take a transaction and flush; its owner commits."""

import secrets
from datetime import datetime
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
from jobs.tasks.changes import locked
from jobs.tasks.idempotency import Key
from jobs.tasks.transaction import Transaction


async def run_task(work: Transaction, task_id: UUID, *, now: datetime, key: str | None = None) -> Run:
    """Run a task now, in addition to its schedule and whatever its status, with its current definition.

    The overlap policy may leave the run queued or skipped. With a key that has created a run before, return that run.
    Raises `NotFound`.
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
        once=None if key is None else Key.of(key, scope=f"runTask:{task_id}"),
    )


async def retry_run(work: Transaction, run_id: UUID, *, now: datetime, key: str | None = None) -> Run:
    """Create a new run with the request of a finished one, as it was, even if the task was changed since.

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
    retry_of: UUID | None = None,
) -> Run:
    """Create a requested run of a task that this transaction has locked."""
    # The task's lock protects the key as well: an earlier holder of the lock has committed what the key created.
    made = await idempotency.find(work.session, scope=once.scope, keys=[once.digest]) if once else {}
    for use in made.values():
        if use.run_id is not None:
            return await existing_run(work, use.run_id)
    run_id = requested_run_id(now, randomness=secrets.token_bytes(10))
    if once:
        use = Use(once.digest, task.id, run_id, "")
        await idempotency.remember(work.session, scope=once.scope, uses=[use])
    request = RunRequest(
        run_id=run_id,
        task_id=task.id,
        task_version=version,
        host=host,
        cause=cause,
        retry_of=retry_of,
        overlap=task.overlap,
    )
    await run_requests.make_run(work.session, request, now=now)
    run = await existing_run(work, run_id)
    retried = None if retry_of is None else {"retry_of": str(retry_of)}
    work.record(action, task_id=task.id, run_id=run_id, after={"state": run.state, **(retried or {})})
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


def conflict(work: Transaction, run: Run, message: str) -> Conflict:
    """Return a conflict with the state of a run. The conflict carries the run, which has to outlive the rollback."""
    work.session.expunge(run)
    return Conflict(message, reason=ConflictReason.WRONG_STATE, run=run)
