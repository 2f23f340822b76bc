"""Reads how the service is."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LATE_AFTER = timedelta(seconds=5)
"""A worker renews its lease every second; one that has not for this long is not counted as alive."""

WORKERS_ALIVE = text(
    "SELECT count(*) FROM workers WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)"
)


async def workers_alive(connection: AsyncConnection) -> int:
    """How many workers renewed their lease just now, by the database's clock."""
    alive: int = (await connection.execute(WORKERS_ALIVE, {"late_after": LATE_AFTER})).scalar_one()
    return alive
