"""What the API shows of tasks and of a stretch of time costs the same, however many days of history are kept.

That is counted, not timed: the days of the history that a read opens, and the rows that it reads.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlmodel import col

from db.connection import autocommit
from db.maintenance import partitions
from db.models import Run, Task, utc_now
from db.reads import attention, forecast, recent_runs, statistics
from db.reads.recent_runs import newest_runs
from db.reads.statistics import StatisticsFilter
from db.settings import DatabaseSettings
from db.states import RunState, StatisticsWidth
from jobs.maintenance.statistics import add_up_old_counts, count_ended_runs
from tests.support.engine import every, one_off, opened, save
from tests.support.history import HOUR, end, run_of

pytestmark = pytest.mark.unmeasured

DAY = timedelta(days=1)
FEW_DAYS = 3
MANY_DAYS = 90
RUNS_PER_DAY = 12
LAST = 30
DAYS_OPENED = text("""
SELECT count(DISTINCT c.relname) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relname ~ '^task_results_[0-9]'
""")
ROWS_READ = text("SELECT CAST(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)) AS int) FROM pg_stat_xact_user_tables")
Read = Callable[[AsyncConnection], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a read has opened and read."""

    days: int
    rows: int


async def cost_of(engine: AsyncEngine, read: Read) -> Cost:
    """Return what a read costs in a transaction of its own."""
    async with engine.connect() as connection:
        before = (await connection.execute(ROWS_READ)).scalar_one()
        await read(connection)
        days = (await connection.execute(DAYS_OPENED)).scalar_one()
        return Cost(days, (await connection.execute(ROWS_READ)).scalar_one() - before)


async def make_days(engine: AsyncEngine, midnight: datetime, days: range) -> None:
    """Create the partitions of days before today."""
    for day in days:
        async with engine.begin() as connection:
            await partitions.make(connection, (midnight - day * DAY).date())


def runs_of_days(tasks: Sequence[Task], midnight: datetime, days: range) -> list[Run]:
    """Return the runs of days before today, of each task as many."""
    return [
        run_of(task, scheduled_for=midnight - day * DAY + hour * 2 * HOUR)
        for task in tasks
        for day in days
        for hour in range(RUNS_PER_DAY)
    ]


async def counted(engine: AsyncEngine, *runs: Run) -> None:
    """Insert runs that have ended, and let maintenance count them."""
    await end(engine, *runs)
    await count_ended_runs(engine)
    await add_up_old_counts(engine, now=utc_now())
    async with autocommit(engine).connect() as connection:
        await connection.execute(text("ANALYZE"))


async def test_the_cost_does_not_depend_on_the_days_kept(database: DatabaseSettings) -> None:
    """With 90 days of history a page of tasks, statistics, attention and the forecast read as much as with three."""
    midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    tasks = [every("http://localhost/", HOUR, midnight + DAY, tags=["some"]) for _ in range(5)]
    ids = [task.id for task in tasks]
    since = midnight - 2 * DAY
    hours = {"since": since, "until": midnight, "bucket": StatisticsWidth.HOUR}

    async def bad_run(connection: AsyncConnection) -> None:
        assert [row.reason for row in await attention.attention(connection, limit=10, paused_by="")] == ["failing"]

    reads: dict[str, Read] = {
        "recent runs": lambda connection: newest_runs(connection, ids, limit=LAST),
        "last run": lambda connection: newest_runs(connection, ids, limit=1),
        "statistics of tasks": lambda connection: statistics.by_task(
            connection, task_ids=ids, since=since, until=midnight
        ),
        "statistics": lambda connection: statistics.by_bucket(connection, StatisticsFilter(), **hours),
        "statistics of a tag": lambda connection: statistics.by_bucket(
            connection, StatisticsFilter(tags=("some",)), **hours
        ),
        "attention": bad_run,
        "forecast": lambda connection: forecast.forecast(connection, hosts=5, **hours),
    }
    async with opened(database) as engine:
        await save(engine, *tasks)
        await make_days(engine, midnight, range(1, FEW_DAYS + 1))
        failed = run_of(tasks[0], scheduled_for=midnight - HOUR, state=RunState.FAILED)
        await counted(engine, *runs_of_days(tasks, midnight, range(1, FEW_DAYS + 1)))
        await counted(engine, failed)
        # This one has ended behind the cursor of the statistics.
        await end(engine, run_of(tasks[1], scheduled_for=midnight - HOUR))
        few = {name: await cost_of(engine, read) for name, read in reads.items()}
        await make_days(engine, midnight, range(FEW_DAYS + 1, MANY_DAYS + 1))
        old = runs_of_days(tasks, midnight, range(FEW_DAYS + 1, MANY_DAYS + 1))
        async with AsyncSession(engine) as session, session.begin():
            session.add_all(old)
        many = {name: await cost_of(engine, read) for name, read in reads.items()}
    assert few == many
