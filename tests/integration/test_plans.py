"""The plans of the engine's statements, which a worker makes once, do not depend on the statistics of that moment.

A new day's partition is empty and was never analysed. The statements are planned then, with the settings of a worker,
and read no more than their own rows after the day has filled, although autovacuum has not come by. They touch no other
day of the history, however many days are kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connection import autocommit, open_engine
from db.engine import claims, finishes, flow, leases, rollups, sweeps
from db.engine.warm_up import STATEMENTS, without_effect
from db.maintenance import deletion, partitions
from db.models import utc_now
from db.pending import pending
from db.settings import DatabaseSettings
from db.states import BodyEncoding, OverlapPolicy, RunState, TaskStatus
from jobs.run_ids import scheduled_run_id
from tests.support.history import fill

FILLED = 20_000
BATCH = 100
OLD_DAYS = 90
MINUTE = timedelta(minutes=1)
WORKER = uuid4()

MAKE_TASKS = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, next_run, due_at)
SELECT gen_random_uuid(), 'a task', 'interval', 60000, :now, 'GET', 'http://host/', 'host',
       at, at
FROM generate_series(1, CAST(:number AS int)) AS number,
     LATERAL (SELECT CAST(:now AS timestamptz) + number * interval '1 second' AS at) AS instants
""")
RUNNING = text("""
SELECT id, id AS run_id, task_id, epoch FROM unfinished_runs WHERE worker_id IS NOT NULL LIMIT :number
""")
PREPARED = text("""
SELECT name, parameter_types::text[] AS types FROM pg_prepared_statements WHERE statement = :statement
""")
INDEXES = text("""
SELECT CAST(CAST(inhrelid AS regclass) AS text) AS partition, CAST(CAST(inhparent AS regclass) AS text) AS whole
FROM pg_inherits
""")
DAYS_TOUCHED = text("""
SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relname ~ '^task_results_'
""")
"""The partitions of days that the transaction has opened so far."""
READ_WHOLE = {"unfinished_runs_queued", "unfinished_runs_worker_id", "tasks_catching_up"}
"""Indexes of only what waits or runs. A statement that looks for all of it may read them from end to end."""
SEARCH_HISTORY = {"remove_runs", "remove_tasks"}
"""Statements of maintenance that run where a task was deleted, and look for its runs in all days."""
BLOCKS_PER_ROW = 10
"""A few of the index and of the table, and those of rows that are locked or changed."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a node of a plan has read: loops, rows (also those that a filter removed), and blocks."""

    node: str
    relation: str
    index: str
    bounded: bool
    loops: int
    rows: float
    blocks: int


Call = Callable[[], Awaitable[Any]]


def scans(node: dict[str, Any]) -> Iterator[Scan]:
    """Yield the nodes that read a table, from the root of a plan on."""
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        loops = node["Actual Loops"]
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield Scan(
            node=node["Node Type"],
            relation=node["Relation Name"],
            index=node.get("Index Name", ""),
            bounded="Index Cond" in node,
            loops=loops,
            rows=loops * (node["Actual Rows"] + removed),
            blocks=node["Shared Hit Blocks"] + node["Shared Read Blocks"],
        )
    for child in node.get("Plans", ()):
        yield from scans(child)


