"""Past runs and events, as the rows that an engine would have written."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

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
