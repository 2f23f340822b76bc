"""A claim for an instant shortly ahead locks what is due then, and starts it at the instant, not before."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import utc_now
from db.states import RunState, TaskStatus
from jobs.datetimes import FIRST_INSTANT
from jobs.engine.claim import claim_tasks, claim_waiting
from jobs.engine.slots import Slots
from jobs.tasks import changes
from tests.support.engine import every, one_off, save, task_of
from tests.support.history import HOUR, run_of
from tests.support.interleaving import WORKER, a_lock_is_awaited, change, every_run
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)


class HeldClock:
    """A clock that reaches each instant when the test says so."""

    def __init__(self) -> None:
        self.awaited: list[datetime] = []
        self.reached = asyncio.Event()

    async def wait_until(self, instant: datetime) -> None:
        """Note the instant, and wait for the test."""
        self.awaited.append(instant)
        await self.reached.wait()

    async def is_awaited(self) -> bool:
        """Return whether a claim waits."""
        return bool(self.awaited)


async def test_a_task_is_locked_before_its_instant_and_starts_at_it(engine: AsyncEngine) -> None:
    """Until the instant there is no run. A pause meanwhile waits for the claim, and takes effect after it."""
    at, clock = utc_now() + HOUR, HeldClock()
    due, later = every("http://a/", HOUR, at), one_off("http://a/", at + SECOND)
    await save(engine, due, later)
    claiming = asyncio.create_task(
        claim_tasks(
            engine,
            worker_id=WORKER,
            slots=Slots(10),
            now=at,
            since=FIRST_INSTANT,
            limit=10,
            wait_until=clock.wait_until,
        )
    )
    await wait_until(clock.is_awaited, what="the claim waits for the instant")
    assert clock.awaited == [at]
    assert await every_run(engine, due.id) == []
    pausing = asyncio.create_task(
        change(engine, lambda work, task_id: changes.pause_tasks(work, [task_id], now=utc_now()), due.id)
    )
    await wait_until(lambda: a_lock_is_awaited(engine), what="the pause waits for the claim")
    clock.reached.set()
    claimed = await claiming
    await pausing
    [run] = await every_run(engine, due.id)
    assert (run.state, run.run_at, run.scheduled_for) == (RunState.RUNNING, at, at)
    assert [attempt.run_id for attempt in claimed.attempts] == [run.id]
    paused = await task_of(engine, due.id)
    assert (paused.status, paused.settled_until) == (TaskStatus.PAUSED, at)
    assert (await task_of(engine, later.id)).due_at == at + SECOND


async def test_a_waiting_run_starts_at_its_instant(engine: AsyncEngine) -> None:
    """A retry that is due shortly is locked, and its attempt begins at the instant."""
    at, clock = utc_now() + HOUR, HeldClock()
    task = every("http://a/", HOUR, at + HOUR)
    await save(engine, task)
    await save(engine, run_of(task, scheduled_for=at - HOUR, state=RunState.RETRYING, next_attempt_at=at))
    claiming = asyncio.create_task(
        claim_waiting(engine, worker_id=WORKER, slots=Slots(10), now=at, limit=10, wait_until=clock.wait_until)
    )
    await wait_until(clock.is_awaited, what="the claim waits for the instant")
    [run] = await every_run(engine, task.id)
    assert run.state is RunState.RETRYING
    clock.reached.set()
    assert [attempt.run_id for attempt in (await claiming).attempts] == [run.id]
    [run] = await every_run(engine, task.id)
    assert (run.state, run.attempt_started_at) == (RunState.RUNNING, at)
    assert (await task_of(engine, task.id)).status is TaskStatus.SCHEDULED
