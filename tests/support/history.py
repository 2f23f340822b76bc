"""Past runs and events, as the rows that an engine would have written."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from db.engine.events import with_events
from db.models import Run, Task, utc_now
from db.states import UNFINISHED, RunState
from jobs.run_ids import scheduled_run_id

HOUR = timedelta(hours=1)
STARTED_AT = utc_now().replace(microsecond=0)


def run_of(task: Task, *, scheduled_for: datetime, state: RunState = RunState.SUCCEEDED, **columns: Any) -> Run:
    """Return a run of a task that started on time and took 40 ms."""
    finished_at = None if state in UNFINISHED else scheduled_for + timedelta(milliseconds=40)
    started = state not in {RunState.QUEUED, RunState.SKIPPED, RunState.MISSED}
    defaults: dict[str, Any] = {
        "id": scheduled_run_id(task.id, scheduled_for),
        "task_id": task.id,
        "state": state,
        "scheduled_for": scheduled_for,
        "due_at": scheduled_for,
        "attempt": int(started),
        "run_at": scheduled_for if started else None,
        "attempt_started_at": scheduled_for if started else None,
        "finished_at": finished_at,
        "success": state == RunState.SUCCEEDED if started and finished_at else None,
        "worker_id": uuid4() if state == RunState.RUNNING else None,
        "next_attempt_at": scheduled_for + HOUR if state == RunState.RETRYING else None,
    }
    return Run(**(defaults | columns))


def ago(hours: float) -> datetime:
    """Return the instant this many hours before the tests started, in whole seconds."""
    return STARTED_AT - hours * HOUR


# The ids begin with the instant's milliseconds, as those of `jobs.run_ids`.
FILL = text("""
INSERT INTO task_results (id, task_id, host, state, scheduled_for, due_at, worker_id, epoch, attempt,
                          attempt_started_at, run_at, finished_at, success, response_body)
SELECT CAST(lpad(to_hex(CAST(floor(extract(epoch FROM at) * 1000) AS bigint)), 12, '0')
            || substr(md5(CAST(number AS text)), 13) AS uuid),
       tasks.ids[1 + number % cardinality(tasks.ids)], 'host',
       CASE WHEN worker_id IS NULL THEN 'succeeded' ELSE 'running' END, at, at, worker_id, 1, 1, at, at,
       CASE WHEN worker_id IS NULL THEN at END, CASE WHEN worker_id IS NULL THEN true END, 'ok'
FROM (SELECT array_agg(id) AS ids FROM tasks) AS tasks, (SELECT CAST(:worker_id AS uuid) AS worker_id) AS worker,
     generate_series(1, CAST(:number AS int)) AS number,
     LATERAL (SELECT CAST(:first AS timestamptz) + number * interval '1 millisecond' AS at) AS instants
""")


async def fill(connection: AsyncConnection, number: int, *, first: datetime, worker_id: UUID | None = None) -> None:
    """Insert a run for each millisecond after an instant, of each task in turn: succeeded, or running on a worker."""
    await connection.execute(FILL, {"number": number, "first": first, "worker_id": worker_id})


APPEND = with_events("""
events AS (
    SELECT 'started' AS type, CAST(:task_id AS uuid) AS task_id, CAST(:run_id AS uuid) AS run_id, 'running' AS state,
           place AS attempt, CAST(NULL AS int) AS status_code, CAST(NULL AS text) AS error_message,
           CAST(NULL AS bigint) AS duration_ms
    FROM generate_series(1, :number) place
)
""")


async def append_events(
    engine: AsyncEngine, number: int, *, task_id: UUID, run_id: UUID, at: datetime | None = None
) -> None:
    """Append events in one transaction. Their attempts count from 1."""
    async with engine.begin() as connection:
        values = {"number": number, "task_id": task_id, "run_id": run_id, "now": at or utc_now()}
        await connection.execute(APPEND, values)


END = with_events("""
events AS (
    SELECT r.state AS type, r.task_id, r.id AS run_id, r.state, r.attempt, r.status_code, r.error_message, r.duration_ms
    FROM finished_runs r WHERE r.id = ANY(CAST(:run_ids AS uuid[])) ORDER BY r.finished_at
)
""")


async def end(engine: AsyncEngine, *runs: Run) -> None:
    """Insert finished runs and the events of their ends in one transaction."""
    ids = [run.id for run in runs]
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        session.add_all(runs)
        await session.flush()
        await session.execute(END, {"run_ids": ids, "now": utc_now()})
