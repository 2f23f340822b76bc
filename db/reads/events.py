"""Reads the events of runs, in the order in which they were committed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

AFTER = text("""
SELECT seq, at, type, task_id, run_id, state, attempt, status_code, error_message, duration_ms
FROM run_events
WHERE seq > :seq AND (CAST(:task_id AS uuid) IS NULL OR task_id = :task_id)
ORDER BY seq LIMIT :limit
""")
NEWEST = text("SELECT seq FROM run_event_counter")
OLDEST = text("SELECT min(seq) FROM run_events")


async def after(
    connection: AsyncConnection, seq: int, *, limit: int, task_id: UUID | None = None
) -> Sequence[Row[Any]]:
    """The oldest events (of one task, if asked for) with a number above `seq`."""
    found = await connection.execute(AFTER, {"seq": seq, "limit": limit, "task_id": task_id})
    return found.all()


async def newest(connection: AsyncConnection) -> int:
    """The number of the newest event; 0 when there has never been one."""
    seq: int = (await connection.execute(NEWEST)).scalar_one()
    return seq


async def oldest_kept(connection: AsyncConnection) -> int | None:
    """The number of the oldest event that is still kept."""
    seq: int | None = (await connection.execute(OLDEST)).scalar_one()
    return seq
