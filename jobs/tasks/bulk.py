"""The use cases of operations on many tasks or runs: they are started and cancelled here, and processed by workers.

An operation acts on what its filter selected when it was started. The ids are stored in chunks, and a chunk is removed
in the transaction that acts on its ids, so each id is acted on exactly once, even if workers die in between.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import plan_for_values
from db.models import BulkOperation, utc_now
from db.reads import bulk as selection
from db.reads import runs as run_reads
from db.reads.runs import RunFilter
from db.reads.tasks import TaskFilter
from db.states import BULK_ACTIONS_OF_RUNS, BulkAction, BulkState, KeyScope
from db.tasks import bulk
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound, Refusal
from jobs.problems import Problem
from jobs.queue import Queue
from jobs.security.api_keys import Caller
from jobs.security.encryption import SecretKeys
from jobs.tasks import changes, runs
from jobs.tasks.transaction import Transaction, transaction

MAX_ITEMS = 200_000
"""Most tasks or runs of one operation: their ids are stored when it is started."""
MAX_UNFINISHED = 20
KEPT_PROBLEMS = 20

Act = Callable[[Transaction, Sequence[UUID], datetime], Awaitable[Sequence[object]]]
ACTS: dict[BulkAction, Act] = {
    BulkAction.PAUSE: lambda work, ids, now: changes.pause_tasks(work, ids, now=now),
    BulkAction.RESUME: lambda work, ids, now: changes.resume_tasks(work, ids, now=now),
    BulkAction.CANCEL: lambda work, ids, now: changes.cancel_tasks(work, ids, now=now),
    BulkAction.DELETE: lambda work, ids, now: changes.delete_tasks(work, ids, now=now),
    BulkAction.RUN: lambda work, ids, now: runs.run_tasks(work, ids, now=now),
    BulkAction.RETRY: lambda work, ids, now: runs.retry_runs(work, ids, now=now),
    BulkAction.CANCEL_RUNS: lambda work, ids, now: runs.cancel_runs(work, ids, now=now),
}
"""The function that acts on the ids of a chunk, like the mutation of several items."""


class TooManyOperations(Exception):
    """The maximum number of unfinished operations is reached."""


def check(action: BulkAction, *, tasks: TaskFilter | None, runs: RunFilter | None) -> TaskFilter | RunFilter:
    """Return the filter that the action takes. Raises `InvalidInput`."""
    of_runs = action in BULK_ACTIONS_OF_RUNS
    taken, other = ("runs", "tasks") if of_runs else ("tasks", "runs")
    given, refused = (runs, tasks) if of_runs else (tasks, runs)
    problems = []
    if given is None:
        problems.append(Problem((taken,), f"is missing; {action.name} takes {taken}, and {{}} selects all of them"))
    if refused is not None:
        problems.append(Problem((other,), f"is not accepted here: {action.name} takes {taken}"))
    if problems or given is None:
        raise InvalidInput(problems)
    return given


async def selected(session: AsyncSession, action: BulkAction, filters: TaskFilter | RunFilter) -> Any:
    """Return the query for what an operation acts on, which the session plans for the filter's values."""
    await plan_for_values(session)
    if isinstance(filters, TaskFilter):
        return selection.selected_tasks(filters)
    return await selection.selected_runs(session, filters, action=action)


async def count(engine: AsyncEngine, action: BulkAction, filters: TaskFilter | RunFilter) -> int:
    """Return how many tasks or runs an operation would act on. Raises `InvalidInput` and `SearchTooLong`."""
    async with run_reads.searching(engine) as session:
        query = await selected(session, action, filters)
        return bounded(await selection.count(session, query, most=MAX_ITEMS), filters)


def bounded(total: int, filters: TaskFilter | RunFilter) -> int:
    """Return the number of items of an operation. Raises `InvalidInput` if there are too many."""
    if total > MAX_ITEMS:
        name = "tasks" if isinstance(filters, TaskFilter) else "runs"
        message = f"selects more than {MAX_ITEMS:,} {name}; narrow the filter, and start several operations"
        raise InvalidInput([Problem((name,), message)])
    return total


async def start(
    work: Transaction, action: BulkAction, filters: TaskFilter | RunFilter, *, given: Any, now: datetime
) -> BulkOperation:
    """Store an operation with the ids of what its filter selects now. `given` is the filter for the audit log.

    Raises `InvalidInput` and `TooManyOperations`.
    """
    await bulk.lock_starts(work.session)
    if await selection.running(work.session) >= MAX_UNFINISHED:
        raise TooManyOperations
    operation = BulkOperation(
        action=action, total=0, key_id=work.caller.key_id, key_name=work.caller.name, created_at=now
    )
    work.session.add(operation)
    await work.session.flush()
    query = await selected(work.session, action, filters)
    operation.total = bounded(await bulk.store_chunks(work.session, operation.id, query, most=MAX_ITEMS), filters)
    if not operation.total:
        operation.state, operation.finished_at = BulkState.COMPLETED, now
    else:
        work.wake_for_bulk()
    after = {"id": str(operation.id), "action": action.name, "filter": given, "total": operation.total}
    work.record("bulk", after=after)
    await work.session.flush()
    return operation


async def cancel(work: Transaction, operation_id: UUID, *, now: datetime) -> BulkOperation:
    """Cancel the rest of an operation. What was done is not undone. An already cancelled one is returned.

    Raises `NotFound`, and `Conflict` for an operation that has ended otherwise.
    """
    ended = await bulk.end(work.session, operation_id, BulkState.CANCELLED, now=now)
    operation = (await selection.find(work.session, [operation_id])).get(operation_id)
    if operation is None:
        raise NotFound("operation", operation_id)
    if ended:
        work.record("cancelBulkOperation", after={"id": str(operation_id), "done": operation.done})
    elif operation.state is not BulkState.CANCELLED:
        message = f"An operation that is {operation.state} cannot be cancelled: it has ended"
        raise Conflict(message, reason=ConflictReason.WRONG_STATE)
    return operation


async def work_off_chunk(engine: AsyncEngine, queue: Queue, secrets: SecretKeys, operation: BulkOperation) -> bool:
    """Act on the next chunk of an operation on behalf of its caller. Return False if there is nothing to do.

    Then it has ended, or another worker is processing it.
    """
    caller = Caller(name=operation.key_name, scope=KeyScope.WRITE, key_id=operation.key_id)
    async with transaction(engine, queue, caller=caller, secrets=secrets) as work:
        locked = await bulk.lock(work.session, operation.id)
        if locked is None:
            return False
        now = utc_now()
        ids = await bulk.take_chunk(work.session, locked.id)
        outcomes = await ACTS[locked.action](work, ids, now) if ids else []
        refusals = [
            [str(each), str(outcome)]
            for each, outcome in zip(ids, outcomes, strict=True)
            if isinstance(outcome, Refusal)
        ]
        locked.done += len(ids)
        locked.refused += len(refusals)
        locked.succeeded += len(ids) - len(refusals)
        locked.problems = [*locked.problems, *refusals][:KEPT_PROBLEMS]
        if locked.done >= locked.total:
            locked.state, locked.finished_at = BulkState.COMPLETED, now
        await work.session.flush()
    return True
