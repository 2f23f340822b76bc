"""The database's clock, which all hosts share."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

NOW = text("SELECT clock_timestamp()")


async def now(session: AsyncSession | AsyncConnection) -> datetime:
    """Return the present by the database's clock."""
    moment: datetime = (await session.execute(NOW)).scalar_one()
    return moment
