"""Filters of tasks and totals of results, which come from tables that triggers maintain, are what the rows say."""

import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import autocommit
from db.maintenance import result_counts
from db.migrations import config_for, differences, migrate
from db.models import utc_now
from db.reads import filtered_tasks, runs
from db.reads.keyset import Slice
from db.reads.tasks import TaskFilter, TaskOrder
from db.settings import DatabaseSettings
from db.states import RunState, TaskStatus
from tests.support.engine import opened

TASKS = 300
NEAREST, NEAR = 20, 60
"""How many tasks a list looks at near its start: so few that all ways to find tasks are used."""
FEW = 20
MAKE = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, status, next_run, tags, created_at)
SELECT gen_random_uuid(), 'Übung ' || n % 7 || '% of_' || n, 'interval', 60000, now(), 'GET', 'http://HOST/' || n % 5,
       'host', s.status, CASE s.status WHEN 'scheduled' THEN now() + n % 50 * interval '1 minute' END,
       CASE WHEN n % 90 = 0 THEN ARRAY['rare', 'common'] WHEN n % 2 = 0 THEN ARRAY['common'] ELSE '{}' END,
       now() - n * interval '1 second'
FROM generate_series(1, CAST(:number AS int)) n,
     LATERAL (SELECT CASE WHEN n > 285 THEN 'paused' ELSE 'scheduled' END AS status) s
""")
# Ended runs of each task, the newest of which decides, and unfinished ones of some, newer and older than those.
MAKE_RUNS = text("""
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, success, worker_id,
                          next_attempt_at)
SELECT gen_random_uuid(), id, state, at, at, 1, CASE state WHEN 'skipped' THEN NULL ELSE at END,
       CASE WHEN state NOT IN ('running', 'retrying', 'queued') THEN at END,
       CASE state WHEN 'succeeded' THEN true WHEN 'failed' THEN false END,
       CASE state WHEN 'running' THEN gen_random_uuid() END, CASE state WHEN 'retrying' THEN at END
FROM (
    SELECT id, now() - k * interval '1 hour' AS at, CASE
        WHEN k = 1 THEN 'running'
        WHEN k = 3 AND place % 28 = 0 THEN 'retrying'
        WHEN k = 2 AND place % 50 = 1 THEN 'failed'
        WHEN k = 2 AND place % 3 = 0 THEN 'skipped'
        ELSE 'succeeded' END AS state
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM tasks) numbered, generate_series(1, 4) k
    WHERE place % 10 > 0 AND (k > 1 OR place % 40 = 1)
) runs
""")
DELETED = 20
DELETE = text("UPDATE tasks SET deleted_at = now() WHERE id IN (SELECT id FROM tasks ORDER BY id LIMIT :number)")
ALIVE = text("SELECT id, name, url, tags, status FROM tasks WHERE deleted_at IS NULL")
FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "failed last": {"last_run_states": (RunState.FAILED,)},
    "succeeded last": {"last_run_states": (RunState.SUCCEEDED,)},
    "running last": {"last_run_states": (RunState.RUNNING,)},
    "retrying is not the last": {"last_run_states": (RunState.RETRYING,)},
    "failed or running last": {"last_run_states": (RunState.FAILED, RunState.RUNNING)},
    "never": {"last_run_states": (RunState.UNKNOWN,)},
    "rare tag": {"tags": ("common", "rare")},
    "common tag": {"tags": ("common",)},
    "no such tag": {"tags": ("nobody",)},
    "name in other case": {"name_contains": "ÜBUNG 3%"},
    "name with a wildcard": {"name_contains": "_2"},
    "name that none has": {"name_contains": "%3"},
    "name with a backslash": {"name_contains": "\\"},
    "short name": {"name_contains": "f_"},
    "name of two letters": {"name_contains": "NG"},
    "name of two letters that none has": {"name_contains": "zq"},
    "url in other case": {"url_contains": "host/4"},
    "paused": {"statuses": (TaskStatus.PAUSED,)},
    "two statuses": {"statuses": (TaskStatus.PAUSED, TaskStatus.SCHEDULED)},
    "everything at once": {
        "statuses": (TaskStatus.SCHEDULED,), "tags": ("common",), "name_contains": "übung", "url_contains": "HOST",
        "last_run_states": (RunState.SUCCEEDED, RunState.SKIPPED),
    },
}  # fmt: skip
LAST_STATES = text("SELECT DISTINCT ON (task_id) task_id, state FROM task_results ORDER BY task_id, scheduled_for DESC")
RESULTS = text("""
SELECT count(*), count(*) FILTER (WHERE success), count(*) FILTER (WHERE NOT success)
FROM task_results r JOIN tasks t ON t.id = r.task_id
WHERE finished_at IS NOT NULL AND run_at IS NOT NULL AND t.deleted_at IS NULL
  AND (CAST(:task_id AS uuid) IS NULL OR task_id = :task_id)
