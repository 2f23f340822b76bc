"""Reads the state of the service."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LATE_AFTER = timedelta(seconds=5)
"""A worker renews its lease every second; one that has not for this long does not count as alive."""

# A volatile function is called for each row, so it bounds no index: the look for a due task read all tasks.
SERVICE_STATE = text("""
SELECT (SELECT count(*) FROM workers WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)) AS workers,
       (SELECT clock_timestamp() - at FROM last_sweep) AS since_sweep,
       oldest.id AS task_id, oldest.due_at, clock_timestamp() - oldest.due_at AS since_due
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
    SELECT id, due_at FROM tasks WHERE due_at <= (SELECT clock_timestamp()) ORDER BY due_at LIMIT 1
) AS oldest ON true
""")


class ServiceState(NamedTuple):
    """The state of the service, by the database's clock.

    `workers` have renewed their lease just now. `since_sweep` is the time since the last sweep ended, or None before
    the first one. `task_id`, `due_at` and `since_due` belong to the task that has been due and unclaimed for
    longest, if there is one.
    """

    workers: int
    since_sweep: timedelta | None
    task_id: UUID | None
    due_at: datetime | None
    since_due: timedelta | None


async def service_state(connection: AsyncConnection) -> ServiceState:
    """Return the state of the service."""
    row = (await connection.execute(SERVICE_STATE, {"late_after": LATE_AFTER})).one()
    return ServiceState(*row)
