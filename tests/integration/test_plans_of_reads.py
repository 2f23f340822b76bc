"""The plans of what the API reads of runs do not depend on statistics, which a new day lacks.

A connection has read everything several times while the day was empty, as one of a running API has at midnight. Then
the day fills, and autovacuum has not come by.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.connection import autocommit, open_engine
from db.models import utc_now
from db.readers import Readers
from db.reads import metrics, runs, tasks
from db.reads.keyset import Slice
from db.reads.runs import RunFilter
from db.reads.tasks import TaskOrder
from db.settings import DatabaseSettings
from db.states import UNSUCCESSFUL, RunState
from tests.support.engine import opened
from tests.support.history import fill

RUNS = 20_000
PAGE = 20
TIMES = 7
"""More than the five times after which Postgres may keep a plan."""
MOST_ROWS = 1_000
MAKE_TASKS = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, next_run, due_at)
SELECT gen_random_uuid(), 'a task', 'interval', 60000, now(), 'GET', 'http://host/', 'host', at, at
FROM generate_series(1, 20000) n, LATERAL (SELECT now() + n * interval '1 second' AS at) instants
""")
FAIL_SOME = text("""
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, success)
SELECT gen_random_uuid(), task_id, CASE WHEN n % 3 = 0 THEN 'skipped' ELSE 'failed' END, at, at, 1, at, at, false
FROM (SELECT task_id, row_number() OVER () AS n, CAST(:now AS timestamptz) - interval '1 second' AS at
      FROM task_results LIMIT 100) sample
""")
READ = text("""
SELECT relname, seq_tup_read + COALESCE(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables
WHERE relname ~ '^(tasks|task_results|finished_runs|unfinished_runs)' AND seq_tup_read + COALESCE(idx_tup_fetch, 0) > 0
""")
Read = Callable[[AsyncSession], Awaitable[object]]


async def overview(session: AsyncSession) -> object:
    """Read what `/metrics` shows."""
    return await metrics.overview(await session.connection(), now=utc_now())


def page_of(filters: RunFilter) -> Read:
    """Return a function that reads the first page of runs."""

    async def page(session: AsyncSession) -> object:
        return await runs.page(session, filters, rows=Slice(limit=PAGE))

    return page


READS: dict[str, Read] = {
    "overview": overview,
    "all runs": page_of(RunFilter()),
    "failed runs": page_of(RunFilter(states=(RunState.FAILED,))),
    "unsuccessful runs": page_of(RunFilter(states=UNSUCCESSFUL)),
    "runs without success": page_of(RunFilter(success=False)),
    "running runs": page_of(RunFilter(states=(RunState.RUNNING,))),
}


@pytest.mark.parametrize("state", ["never vacuumed", "vacuumed while empty", "analysed when full"])
async def test_the_api_reads_a_few_rows_of_a_new_day(database: DatabaseSettings, state: str) -> None:
    """The overview of the metrics, and the first page of runs in any state, read no more than about their own rows."""
    now = utc_now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    api = open_engine(database.url(), pool_size=1, application_name="duetime api")
    async with opened(database) as engine:
        async with engine.begin() as connection:
            for table in ("tasks", "unfinished_runs", f"task_results_{now:%Y%m%d}"):
                await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
        if state == "vacuumed while empty":
            async with autocommit(engine).connect() as connection:
                await connection.execute(text("VACUUM ANALYZE"))
        for read in READS.values():
            for _ in range(TIMES):
                async with AsyncSession(api) as session:
                    await read(session)
        async with engine.begin() as connection:
            await connection.execute(MAKE_TASKS)
            await fill(connection, RUNS, first=midnight - timedelta(seconds=1))
            await connection.execute(FAIL_SOME, {"now": now})
        if state == "analysed when full":
            async with autocommit(engine).connect() as connection:
                await connection.execute(text("ANALYZE"))
        for name, read in READS.items():
            async with AsyncSession(api) as session:
                found = await read(session)
                assert found, name
                for table, rows in (await session.execute(READ)).all():
                    assert rows <= MOST_ROWS, (name, table, rows)
    await api.dispose()


ROWS_READ = text("""
SELECT CAST(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)) AS int) FROM pg_stat_user_tables
WHERE relname IN ('tasks', 'listed_tasks')
""")


async def test_a_list_of_tasks_reads_a_few_rows_of_tables_that_were_empty(database: DatabaseSettings) -> None:
    """The first page looks up its own tasks, when there were none a moment ago and there are many now.

    By their next runs, tasks are listed from their own table, of whose deleted rows Postgres knows nothing until it is
    analysed.
    """
    api = open_engine(database.url(), pool_size=1, application_name="duetime api")
    readers = Readers(autocommit(api), kept=1)

    async def pages() -> list[int]:
        async with readers.connection() as connection:
            orders = {*TaskOrder} - {TaskOrder.NEXT_RUN_AT_ASC}
            found = [await tasks.page(connection, order=order, rows=Slice(limit=PAGE)) for order in orders]
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return [len(page) for page, _ in found]

    async with opened(database) as engine:
        async with engine.begin() as connection:
            for table in ("tasks", "listed_tasks"):
                await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
        async with autocommit(engine).connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
        for _ in range(TIMES):
            assert await pages() == [0, 0, 0]
        async with engine.begin() as connection:
            await connection.execute(MAKE_TASKS)
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        async with autocommit(engine).connect() as connection:
            before = (await connection.execute(ROWS_READ)).scalar_one()
            assert await pages() == [PAGE] * 3
            await connection.execute(text("SELECT pg_stat_clear_snapshot()"))
            after = (await connection.execute(ROWS_READ)).scalar_one()
        assert after - before <= MOST_ROWS
    await readers.close()
    await api.dispose()


async def test_runs_of_several_states_are_one_list(database: DatabaseSettings) -> None:
    """States that are read side by side make one list in its order, page by page in both directions."""
    filters = RunFilter(success=False, states=(RunState.FAILED, RunState.SKIPPED, RunState.SUCCEEDED))
    async with opened(database) as engine:
        async with engine.begin() as connection:
            await connection.execute(MAKE_TASKS)
            await fill(connection, 300, first=utc_now() - timedelta(hours=1))
            await connection.execute(FAIL_SOME, {"now": utc_now()})
        wanted = text("""
        SELECT id FROM task_results WHERE state IN ('failed', 'skipped') ORDER BY scheduled_for DESC, id DESC
        """)
        async with AsyncSession(engine) as session:
            expected = list(await session.scalars(wanted))
            assert len(expected) == 100
            forward, after = [], None
            for left in range(4, -1, -1):
                page, more = await runs.page(session, filters, rows=Slice(limit=PAGE, after=after))
                assert more == (left > 0)
                forward += [run.id for run in page]
                after = (page[-1].scheduled_for, page[-1].id)
            assert forward == expected
            last, more = await runs.page(session, filters, rows=Slice(limit=PAGE, backward=True))
            assert more
            assert [run.id for run in last] == expected[-PAGE:]
