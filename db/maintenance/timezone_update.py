"""The statements that reschedule tasks when the time zone rules have changed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.claims import Reschedule

VERSION = text("SELECT version FROM zone_rules")

SET_VERSION = text("""
INSERT INTO zone_rules (version) VALUES (:version)
ON CONFLICT (one) DO UPDATE SET version = greatest(zone_rules.version, excluded.version)
""")

# A locked task is being claimed or changed; this waits for it.
LOCK_TASKS_WITH_ZONE = text("""
SELECT id, trigger_type, trigger_time, cron_expr, timezone, every_ms, start_at, end_at, jitter_ms,
       next_run, due_at, resume_from, updated_at, settled_until, status
FROM tasks
WHERE timezone <> 'UTC' AND trigger_type = 'cron' AND (next_run IS NOT NULL OR resume_from IS NOT NULL)
  AND id > :after
ORDER BY id
LIMIT :limit
FOR NO KEY UPDATE
""")

MOVE = text("""
UPDATE tasks t
SET next_run = CASE WHEN t.status = 'scheduled' THEN m.next_run END, due_at = m.due_at, status = m.status,
    resume_from = CASE WHEN t.status = 'paused' THEN m.next_run END
FROM unnest(
    CAST(:task_ids AS uuid[]), CAST(:next_runs AS timestamptz[]), CAST(:due_ats AS timestamptz[]),
    CAST(:statuses AS text[])
) AS m (id, next_run, due_at, status)
WHERE t.id = m.id
""")


async def version(connection: AsyncConnection) -> str | None:
    """Return the version of the rules by which stored instants were computed, or None if it was never stored."""
    known: str | None = (await connection.execute(VERSION)).scalar_one_or_none()
    return known


async def set_version(connection: AsyncConnection, version: str) -> None:
    """Store that instants follow these rules, or newer ones."""
    await connection.execute(SET_VERSION, {"version": version})


async def lock_tasks_with_zone(connection: AsyncConnection, *, after: UUID, limit: int) -> Sequence[Row[Any]]:
    """Return the next tasks, locked, in the order of their ids, whose instants depend on a time zone."""
    return (await connection.execute(LOCK_TASKS_WITH_ZONE, {"after": after, "limit": limit})).all()


async def reschedule(connection: AsyncConnection, reschedules: Sequence[Reschedule]) -> None:
    """Set the next instants of tasks; for a paused task, the instant from which it resumes."""
    await connection.execute(
        MOVE,
        {
            "task_ids": [each.task_id for each in reschedules],
            "next_runs": [each.next_run for each in reschedules],
            "due_ats": [each.due_at for each in reschedules],
            "statuses": [each.status for each in reschedules],
        },
    )
