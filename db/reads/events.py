"""Reads the events of runs in the order of commits."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import Row, fetch

AFTER = text("""
SELECT seq, at, type, task_id, run_id, state, attempt, status_code, error_message, duration_ms
FROM run_events
WHERE seq > :seq AND (CAST(:task_id AS uuid) IS NULL OR task_id = :task_id)
ORDER BY seq LIMIT :limit
""")
NEWEST = text("SELECT seq FROM run_event_counter")
OLDEST = text("SELECT min(seq) FROM run_events")


async def after(connection: AsyncConnection, seq: int, *, limit: int, task_id: UUID | None = None) -> Sequence[Row]:
    """Return the oldest events with a number above `seq`, of one task if given. Raises what `prepared.fetch` does."""
    return await fetch(connection, AFTER, {"seq": seq, "limit": limit, "task_id": task_id})


async def newest(connection: AsyncConnection) -> int:
    """Return the number of the newest event; 0 if there never was one."""
    seq: int = (await connection.execute(NEWEST)).scalar_one()
    return seq


async def oldest_kept(connection: AsyncConnection) -> int | None:
    """Return the number of the oldest event that is still stored."""
    seq: int | None = (await connection.execute(OLDEST)).scalar_one()
    return seq
