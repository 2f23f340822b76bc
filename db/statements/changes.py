"""The statements that change a task's definition or status, and what has to be written along with that."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import Task
from db.statements.events import recording

DEFINITION = (
    "method", "url", "host", "headers", "payload", "timeout_ms", "redirects",
    "max_attempts", "initial_delay_ms", "backoff_factor", "max_delay_ms", "on_lost",
)  # fmt: skip
"""The columns that a run's calls go by, and that a run keeps as they were when it was claimed."""

KEEP_DEFINITION = text(f"""
INSERT INTO task_versions (task_id, version, {", ".join(DEFINITION)})
SELECT id, version, {", ".join(DEFINITION)} FROM tasks WHERE id = :task_id
""")

RECORD_MISSED = recording("""
made AS (
    INSERT INTO task_results (id, task_id, task_version, host, cause, state, scheduled_for, due_at, missed_count,
                              missed_since, finished_at, error_message, created_at)
    SELECT CAST(:run_id AS uuid), t.id, t.version, t.host, 'schedule', 'missed', CAST(:scheduled_for AS timestamptz),
           CAST(:scheduled_for AS timestamptz), CAST(:missed_count AS bigint), CAST(:missed_since AS timestamptz),
           CAST(:now AS timestamptz), CAST(:reason AS text), CAST(:now AS timestamptz)
    FROM tasks t WHERE t.id = :task_id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, task_id, state, attempt, error_message
),
happened AS (
    SELECT 'missed' AS type, task_id, id AS run_id, state, attempt, CAST(NULL AS int) AS status_code, error_message,
           CAST(NULL AS bigint) AS duration_ms
    FROM made
)
""")

HAS_SCHEDULED_RUN = text("""
SELECT EXISTS (SELECT FROM task_results WHERE task_id = :task_id AND finished_at IS NULL AND cause = 'schedule')
""")


class Missed(NamedTuple):
    """The last of a task's instants that will not run any more, and how many there were before it, since when."""

    run_id: UUID
    task_id: UUID
    scheduled_for: datetime
    missed_count: int
    missed_since: datetime | None


async def lock_task(session: AsyncSession, *, task_id: UUID) -> Task | None:
    """The task, locked until the transaction ends; none when it was deleted.

    It comes before its runs, as everywhere, so nothing deadlocks; and as a statement of its own, so that the next one
    sees what was committed while this one waited.
    """
    wanted = select(Task).where(col(Task.id) == task_id, col(Task.deleted_at).is_(None))
    return await session.scalar(wanted.with_for_update(key_share=True))


async def keep_definition(session: AsyncSession, *, task_id: UUID) -> None:
    """Keeps how a task's calls are now, for the runs that were claimed before they change. The task must be locked."""
    await session.execute(KEEP_DEFINITION, {"task_id": task_id})


async def record_missed(session: AsyncSession, missed: Missed, *, reason: str, now: datetime) -> None:
    """Accounts for instants that a change of their task leaves behind. The task must be locked."""
    await session.execute(RECORD_MISSED, missed._asdict() | {"reason": reason, "now": now})


async def has_scheduled_run(session: AsyncSession, *, task_id: UUID) -> bool:
    """Whether a run that the task's schedule made is unfinished."""
    found: bool = (await session.execute(HAS_SCHEDULED_RUN, {"task_id": task_id})).scalar_one()
    return found