def calls(connection: AsyncConnection, *, task_ids: list[UUID], running: list[Any], now: datetime) -> dict[str, Call]:
    """Return the statements of a worker, by name, for a batch of tasks and of running runs."""
    runs = [
        claims.NewRun(scheduled_run_id(task_id, now), task_id, 1, "host", OverlapPolicy.SKIP, now, now)
        for task_id in task_ids
    ]
    reschedules = [
        claims.Reschedule(task_id, now + MINUTE, now + MINUTE, now, TaskStatus.SCHEDULED) for task_id in task_ids
    ]
    ended = [
        finishes.Finish(
            run_id=run.id, task_id=run.task_id, epoch=run.epoch, one_off=True,
            releases=True, state=RunState.SUCCEEDED, started_at=now, ended_at=now, next_attempt_at=None, duration_ms=1,
            status_code=200, response_headers="[]", response_body="ok", body_encoding=BodyEncoding.UTF8,
            body_truncated=False, error_message=None,
        )
        for run in running
    ]  # fmt: skip
    run_ids = [run.id for run in running]
    lost = {"lease": leases.LEASE, "limit": BATCH}
    rescued = {"now": now, "lease": leases.LEASE, "task_ids": task_ids, "reason": "lost"}
    held = {"worker_id": WORKER, "run_ids_kept": run_ids}
    places = {"run_ids": run_ids, "start_ats": [None] * len(run_ids), "flow_limit_ids": [None] * len(run_ids)}
    excluded = ["another host"]
    return {
        "lock_due_tasks": lambda: claims.lock_due_tasks(
            connection, now=now + timedelta(days=1), since=now - MINUTE, hosts_excluded=excluded, limit=BATCH
        ),
        "existing_runs": lambda: claims.existing_runs(connection, run_ids),
        "start_runs": lambda: claims.start_runs(
            connection, runs=runs, reschedules=reschedules, worker_id=WORKER, now=now
        ),
        "start_other_runs": lambda: claims.start_runs(
            connection, runs=runs, existing=(), reschedules=reschedules, worker_id=WORKER, now=now
        ),
        "waiting_is_due": lambda: claims.waiting_is_due(connection, now=now, hosts_excluded=excluded),
        "lock_waiting": lambda: claims.lock_waiting(connection, now=now, hosts_excluded=excluded, limit=BATCH),
        "start_waiting": lambda: claims.start_waiting(connection, runs=running, worker_id=WORKER, now=now),
        "next_due": lambda: claims.next_due(connection, since=now, before=now + MINUTE, hosts_excluded=excluded),
        "sweep": lambda: sweeps.look(connection, now=now, until=now + MINUTE),
        "finish": lambda: finishes.finish(connection, worker_id=WORKER, finishes=ended, now=now),
        "lock_tasks": lambda: finishes.lock_tasks(connection, task_ids=task_ids),
        "promote_waiting": lambda: finishes.promote_waiting(connection, task_ids=task_ids, now=now),
        "stranded": lambda: finishes.stranded(connection, limit=BATCH),
        "lock_lost_tasks": lambda: connection.execute(leases.LOCK_LOST_TASKS, lost),
        "rescue": lambda: connection.execute(leases.RESCUE, rescued),
        "lock_tasks_of_worker": lambda: connection.execute(leases.LOCK_TASKS_OF_WORKER, held),
        "release_runs": lambda: connection.execute(leases.RELEASE_RUNS, held | {"now": now, "reason": "stopped"}),
        "still_held": lambda: leases.still_held(connection, worker_id=WORKER, run_ids=run_ids),
        "forget_lost_workers": lambda: leases.forget_lost_workers(connection),
        "flow_limits": lambda: flow.limits(connection),
        "flow_running": lambda: flow.running(connection),
        "flow_lock_first": lambda: flow.lock_first(connection, {WORKER: BATCH, uuid4(): BATCH}),
        "flow_place": lambda: connection.execute(flow.PLACE, places),
        "flow_release": lambda: flow.release(connection, [WORKER], limit=BATCH),
        "compact": lambda: rollups.compact(connection, before=now, limit=BATCH),
        "any_deleted": lambda: deletion.any_deleted(connection),
        "pending": lambda: pending(connection),
        "remove_runs": lambda: deletion.remove_runs(connection, limit=BATCH),
        "remove_tasks": lambda: deletion.remove_tasks(connection, limit=BATCH),
    }


async def plan_of(connection: AsyncConnection, call: Call) -> list[Scan]:
    """Return what the call's statement reads with the plan that this connection has cached, and undo its effect."""
    seen: list[tuple[str, tuple[Any, ...]]] = []

    def remember(_: Any, __: Any, statement: str, parameters: tuple[Any, ...], *___: Any) -> None:
        seen.append((statement, parameters))

    engine = connection.sync_engine
    event.listen(engine, "before_cursor_execute", remember)
    await call()
    event.remove(engine, "before_cursor_execute", remember)
    await connection.rollback()
    [(statement, parameters)] = seen
    name, types = (await connection.execute(PREPARED, {"statement": statement})).one()
    literals = [
        (await connection.exec_driver_sql(f"SELECT quote_nullable(CAST($1 AS {kind})::text)", (value,))).scalar_one()
        for kind, value in zip(types, parameters, strict=True)
    ]
    arguments = f"({', '.join(literals)})" if literals else ""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    [[[plan]]] = await raw.fetch(f'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE "{name}" {arguments}')
    await connection.rollback()
    return list(scans(plan["Plan"]))


