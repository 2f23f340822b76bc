"""What the API shows of tasks and of a stretch of time costs the same, however many days of history are kept.

That is counted, not timed: the days of the history that a read opens, and the rows that it reads.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlmodel import col

from db.connection import autocommit, look_up_rows
from db.maintenance import partitions
from db.models import Run, Task, utc_now
from db.reads import attention, forecast, recent_runs, statistics
from db.reads.recent_runs import newest_runs
from db.reads.statistics import StatisticsFilter
from db.settings import DatabaseSettings
from db.states import RunState, StatisticsWidth
from jobs.maintenance.statistics import add_up_old_counts, count_ended_runs
from tests.support.engine import every, opened, save
from tests.support.history import HOUR, end, run_of

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
        await look_up_rows(connection)
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
    tasks = [every("http://localhost/", HOUR, midnight + DAY, tags=["some"]) for _ in range(3)]
    ids = [task.id for task in tasks]
    since = midnight - 2 * DAY
    hours: dict[str, Any] = {"since": since, "until": midnight, "bucket": StatisticsWidth.HOUR}

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

        async def costs() -> dict[str, Cost]:
            # One run has ended behind the cursor of the statistics.
            await end(engine, run_of(tasks[1], scheduled_for=utc_now()))
            return {name: await cost_of(engine, read) for name, read in reads.items()}

        await save(engine, *tasks)
        await make_days(engine, midnight, range(1, FEW_DAYS + 1))
        await counted(engine, *runs_of_days(tasks, midnight, range(1, FEW_DAYS + 1)))
        await counted(engine, run_of(tasks[0], scheduled_for=midnight - HOUR, state=RunState.FAILED))
        few = await costs()
        await make_days(engine, midnight, range(FEW_DAYS + 1, MANY_DAYS + 1))
        await counted(engine, *runs_of_days(tasks[1:], midnight, range(FEW_DAYS + 1, MANY_DAYS + 1)))
        many = await costs()
    for name, cost in many.items():
        assert cost.days == few[name].days, name
        assert cost.rows <= few[name].rows + RUNS_PER_DAY, name


async def test_the_newest_runs_are_found_wherever_they_are(database: DatabaseSettings) -> None:
    """Runs that ended days later, that nobody counted, that are unfinished, imported, removed or older than the
    statistics are among the newest, as a list of all runs has them.
    """
    now = utc_now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    long_ago = midnight - 100 * DAY

    def task(**columns: Any) -> Task:
        return every("http://localhost/", HOUR, midnight + DAY, **columns)

    busy, daily, kept_shortly, late, removed = task(), task(), task(retention_days=3), task(), task()
    once, never, old, imported, deleted = task(), task(), task(created_at=long_ago), task(), task(deleted_at=now)
    tasks = [busy, daily, kept_shortly, late, removed, once, never, old, imported, deleted]
    ids = [each.id for each in tasks]
    async with opened(database) as engine:
        await save(engine, *tasks)
        await make_days(engine, midnight, range(1, 50))
        ends_later: dict[str, Any] = {"state": RunState.CANCELLED, "finished_at": midnight - HOUR}
        await counted(
            engine,
            *runs_of_days([busy], midnight, range(1, 4)),
            *(run_of(each, scheduled_for=midnight - day * DAY) for each in (daily, removed) for day in range(1, 49)),
            *(run_of(kept_shortly, scheduled_for=midnight - day * DAY) for day in range(1, 4)),
            *(run_of(late, scheduled_for=midnight - day * DAY, **ends_later) for day in range(2, 40, 9)),
            run_of(once, scheduled_for=midnight - 48 * DAY),
            *runs_of_days([deleted], midnight, range(1, 2)),
        )
        await end(engine, run_of(once, scheduled_for=midnight - 44 * DAY, **ends_later))
        await save(
            engine,
            run_of(busy, scheduled_for=now, state=RunState.RUNNING),
            run_of(once, scheduled_for=midnight - 40 * DAY, state=RunState.QUEUED),
            run_of(old, scheduled_for=midnight - 49 * DAY),
            run_of(imported, scheduled_for=midnight - 3 * DAY, id=uuid4()),
        )
        async with engine.begin() as connection:
            newer = {"task_id": removed.id, "since": midnight - 30 * DAY}
            await connection.execute(
                text("DELETE FROM finished_runs WHERE task_id = :task_id AND scheduled_for > :since"), newer
            )
        async with AsyncSession(engine) as session:
            all_runs = (await session.scalars(select(Run).order_by(col(Run.scheduled_for).desc(), col(Run.id)))).all()
        for limit in (1, 3, LAST, 100):
            async with engine.connect() as connection:
                found = await newest_runs(connection, ids, limit=limit)
            for number, each in enumerate(tasks):
                its = [run.id for run in all_runs if run.task_id == each.id and each is not deleted]
                assert [run.id for run in found[each.id]] == its[:limit], (number, limit)
            assert found[busy.id][0].state is RunState.RUNNING


async def test_a_run_that_ends_meanwhile(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old run that ends after the statistics were asked, and before the runs are read, is among the newest."""
    midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    task, other = (every("http://localhost/", HOUR, midnight + DAY) for _ in range(2))
    waiting = run_of(task, scheduled_for=midnight - 5 * DAY, state=RunState.QUEUED)
    ended = run_of(task, scheduled_for=midnight - 5 * DAY, state=RunState.CANCELLED, finished_at=utc_now())
    async with opened(database) as engine:
        await save(engine, task, other)
        await make_days(engine, midnight, range(1, 7))
        await counted(engine, run_of(other, scheduled_for=midnight - 6 * DAY), run_of(task, scheduled_for=utc_now()))
        await save(engine, waiting)
        read = recent_runs.read

        async def end_before(*arguments: Any, **named: Any) -> Any:
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(text("DELETE FROM unfinished_runs"))
            await end(engine, ended)
            return await read(*arguments, **named)

        monkeypatch.setattr(recent_runs, "read", end_before)
        async with engine.connect() as connection:
            found = await newest_runs(connection, [task.id], limit=3)
        assert [run.state for run in found[task.id]] == [RunState.SUCCEEDED, RunState.CANCELLED]
