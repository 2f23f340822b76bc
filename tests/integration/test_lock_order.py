"""Locks are taken in one order: tasks, runs by their ids, then the counter of events. So no two statements deadlock."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import claims, finishes, leases
from db.engine.finishes import Finish
from db.models import Run, Task, utc_now
from db.states import BodyEncoding, OverlapPolicy, RunState
from jobs.engine import claim
from jobs.engine.claimed import Claimed
from jobs.tasks import changes
from tests.support.engine import every, save, task_of
from tests.support.history import HOUR, run_of
from tests.support.interleaving import WORKER, a_lock_is_awaited, changing, every_run, run_row
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)
HOLD = text("SELECT FROM task_results WHERE id = :run_id FOR UPDATE")
FREE = text("SELECT count(*) FROM (SELECT FROM task_results WHERE id = :run_id FOR UPDATE SKIP LOCKED) free")


async def cancel(engine: AsyncEngine, task: Task) -> None:
    """Cancel the task."""
    async with changing(engine) as work:
        await changes.cancel_task(work, task.id, now=utc_now())


async def delete(engine: AsyncEngine, task: Task) -> None:
    """Delete the task."""
    async with changing(engine) as work:
        await changes.delete_task(work, task.id, now=utc_now())


async def finish(engine: AsyncEngine, task: Task) -> None:
    """Write the outcomes of all running attempts, those with the highest ids first."""
    runs = sorted(await every_run(engine, task.id), key=lambda run: run.id, reverse=True)
    ended = [outcome_of(run) for run in runs]
    async with engine.begin() as connection:
        await finishes.finish(connection, worker_id=WORKER, finishes=ended, now=utc_now())


def outcome_of(run: Run) -> Finish:
    """Return the success of a running attempt."""
    return Finish(
        run_id=run.id, task_id=run.task_id, epoch=run.epoch, one_off=False,
        releases=False, state=RunState.SUCCEEDED, started_at=utc_now(), ended_at=utc_now(), next_attempt_at=None,
        duration_ms=0, status_code=200,
        response_headers=None, response_body=None, body_encoding=BodyEncoding.UTF8, body_truncated=False,
        error_message=None,
    )  # fmt: skip


async def release(engine: AsyncEngine, task: Task) -> None:
    """Release the attempts of the worker, as it does when it stops."""
    async with engine.begin() as connection:
        await leases.release_runs(connection, worker_id=WORKER, run_ids_kept=(), now=utc_now(), reason=task.name)


async def test_cancellation_of_a_task_that_is_overdue_and_retries(engine: AsyncEngine) -> None:
    """It waits for the claim of a retry while it has not locked the counter of events, which the claim needs."""
    task = every("http://localhost/", HOUR, utc_now() - SECOND)
    run = run_of(task, scheduled_for=utc_now() - HOUR, state=RunState.RETRYING, next_attempt_at=utc_now() - SECOND)
    await save(engine, task)
    await save(engine, run)
    async with engine.begin() as connection:
        now = utc_now()
        rows = await claims.lock_waiting(connection, now=now, hosts_excluded=(), limit=10)
        cancelling = asyncio.create_task(cancel(engine, task))
        await wait_until(lambda: a_lock_is_awaited(engine), what="the cancellation waits for the run")
        await claim.start_waiting(connection, rows, worker_id=WORKER, now=now, claimed=Claimed())
    await cancelling
    assert (await run_row(engine, run.id)).state == RunState.RUNNING
    assert (await task_of(engine, task.id)).next_run is None
    assert sorted(each.state for each in await every_run(engine, task.id)) == [RunState.MISSED, RunState.RUNNING]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (cancel, RunState.RETRYING),
        (delete, RunState.RUNNING),
        (finish, RunState.RUNNING),
        (release, RunState.RUNNING),
    ],
)
async def test_runs_are_locked_in_the_order_of_their_ids(
    engine: AsyncEngine, change: Callable[[AsyncEngine, Task], Awaitable[None]], state: RunState
) -> None:
    """A statement that waits for one run holds none with a higher id, wherever the table has them."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR, overlap=OverlapPolicy.ALLOW)
    runs = [run_of(task, scheduled_for=utc_now() - number * HOUR, state=state) for number in range(1, 4)]
    await save(engine, task)
    for run in runs:
        run.worker_id = WORKER if state == RunState.RUNNING else None
        await save(engine, run)
    lowest, *higher = sorted(run.id for run in runs)
    async with engine.begin() as connection:
        await connection.execute(HOLD, {"run_id": lowest})
        changing_runs = asyncio.ensure_future(change(engine, task))
        await wait_until(lambda: a_lock_is_awaited(engine), what="the statement waits for the lowest run")
        async with engine.begin() as other:
            assert [(await other.execute(FREE, {"run_id": run_id})).scalar_one() for run_id in higher] == [1, 1]
    await changing_runs
    assert {run.state for run in await every_run(engine, task.id)} != {state}