async def maintain(engine: AsyncEngine, command: str) -> None:
    """Execute a command that no transaction may contain."""
    async with autocommit(engine).connect() as connection:
        await connection.execute(text(command))


@pytest.fixture(params=["never vacuumed", "vacuumed while empty", "analysed when full"])
async def planned(
    request: pytest.FixtureRequest, database: DatabaseSettings
) -> AsyncIterator[tuple[AsyncConnection, dict[str, Call]]]:
    """Yield a worker's connection, with plans from the time that the parameter names, and its calls by name.

    The day has filled since then.
    """
    engine = open_engine(database.url(), pool_size=3, application_name="duetime test")
    worker = open_engine(database.url(), pool_size=1, application_name="duetime worker", plans_once=True)
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with engine.begin() as connection:
        for days in range(1, OLD_DAYS + 1):
            await partitions.make(connection, (today - timedelta(days=days)).date())
        for table in ("tasks", "unfinished_runs", f"task_results_{today:%Y%m%d}"):
            await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
    if request.param == "vacuumed while empty":
        await maintain(engine, "VACUUM ANALYZE task_results")

    async def plan_all(connection: AsyncConnection) -> None:
        for statement in STATEMENTS:
            await connection.execute(statement, without_effect(statement))
        for call in calls(connection, task_ids=[], running=[], now=now).values():
            await call()
            await connection.rollback()

    async with worker.connect() as connection:
        if request.param != "analysed when full":
            await plan_all(connection)
        async with engine.begin() as filling:
            await filling.execute(MAKE_TASKS, {"number": 1000, "now": now})
            await fill(filling, FILLED, first=today)
            await fill(filling, 2 * BATCH, first=today + MINUTE, worker_id=WORKER)
            task_ids = (await filling.execute(text("SELECT id FROM tasks LIMIT 100"))).scalars().all()
            found = (await filling.execute(RUNNING, {"number": BATCH})).all()
        if request.param == "analysed when full":
            await maintain(engine, "ANALYZE")
            await plan_all(connection)
        yield connection, calls(connection, task_ids=list(task_ids), running=list(found), now=now)
    await worker.dispose()
    await engine.dispose()


async def test_no_statement_of_a_worker_reads_a_day_from_end_to_end(
    planned: tuple[AsyncConnection, dict[str, Call]],
) -> None:
    """Each statement finds its rows through an index, and reads a few blocks for each."""
    connection, statements = planned
    index_of = {row.partition: row.whole for row in await connection.execute(INDEXES)}
    for name, call in statements.items():
        for scan in await plan_of(connection, call):
            if not scan.relation.startswith(("tasks", "task_results", "unfinished_runs")):
                continue
            assert scan.node in {"Index Scan", "Index Only Scan"}, (name, scan)
            assert scan.bounded or index_of.get(scan.index, scan.index) in READ_WHOLE, (name, scan)
            assert scan.rows <= 3 * BATCH, (name, scan)
            assert scan.blocks <= 3 * BATCH * BLOCKS_PER_ROW, (name, scan)


async def test_no_statement_of_a_worker_touches_past_days(planned: tuple[AsyncConnection, dict[str, Call]]) -> None:
    """Each statement opens the partition of the day of its runs or none, so its cost does not grow with the days."""
    connection, statements = planned
    today = f"task_results_{utc_now():%Y%m%d}"
    touched = {}
    for name, call in statements.items():
        await call()
        touched[name] = set((await connection.execute(DAYS_TOUCHED)).scalars())
        await connection.rollback()
    assert touched["start_runs"] == touched["finish"] == {today}
    for name, days in touched.items():
        if name in SEARCH_HISTORY:
            assert len(days) > OLD_DAYS, name
        else:
            assert days <= {today}, name
