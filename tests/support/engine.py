"""Workers and tasks for tests of the engine: workers run in the test's own process, and tasks are inserted as rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import open_engine
from db.models import Run, RunEvent, Task, utc_now
from db.settings import DatabaseSettings
from db.states import TriggerType
from jobs.http.resolver import Lookup, system_lookup
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings
from jobs.worker import run_worker

UNREACHABLE_REDIS = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def opened(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Open a connection pool with which the test reads the tables."""
    engine = open_engine(database.url(), pool_size=3, application_name="duetime test")
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def working(
    database: DatabaseSettings,
    jobs: JobsSettings,
    *,
    lookup: Lookup = system_lookup,
    tracing: TracingSettings | None = None,
) -> AsyncIterator[None]:
    """Run a worker until the block ends, then stop it gracefully. `lookup` finds the addresses of targets' names.

    One warm connection is enough for few tasks, and to warm up the usual number takes half of the time of a start.
    """
    stop = asyncio.Event()
    worker = asyncio.create_task(
        run_worker(database, jobs, stop=stop, lookup=lookup, tracing=tracing, warm_connections=1)
    )
    try:
        yield
    finally:
        stop.set()
        await worker


def one_off(url: str, at: datetime, **columns: Any) -> Task:
    """Return a task that calls `url` once."""
    trigger: dict[str, Any] = {"trigger_type": TriggerType.ONE_OFF, "trigger_time": at}
    return Task(**trigger | common(url, at, columns))


def every(url: str, period: timedelta, start_at: datetime, **columns: Any) -> Task:
    """Return a task that calls `url` periodically."""
    milliseconds = period // timedelta(milliseconds=1)
    return Task(
        trigger_type=TriggerType.INTERVAL, every_ms=milliseconds, start_at=start_at, **common(url, start_at, columns)
    )


def common(url: str, first: datetime, columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that all tasks of tests share: quick retries, and no redirects."""
    return {
        "name": "a task",
        "method": "GET",
        "url": url,
        "host": urlsplit(url).netloc,
        "next_run": first,
        "due_at": first,
        "redirects": 0,
        "initial_delay_ms": 100,
        **columns,
    }


def soon() -> datetime:
    """Return an instant that no worker has missed yet, and for which a test does not wait long."""
    return utc_now() + timedelta(milliseconds=800)


async def save(engine: AsyncEngine, *rows: Task | Run) -> list[UUID]:
    """Insert the rows and return their ids."""
    ids = [row.id for row in rows]
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        session.add_all(rows)
    return ids


async def task_of(engine: AsyncEngine, task_id: UUID) -> Task:
    """Return the task as it is now."""
    async with AsyncSession(engine) as session:
        return (await session.execute(select(Task).where(Task.id == task_id))).scalar_one()  # type: ignore[arg-type]


async def runs_of(engine: AsyncEngine, task_id: UUID, *, at_least: int = 0) -> Sequence[Run]:
    """Return the finished runs of a task, oldest first, or an empty list while there are fewer than `at_least`."""
    async with AsyncSession(engine) as session:
        found = await session.execute(
            select(Run)
            .where(Run.task_id == task_id, Run.finished_at.is_not(None))  # type: ignore[arg-type,union-attr]
            .order_by(Run.scheduled_for)  # type: ignore[arg-type]
        )
        runs = found.scalars().all()
    return runs if len(runs) >= at_least else []


async def events_of(engine: AsyncEngine, run_id: UUID) -> list[str]:
    """Return the types of a run's events, in order."""
    async with AsyncSession(engine) as session:
        found = await session.execute(
            select(RunEvent).where(RunEvent.run_id == run_id).order_by(RunEvent.seq)  # type: ignore[arg-type]
        )
        return [event.type for event in found.scalars()]
