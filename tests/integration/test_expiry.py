"""Tasks that are deleted some time after their end: when, by which path, and what makes them stay."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import RunState, TaskStatus
from jobs.errors import InvalidInput
from jobs.http.request import ActionDraft
from jobs.maintenance.expiry import DELETED_PER_TRANSACTION, delete_expired
from jobs.queue import Queue
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings
from jobs.tasks import changes, creation, runs
from jobs.tasks.draft import TaskDraft, TaskUpdate
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Interval
from tests.support.engine import every, one_off, save, soon, task_of, working
from tests.support.graphql import serving
from tests.support.history import HOUR, run_of
from tests.support.interleaving import changing
from tests.support.keys import make_key
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

ENDED: dict[str, Any] = {"next_run": None, "due_at": None}
WATCH = "subscription { taskChanged { __typename ... on DeletedTask { id: taskId } } }"


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[Queue]:
    """A queue of this test's Redis."""
    queue = Queue.open(redis_url)
    yield queue
    await queue.close()


async def expire(engine: AsyncEngine, queue: Queue) -> None:
    """Do the duty once."""
    await delete_expired(engine, queue, SecretKeys())


async def remaining(engine: AsyncEngine) -> set[str]:
    """Return the names of the tasks that are not deleted."""
    async with engine.connect() as connection:
        return set((await connection.execute(text("SELECT name FROM tasks WHERE deleted_at IS NULL"))).scalars())


async def end_of(engine: AsyncEngine, task: Task) -> tuple[datetime | None, timedelta | None]:
    """Return when a task has ended, and how long after that it is deleted."""
    row = await task_of(engine, task.id)
    return row.ended_at, None if row.delete_at is None or row.ended_at is None else row.delete_at - row.ended_at


async def test_only_what_has_ended_long_enough_ago_is_deleted(engine: AsyncEngine, queue: Queue) -> None:
    """A task without the member, one that goes on or is paused, and one whose time is not over stay."""
    future = utc_now() + HOUR
    common = {"delete_after_ms": 0}
    await save(
        engine,
        every("http://localhost/", HOUR, future, name="completed", status=TaskStatus.COMPLETED, **ENDED, **common),
        every("http://localhost/", HOUR, future, name="cancelled", status=TaskStatus.CANCELLED, **ENDED, **common),
        every("http://localhost/", HOUR, future, name="scheduled", **common),
        every("http://localhost/", HOUR, future, name="paused", status=TaskStatus.PAUSED, **ENDED, **common),
        every("http://localhost/", HOUR, future, name="kept", status=TaskStatus.COMPLETED, **ENDED),
        every(
            "http://localhost/", HOUR, future, name="later", status=TaskStatus.COMPLETED, **ENDED,
            delete_after_ms=3_600_000,
        ),
    )  # fmt: skip
    await expire(engine, queue)
    assert await remaining(engine) == {"scheduled", "paused", "kept", "later"}
    async with engine.connect() as connection:
        query = text(
            "SELECT action, key_id, key_name, before ->> 'name' AS name, before ->> 'url' AS url FROM audit_log"
        )
        entries = {tuple(row) for row in await connection.execute(query)}
    deleted = ("completed", "cancelled")
    assert entries == {("deleteTask", None, "maintenance", name, "http://localhost/") for name in deleted}


async def test_the_time_counts_from_the_end_by_the_clock_of_postgres(engine: AsyncEngine) -> None:
    """A change to an ended status notes the instant, a change of the time moves the deletion, a new start undoes it."""
    draft = TaskDraft(
        name="a", trigger=Interval(every_ms=60_000), action=ActionDraft(url="http://127.0.0.1/"), delete_after_ms=1_000
    )
    async with changing(engine) as work:
        task = await creation.create_task(work, draft, now=utc_now())
    assert await end_of(engine, task) == (None, None)
    before = utc_now()
    async with changing(engine) as work:
        await changes.cancel_task(work, task.id, now=utc_now())
    ended_at, after = await end_of(engine, task)
    assert ended_at is not None
    assert before - timedelta(minutes=1) < ended_at < utc_now() + timedelta(minutes=1)
    assert after == timedelta(seconds=1)
    async with changing(engine) as work:
        await changes.update_task(work, task.id, TaskUpdate(name="b", delete_after_ms=5_000), now=utc_now())
    assert await end_of(engine, task) == (ended_at, timedelta(seconds=5))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE tasks SET status = 'completed'"))
    async with changing(engine) as work:
        update = TaskUpdate(trigger=TriggerUpdate(kind=Interval, members={"every_ms": 5_000}))
        await changes.update_task(work, task.id, update, now=utc_now())
    assert (await task_of(engine, task.id)).status == "scheduled"
    assert await end_of(engine, task) == (None, None)