""")


@pytest.fixture
async def engine(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEngine]:
    """Yield the pool of a database with tasks and runs that no code of Duetime has written."""
    monkeypatch.setattr(filtered_tasks, "NEAREST", NEAREST)
    monkeypatch.setattr(filtered_tasks, "NEAR", NEAR)
    monkeypatch.setattr(filtered_tasks, "FEW", FEW)
    async with opened(database) as engine:
        async with engine.begin() as connection:
            await connection.execute(MAKE, {"number": TASKS})
            await connection.execute(MAKE_RUNS)
        yield engine


async def read_all(engine: AsyncEngine, filters: TaskFilter, order: TaskOrder) -> list[UUID]:
    """Return the ids of a whole list, page by page."""
    found: list[UUID] = []
    after = None
    for _ in itertools.count():
        async with autocommit(engine).connect() as connection:
            rows = Slice(limit=40, after=after)
            page, more, total = await filtered_tasks.page(connection, filters, order=order, rows=rows)
            assert total in {None, await filtered_tasks.count(connection, filters)}
        found += [task.id for task in page]
        if not more:
            return found
        value = {TaskOrder.NAME_ASC: page[-1].name, TaskOrder.NEXT_RUN_AT_ASC: page[-1].next_run}
        after = (value.get(order, page[-1].created_at), page[-1].id)
    raise AssertionError


def selected(rows: Sequence[Any], last: dict[UUID, str], filters: TaskFilter) -> set[UUID]:
    """Return the ids of the rows that a filter selects, decided in Python."""
    return {
        row.id
        for row in rows
        if (not filters.statuses or row.status in filters.statuses)
        and (filters.name_contains is None or filters.name_contains.lower() in row.name.lower())
        and (filters.url_contains is None or filters.url_contains.lower() in row.url.lower())
        and {*filters.tags} <= {*row.tags}
        and (not filters.last_run_states or last.get(row.id) in filters.last_run_states)
    }


async def test_each_filter_selects_the_same_tasks_in_every_order(engine: AsyncEngine) -> None:
    """A list by any filter, page by page, is the list of all tasks without those that the filter leaves out."""
    async with engine.begin() as connection:
        await connection.execute(DELETE, {"number": DELETED})
        rows = (await connection.execute(ALIVE)).all()
        last = {row.task_id: row.state for row in await connection.execute(LAST_STATES)}
    every = {order: await read_all(engine, TaskFilter(), order) for order in TaskOrder}
    assert {len(tasks) for tasks in every.values()} == {TASKS - DELETED}
    for name, members in FILTERS.items():
        filters = TaskFilter(**members)
        expected = selected(rows, last, filters)
        for order, tasks in every.items():
            found = await read_all(engine, filters, order)
            assert found == [each for each in tasks if each in expected], (name, order)
        async with autocommit(engine).connect() as connection:
            assert await filtered_tasks.count(connection, filters) == len(expected), name


PAIRS = (
    "zq",
    "a zq",
    "zqa",
    "azq",
    "AZQ9",
    "-zq-",
    "zq-",
    "9zq9",
    "zqé",
    "ézqé",
    "é-zq",
    "zq\x01",
    "Ωzq",
    "zq\n",
    "z q",
    "zé",
    "qz",
)
MAKE_PAIRS = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, status)
SELECT gen_random_uuid(), word, 'interval', 60000, now(), 'GET', 'http://' || word, 'host', 'paused'
FROM unnest(CAST(:words AS text[])) word
""")


