"""Two transactions interleaved by hand: a change on one side, a claim or a finish on the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.engine import claims, finishes
from db.engine.finishes import Finish
from db.models import Run, utc_now
from db.states import BodyEncoding, RunState
from jobs.datetimes import FIRST_INSTANT
from jobs.engine import claim
from jobs.engine.claim import claim_tasks, claim_waiting
from jobs.engine.claimed import Attempt, Claimed
from jobs.engine.slots import Slots
from jobs.security.api_keys import ANYBODY
from jobs.security.encryption import SecretKeys
from jobs.tasks.transaction import Transaction
from tests.support.waiting import wait_until

WORKER = uuid4()

T = TypeVar("T")
Change = Callable[[Transaction, UUID], Awaitable[Any]]


@asynccontextmanager
async def changing(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open the transaction of a use case, and commit it when the block ends."""
    work = Transaction(engine, caller=ANYBODY, secrets=SecretKeys())
    try:
        yield work
        await work.commit()
    finally:
        await work.close()


async def change(engine: AsyncEngine, make: Callable[[Transaction, UUID], Awaitable[T]], sought: UUID) -> T:
    """Make a change in its own transaction."""
    async with changing(engine) as work:
        return await make(work, sought)


@asynccontextmanager
async def claiming(engine: AsyncEngine) -> AsyncIterator[Claimed]:
    """Claim all due tasks, and commit when the block ends."""
    claimed, now = Claimed(), utc_now()
    async with engine.begin() as connection:
        rows = await claims.lock_due_tasks(connection, now=now, since=FIRST_INSTANT, hosts_excluded=(), limit=10)
        plans = [claim.plan_or_fail(row, now=now) for row in rows]
        await claim.start_runs(connection, rows, plans, existing=None, worker_id=WORKER, now=now, claimed=claimed)
        yield claimed


@asynccontextmanager
async def claiming_waiting(engine: AsyncEngine) -> AsyncIterator[Claimed]:
    """Claim all waiting runs that are due, and commit when the block ends."""
    claimed, now = Claimed(), utc_now()
    async with engine.begin() as connection:
        rows = await claims.lock_waiting(connection, now=now, hosts_excluded=(), limit=10)
        await claim.start_waiting(connection, rows, worker_id=WORKER, now=now, claimed=claimed)
        yield claimed


@asynccontextmanager
async def finishing(engine: AsyncEngine, attempt: Attempt) -> AsyncIterator[None]:
    """Write the attempt's success as the writer does, and commit when the block ends."""
    now = utc_now()
    async with engine.begin() as connection:
        await finishes.lock_tasks(connection, task_ids=[attempt.task_id])
        await finishes.finish(connection, worker_id=WORKER, finishes=[succeeded(attempt)], now=now)
        await finishes.promote_waiting(connection, task_ids=[attempt.task_id], now=now)
        yield


def succeeded(attempt: Attempt) -> Finish:
    """Return the outcome of an attempt that succeeded."""
    now = utc_now()
    return Finish(
        run_id=attempt.run_id, task_id=attempt.task_id, epoch=attempt.epoch,
        one_off=attempt.one_off, releases=attempt.releases, state=RunState.SUCCEEDED, started_at=now, ended_at=now,
        next_attempt_at=None,
        duration_ms=0, status_code=200, response_headers=None, response_body=None, body_encoding=BodyEncoding.UTF8,
        body_truncated=False, error_message=None,
    )  # fmt: skip


async def claim_all(engine: AsyncEngine) -> list[Attempt]:
    """Claim due tasks and waiting runs as a worker does, and return the attempts."""
    slots, now = Slots(20), utc_now()
    due = await claim_tasks(engine, worker_id=WORKER, slots=slots, now=now, since=FIRST_INSTANT, limit=10)
    waiting = await claim_waiting(engine, worker_id=WORKER, slots=slots, now=now, limit=10)
    return due.attempts + waiting.attempts


async def behind(engine: AsyncEngine, first: AbstractAsyncContextManager[Any], second: Awaitable[T]) -> T:
    """Have `second` wait for a lock that `first` holds, commit `first`, and return the result of `second`."""
    async with first:
        waiting = asyncio.ensure_future(second)
        await wait_until(lambda: a_lock_is_awaited(engine), what="the second transaction waits for the first")
        assert not waiting.done()
    return await waiting


async def a_lock_is_awaited(engine: AsyncEngine) -> bool:
    """Return whether a session of this database is waiting for a lock."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        return bool(found.scalar_one())


async def run_row(engine: AsyncEngine, run_id: UUID) -> Run:
    """Return the run as it is now."""
    async with AsyncSession(engine) as session:
        found = await session.get(Run, run_id)
    assert found is not None
    return found


async def every_run(engine: AsyncEngine, task_id: UUID) -> list[Run]:
    """Return all runs of a task, finished or not."""
    async with AsyncSession(engine) as session:
        found = await session.execute(text("SELECT id FROM task_results WHERE task_id = :id"), {"id": task_id})
        ids = list(found.scalars())
        return [run for run_id in ids if (run := await session.get(Run, run_id)) is not None]
