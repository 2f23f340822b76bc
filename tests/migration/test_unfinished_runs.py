"""A database whose unfinished runs lay among the others: each row moves once, and the engine carries on."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic import command
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.maintenance import partitions
from db.migrations import config_for, migrate
from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import UNFINISHED, RunState
from jobs.run_ids import scheduled_run_id
from jobs.settings import JobsSettings
from tests.migration.test_old_service import migrate as migrate_by_command
from tests.support.engine import opened, runs_of, working
from tests.support.target import Target
from tests.support.waiting import wait_until

BEFORE, AFTER = "0015", "0016"
DAYS = 3

MAKE_TASK = text("""
INSERT INTO tasks (id, name, trigger_type, method, url, host, status)
VALUES (:id, 'a task', 'one-off', 'GET', :url, 'host', 'completed')
""")
MAKE_RUN = text("""
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, worker_id, next_attempt_at, finished_at)
SELECT :id, :task_id, s.state, :at, :at, 1, CASE s.state WHEN 'running' THEN CAST(:worker AS uuid) END,
       CASE s.state WHEN 'retrying' THEN CAST(:at AS timestamptz) END,
       CASE WHEN s.state NOT IN ('queued', 'running', 'retrying') THEN CAST(:at AS timestamptz) END
FROM (SELECT CAST(:state AS text) AS state) s
""")
ROWS = text("SELECT *, CAST(tableoid AS regclass)::text AS part FROM task_results ORDER BY id")
END_AS_BEFORE = text("""
UPDATE task_results r
SET state = 'succeeded', worker_id = NULL, finished_at = now(), success = true
FROM unnest(CAST(:ids AS uuid[])) AS f (id) WHERE r.id = f.id AND r.state = 'running' RETURNING r.id
""")
CLAIM_AS_BEFORE = text("""
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, worker_id)
VALUES (:id, :task_id, 'running', now(), now(), :worker) ON CONFLICT (id) DO NOTHING
""")


@pytest.fixture
async def engine(empty: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A pool of a database with the schema before the change."""
    async with opened(empty) as opening:
        async with opening.begin() as connection:
            await connection.run_sync(moved(command.upgrade, BEFORE))
        yield opening


def moved(way: Callable[..., None], revision: str) -> Callable[[Connection], None]:
    """Return the migration of a connection's database to a revision."""
    return lambda connection: way(config_for(connection), revision)


async def filled(engine: AsyncEngine, url: str) -> dict[UUID, RunState]:
    """Store a run in each state on each of a few days, today included, and return their states."""
    now, task_id, states = utc_now(), uuid4(), {}
    async with engine.begin() as connection:
        await connection.execute(MAKE_TASK, {"id": task_id, "url": url})
        for day in range(DAYS):
            at = now - timedelta(days=day)
            if day < DAYS - 1:
                await partitions.make(connection, at.date())
            for place, state in enumerate(RunState):
                instant: datetime = at + timedelta(milliseconds=place)
                run_id = scheduled_run_id(task_id, instant)
                values = {"id": run_id, "task_id": task_id, "state": state, "at": instant, "worker": uuid4()}
                await connection.execute(MAKE_RUN, values)
                states[run_id] = state
    return states


async def rows(engine: AsyncEngine) -> Sequence[Row[Any]]:
    """Return all runs, each with the name of its table."""
    async with engine.connect() as connection:
        return (await connection.execute(ROWS)).all()


def without_part(found: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return the rows without the names of their tables."""
    return [{name: value for name, value in row._mapping.items() if name != "part"} for row in found]


async def test_each_run_moves_once_and_back(engine: AsyncEngine) -> None:
    """No row is lost, doubled or changed; a finished run stays in the partition of its day."""
    await filled(engine, "http://localhost/")
    before = await rows(engine)
    async with engine.begin() as connection:
        await connection.run_sync(moved(command.upgrade, AFTER))
    after = await rows(engine)
    assert without_part(after) == without_part(before)
    for old, new in zip(before, after, strict=True):
        assert new.part == ("unfinished_runs" if new.state in UNFINISHED else old.part)
    async with engine.begin() as connection:
        await connection.run_sync(moved(command.downgrade, BEFORE))
    assert await rows(engine) == before


async def test_runs_that_were_unfinished_are_carried_on(
    empty: DatabaseSettings, engine: AsyncEngine, jobs_settings: JobsSettings, target: Target
) -> None:
    """A new worker makes the calls that waited, and those of workers that are gone."""
    states = await filled(engine, f"{target.url}/waiting")
    await migrate(engine)
    [task_id] = {row.task_id for row in await rows(engine)}
    async with working(empty, jobs_settings):

        async def are_finished() -> bool:
            return len(await runs_of(engine, task_id)) == len(states)

        await wait_until(are_finished, what="all runs have ended", within=20)
    ended = {row.id: row.state for row in await rows(engine)}
    assert ended == {run_id: RunState.SUCCEEDED if state in UNFINISHED else state for run_id, state in states.items()}
    assert len(target.calls) == DAYS * len(UNFINISHED)


async def test_the_migration_names_workers_of_the_version_before(
    empty: DatabaseSettings, engine: AsyncEngine, tmp_path: Path
) -> None:
    """A migration beside running workers says that they must be replaced; a second one is silent."""
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO workers (id, host, pid, slots) VALUES (gen_random_uuid(), 'h', 1, 1)")
        )
    assert "started before the migration" in await migrate_by_command(empty, tmp_path)
    assert "started before the migration" not in await migrate_by_command(empty, tmp_path)


async def test_a_worker_of_the_version_before_ends_its_runs_and_claims_no_more(engine: AsyncEngine) -> None:
    """Its statements, prepared before the migration, move a run that they end, and are refused for a new one."""
    states = await filled(engine, "http://localhost/")
    running = [run_id for run_id, state in states.items() if state == RunState.RUNNING]
    async with engine.connect() as worker:
        await worker.execute(END_AS_BEFORE, {"ids": []})
        await worker.commit()
        async with engine.begin() as connection:
            await connection.run_sync(moved(command.upgrade, AFTER))
        assert set((await worker.execute(END_AS_BEFORE, {"ids": running})).scalars()) == set(running)
        await worker.commit()
        [task_id] = {row.task_id for row in await rows(engine)}
        with pytest.raises(ProgrammingError, match="no unique or exclusion constraint"):
            await worker.execute(CLAIM_AS_BEFORE, {"id": uuid4(), "task_id": task_id, "worker": uuid4()})
    after = {row.id: row for row in await rows(engine)}
    assert len(after) == len(states)
    assert all(after[run_id].part != "unfinished_runs" for run_id in running)