@pytest.mark.parametrize(
    ("column", "filters"), [("name", TaskFilter(name_contains="zQ")), ("url", TaskFilter(url_contains="zQ"))]
)
async def test_two_letters_are_found_by_an_index(engine: AsyncEngine, column: str, filters: TaskFilter) -> None:
    """It finds them whatever stands before and after them, also beyond ASCII."""
    async with autocommit(engine).connect() as connection:
        await connection.execute(MAKE_PAIRS, {"words": PAIRS})
        # The table is so small that Postgres would read it whole.
        await connection.execute(text("SET enable_seqscan = off"))
        found = await filtered_tasks.count(connection, filters)
        assert found == sum("zq" in word.lower() for word in PAIRS)
        statement = filtered_tasks.counting(filters).compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(await connection.scalars(text(f"EXPLAIN {statement}".replace(":", r"\:"))))
    assert plan.count(f"Bitmap Index Scan on task_words_{column}_trigrams") == 2, plan
    assert f"Bitmap Index Scan on task_words_{column}_not_ascii" in plan, plan


CHANGES_OF_TASKS = (
    "UPDATE tasks SET name = 'renamed', status = 'cancelled', next_run = NULL WHERE name < 'Übung 3'",
    "UPDATE tasks SET created_at = created_at - interval '1 hour' WHERE status = 'paused'",
    "UPDATE tasks SET deleted_at = now(), name = 'gone' WHERE status = 'cancelled'",
    "UPDATE tasks SET deleted_at = NULL, status = 'paused' WHERE name = 'gone'",
    "UPDATE tasks SET deleted_at = now() WHERE status = 'scheduled'",
    "DELETE FROM tasks WHERE name = 'gone'",
    """INSERT INTO tasks (id, name, trigger_type, method, url, host, status, deleted_at)
    SELECT gen_random_uuid(), 'new', 'cron', 'GET', 'http://host/', 'host', 'paused', CASE n WHEN 1 THEN now() END
    FROM generate_series(1, 3) n""",
    "TRUNCATE tasks CASCADE",
)
DIFFERENT = text("""
SELECT count(*) FROM (SELECT id, created_at, name, status FROM tasks WHERE deleted_at IS NULL) t
FULL JOIN listed_tasks l ON l.task_id = t.id AND (l.created_at, l.name, l.status) = (t.created_at, t.name, t.status)
WHERE l.task_id IS NULL OR t.id IS NULL
""")


async def test_lists_follow_every_change_of_tasks(engine: AsyncEngine) -> None:
    """The values that lists sort by are those of the tasks that are not deleted, however these change."""
    for change in CHANGES_OF_TASKS:
        async with engine.begin() as connection:
            changed = await connection.execute(text(change))
            assert changed.rowcount > 0 or change.startswith("TRUNCATE"), change
            assert (await connection.execute(DIFFERENT)).scalar_one() == 0, change


async def test_a_claim_leaves_the_lists_alone(engine: AsyncEngine) -> None:
    """A statement that reschedules tasks and goes on with their status writes no row of the lists' table."""
    rows = text("SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'listed_tasks'")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE tasks SET next_run = next_run + interval '1 hour', status = status"))
        assert (await connection.execute(rows)).scalar_one() == 0
        await connection.execute(text("UPDATE tasks SET next_run = NULL, status = 'paused' WHERE status = 'scheduled'"))
        assert (await connection.execute(rows)).scalar_one() == 285


async def assert_exact(engine: AsyncEngine) -> None:
    """Check the totals of all tasks and of each, and the last state of each, against the rows."""
    async with AsyncSession(engine) as session:
        task_ids: list[UUID | None] = [
            None,
            *(await session.scalars(text("SELECT id FROM tasks ORDER BY id LIMIT 25"))),
        ]
        for task_id in task_ids[:1] + task_ids[15:]:
            totals = (await session.execute(RESULTS, {"task_id": task_id})).one()
            for success, total in zip((None, True, False), totals, strict=True):
                assert await runs.number_of_results(session, task_id=task_id, success=success) == total
        last = {row.task_id: row.state for row in await session.execute(LAST_STATES)}
        alive = {*await session.scalars(text("SELECT id FROM tasks WHERE deleted_at IS NULL"))}
    for state in RunState:
        found = await read_all(engine, TaskFilter(last_run_states=(state,)), TaskOrder.NAME_ASC)
        assert {*found} == {task_id for task_id, its in last.items() if its == state} & alive, state