async def test_a_task_stays_while_a_run_of_it_is_unfinished(engine: AsyncEngine, queue: Queue) -> None:
    """Expiry aborts no call: it waits for the end of a last run, also of one that was requested after the end."""
    task, other = (
        every(
            "http://localhost/", HOUR, utc_now() + HOUR, name=name, status=TaskStatus.COMPLETED, **ENDED,
            delete_after_ms=0,
        )
        for name in ("running", "requested")
    )  # fmt: skip
    await save(engine, task, other)
    run = run_of(task, scheduled_for=utc_now() - HOUR, state=RunState.RUNNING)
    await save(engine, run)
    async with changing(engine) as work:
        requested = await runs.run_task(work, other.id, now=utc_now())
    await expire(engine, queue)
    assert await remaining(engine) == {"running", "requested"}
    for each in (run, requested):
        async with changing(engine) as work:
            await runs.cancel_run(work, each.id, now=utc_now())
    await expire(engine, queue)
    assert await remaining(engine) == set()


async def test_no_key_has_the_name_of_maintenance(engine: AsyncEngine) -> None:
    """A key of that name could pretend in the audit log that the service itself had deleted a task."""
    with pytest.raises(InvalidInput, match="means something else in the audit log"):
        await make_key(engine, "maintenance")


async def test_it_leaves_out_what_somebody_is_changing(engine: AsyncEngine, queue: Queue) -> None:
    """A locked task does not hold up the others. What its change makes of it counts the next time."""
    ended: dict[str, Any] = {"status": TaskStatus.COMPLETED, **ENDED, "delete_after_ms": 0}
    held, free = (every("http://localhost/", HOUR, utc_now() + HOUR, name=name, **ended) for name in ("held", "free"))
    await save(engine, held, free)
    async with changing(engine) as work:
        update = TaskUpdate(trigger=TriggerUpdate(kind=Interval, members={"every_ms": 5_000}))
        await changes.update_task(work, held.id, update, now=utc_now())
        await expire(engine, queue)
        assert await remaining(engine) == {"held"}
    await expire(engine, queue)
    assert await remaining(engine) == {"held"}


async def test_many_go_in_bounded_transactions(engine: AsyncEngine, queue: Queue) -> None:
    """Thousands that end together are deleted in transactions of a hundred, so that none holds its locks for long."""
    number = 2 * DELETED_PER_TRANSACTION + 7
    ended: dict[str, Any] = {"status": TaskStatus.COMPLETED, **ENDED, "delete_after_ms": 0}
    await save(engine, *(every("http://localhost/", HOUR, utc_now() + HOUR, **ended) for _ in range(number)))
    await expire(engine, queue)
    async with AsyncSession(engine) as session:
        query = text("SELECT count(*) FROM tasks WHERE deleted_at IS NOT NULL GROUP BY xmin::text ORDER BY 1 DESC")
        sizes = list(await session.scalars(query))
    assert sizes == [DELETED_PER_TRANSACTION, DELETED_PER_TRANSACTION, 7]


async def test_a_worker_does_it_and_tells_subscribers(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, engine: AsyncEngine
) -> None:
    """A one-off is deleted after its run, its rows are removed, and taskChanged tells of it."""
    url = target.responds("/once", CannedResponse())
    task = one_off(url, soon(), delete_after_ms=200)
    async with (
        serving(database, jobs_settings) as api,
        api.socket() as socket,
        working(database, jobs_settings),
    ):
        other = every(url, HOUR, utc_now() + HOUR)
        await save(engine, other)
        watching = await socket.subscribe(WATCH)
        first = asyncio.create_task(watching.next())
        while not first.done():
            # Only a delivery shows that the subscription is active.
            await api.services.queue.poke(changed=[other.id])
            await asyncio.wait([first], timeout=0.05)
        await save(engine, task)
        seen: dict[str, Any] = {}
        while seen.get("__typename") != "DeletedTask":
            seen = await watching.next()
        assert seen["id"] == str(task.id)
        assert len(target.calls) == 1

        async def is_gone() -> bool:
            async with AsyncSession(engine) as session:
                return await session.get(Task, task.id) is None

        await wait_until(is_gone, what="the task's rows are removed")
