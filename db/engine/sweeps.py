"""The statement that records the end of a sweep."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NOTE = text("UPDATE last_sweep SET at = clock_timestamp()")


async def record_sweep(connection: AsyncConnection) -> None:
    """Record that a sweep ended now, by the database's clock."""
    await connection.execute(NOTE)
