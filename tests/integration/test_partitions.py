"""Runs lie in the partition of their day, so that a day can be dropped as a whole; workers create partitions ahead."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.maintenance import partitions
from db.migrations import migrate
from db.models import Task, utc_now
from db.settings import DatabaseSettings
from jobs.run_ids import scheduled_run_id
from jobs.settings import JobsSettings
from tests.support.engine import one_off, opened, save, working
from tests.support.history import run_of
from tests.support.waiting import wait_until

PARTITION_OF = text("SELECT CAST(tableoid AS regclass) AS partition FROM task_results WHERE id = :id")


async def missing(engine: AsyncEngine) -> list[date]:
    """Return the days that need a partition and have none."""
    async with engine.connect() as connection:
        return await partitions.missing(connection, utc_now().date())


async def partition_of(engine: AsyncEngine, task: Task, scheduled_for: datetime) -> str:
    """Return the partition in which a run of that instant lies."""
    await save(engine, task)
    await save(engine, run_of(task, scheduled_for=scheduled_for))
    async with engine.connect() as connection:
        found = await connection.execute(PARTITION_OF, {"id": scheduled_run_id(task.id, scheduled_for)})
        return str(found.scalar_one())


async def test_a_run_lies_in_the_partition_of_its_day(database: DatabaseSettings) -> None:
    """A run lies in the partition of its day in UTC; days without a partition share the default one."""
    async with opened(database) as engine:
        today = utc_now().replace(hour=23, minute=59, second=59, microsecond=999_999)
        task = one_off("http://127.0.0.1:1/", today)
        assert await partition_of(engine, task, today) == f"task_results_{today:%Y%m%d}"
        tomorrow = today + timedelta(microseconds=1)
        task = one_off("http://127.0.0.1:1/", tomorrow)
        assert await partition_of(engine, task, tomorrow) == f"task_results_{tomorrow:%Y%m%d}"
        long_ago = datetime(2001, 2, 3, tzinfo=UTC)
        task = one_off("http://127.0.0.1:1/", long_ago)
        assert await partition_of(engine, task, long_ago) == "task_results_default"


async def test_a_worker_creates_the_partitions_of_the_next_days(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A worker creates the partitions of the next days, except for a day whose runs already lie in the default
    partition.
    """
    async with opened(database) as engine:
        tomorrow = utc_now() + timedelta(days=1)
        async with engine.begin() as connection:
            for days in range(1, partitions.DAYS_AHEAD + 1):
                await connection.execute(text(f"DROP TABLE task_results_{utc_now() + timedelta(days=days):%Y%m%d}"))
        assert len(await missing(engine)) == partitions.DAYS_AHEAD
        assert await partition_of(engine, one_off("http://127.0.0.1:1/", tomorrow), tomorrow) == "task_results_default"

        async def are_created() -> bool:
            return await missing(engine) == [tomorrow.date()]

        async with working(database, jobs_settings):
            await wait_until(are_created, what="all other days have a partition")


async def test_migrating_again_changes_nothing(database: DatabaseSettings) -> None:
    """Migrating again changes nothing; every start does it."""
    async with opened(database) as engine:
        await migrate(engine)
        assert await missing(engine) == []
