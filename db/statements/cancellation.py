"""The statements that end a task's schedule and what waits of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import Task
from db.statements.events import recording

CANCEL_WAITING_RUNS = recording("""
cancelled AS (
    UPDATE task_results
    SET state = 'cancelled', finished_at = CAST(:now AS timestamptz), next_attempt_at = NULL,
        success = CASE WHEN attempt > 0 THEN false END
    WHERE task_id = :task_id AND finished_at IS NULL AND state IN ('queued', 'retrying')
    RETURNING id, task_id, state, attempt, status_code, error_message, duration_ms
),
happened AS (
    SELECT 'cancelled' AS type, task_id, id AS run_id, state, attempt, status_code, error_message, duration_ms
    FROM cancelled
)
""")


async def lock_task(session: AsyncSession, *, task_id: UUID) -> Task | None:
    """The task, locked until the transaction ends. It comes before its runs, as everywhere, so nothing deadlocks."""
    return await session.scalar(select(Task).where(col(Task.id) == task_id).with_for_update(key_share=True))


async def cancel_waiting_runs(session: AsyncSession, *, task_id: UUID, now: datetime) -> int:
    """Cancels the task's runs that wait for a slot, for an earlier run or for a retry, and tells how many.

    One that is on its way ends by itself. `success` is null for a run that never began an attempt.
    """
    cancelled = await session.execute(CANCEL_WAITING_RUNS, {"task_id": task_id, "now": now})
    return len(cancelled.all())
