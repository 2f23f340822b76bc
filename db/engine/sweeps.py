"""The statement that notes that a sweep came to its end."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NOTE = text("UPDATE last_sweep SET at = clock_timestamp()")


async def record_sweep(connection: AsyncConnection) -> None:
    """Notes that a sweep came to its end now, by the database's clock."""
    await connection.execute(NOTE)