CHANGES = (
    "UPDATE tasks SET deleted_at = now() WHERE id IN (SELECT id FROM tasks ORDER BY id LIMIT 20)",
    "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY id LIMIT 10)",
    "DELETE FROM task_results WHERE task_id IN (SELECT id FROM tasks ORDER BY id LIMIT 20)",
    """UPDATE task_results SET state = 'succeeded', finished_at = now(), success = true, worker_id = NULL
    WHERE state = 'running'""",
    "UPDATE finished_runs SET response_body = NULL",
    "DELETE FROM task_results WHERE state = 'failed'",
    "DELETE FROM finished_runs WHERE state = 'succeeded'",
)


async def test_totals_and_last_states_stay_exact(engine: AsyncEngine) -> None:
    """The totals follow every statement that changes or removes runs or tasks at once."""
    await assert_exact(engine)
    for change in CHANGES:
        async with engine.begin() as connection:
            changed = await connection.execute(text(change))
            assert changed.rowcount > 0
        await assert_exact(engine)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE tasks, task_results CASCADE"))
    await assert_exact(engine)


async def test_the_parts_of_the_total_are_added_up(engine: AsyncEngine) -> None:
    """Many statements leave many counts, which maintenance replaces by their sum."""
    now = utc_now()
    async with engine.begin() as connection:
        task_id = (await connection.execute(text("SELECT id FROM tasks LIMIT 1"))).scalar_one()
        for number in range(150):
            await insert_run(connection, task_id, at=now + timedelta(seconds=number))
    counts = text("SELECT count(*) FROM result_counts")
    async with autocommit(engine).connect() as connection:
        assert (await connection.execute(counts)).scalar_one() > 100
        await result_counts.compact(connection, limit=10_000)
        assert (await connection.execute(counts)).scalar_one() == 1
    await assert_exact(engine)


async def insert_run(connection: Any, task_id: UUID, *, at: datetime) -> None:
    """Insert a run that succeeded, by a statement of its own."""
    statement = text("""
    INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, success)
    VALUES (:id, :task_id, 'succeeded', :at, :at, 1, :at, :at, true)
    """)
    await connection.execute(statement, {"id": uuid4(), "task_id": task_id, "at": at})


def downgrade(connection: Connection) -> None:
    """Take the database back to before the words and summaries."""
    command.downgrade(config_for(connection), "0016")


async def test_a_server_whose_owner_may_not_create_the_extension_migrates_without_it(
    engine: AsyncEngine, database: DatabaseSettings
) -> None:
    """The migration fills the tables from what is there, and a filter finds the same without trigrams."""
    async with engine.begin() as connection:
        await connection.run_sync(downgrade)
        await connection.execute(text("DROP EXTENSION IF EXISTS pg_trgm"))
        # Stands for a server that has no such file: the name is taken by something that is no extension's.
        await connection.execute(
            text("CREATE FUNCTION similarity(text, text) RETURNS real LANGUAGE sql AS 'SELECT 1.0'")
        )
    async with opened(database) as migrating:
        await migrate(migrating)
    async with engine.connect() as connection:
        indexes = await connection.execute(
            text("SELECT relname FROM pg_class WHERE relname LIKE 'task_words_%_trigrams'")
        )
        assert indexes.all() == []
        assert await connection.run_sync(differences) == []
    await assert_exact(engine)
    for name, number in {"ÜBUNG 3%": 43, "f_": TASKS, "%3": 0, "BU": TASKS}.items():
        async with autocommit(engine).connect() as connection:
            assert await filtered_tasks.count(connection, TaskFilter(name_contains=name)) == number
