"""Reads how the service is."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LATE_AFTER = timedelta(seconds=5)
"""A worker renews its lease every second; one that has not for this long is not counted as alive."""

STANDING = text("""
SELECT (SELECT count(*) FROM workers WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)) AS workers,
       (SELECT clock_timestamp() - at FROM last_sweep) AS since_sweep, oldest.id AS task_id, oldest.due_at
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
    SELECT id, due_at FROM tasks WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT 1
) AS oldest ON true
""")


class Standing(NamedTuple):
    """How things stand, by the database's clock.

    `workers` renewed their lease just now. `since_sweep` has passed since a sweep came to its end; None when none ever
    did. `task_id` and `due_at` are of the task that has been due for longest and was not claimed; None without one.
    """

    workers: int
    since_sweep: timedelta | None
    task_id: UUID | None
    due_at: datetime | None


async def standing(connection: AsyncConnection) -> Standing:
    """How things stand."""
    row = (await connection.execute(STANDING, {"late_after": LATE_AFTER})).one()
    return Standing(workers=row.workers, since_sweep=row.since_sweep, task_id=row.task_id, due_at=row.due_at)
