"""The statement that finds which duties of a worker have something to do."""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.maintenance.deletion import ANY_DELETED
from db.maintenance.expiry import FIRST_EXPIRED
from db.maintenance.statistics import IS_BEHIND
from db.notifications.judging import HAS_RULES
from db.notifications.outbox import IS_PENDING
from db.prepared import fetch
from db.tasks.bulk import UNFINISHED_IDS

PENDING = text(f"""
SELECT ({ANY_DELETED}) AS deletion, ({FIRST_EXPIRED}) IS NOT NULL AS expiry,
       EXISTS ({UNFINISHED_IDS}) AS bulk, ({IS_BEHIND}) AS statistics,
       ({HAS_RULES}) AS notifications, ({IS_PENDING}) AS deliveries
""")


class Pending(NamedTuple):
    """Whether there is work for each of the duties."""

    deletion: bool
    expiry: bool
    bulk: bool
    statistics: bool
    notifications: bool
    deliveries: bool


async def pending(connection: AsyncConnection) -> Pending:
    """Return which duties have something to do."""
    [row] = await fetch(connection, PENDING, {})
    return Pending(*row)
