"""The daily partitions of `finished_runs`, created ahead of time so that a day can later be dropped as a whole."""

from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.days import lower_bound

DAYS_AHEAD = 3


async def missing(connection: AsyncConnection, today: date) -> list[date]:
    """Return the days from `today` on whose partition is missing."""
    days = {f"task_results_{day:%Y%m%d}": day for day in (today + timedelta(n) for n in range(DAYS_AHEAD + 1))}
    found = await connection.execute(
        text("SELECT relname FROM pg_class WHERE relname = ANY(:names) AND relispartition"), {"names": list(days)}
    )
    there = set(found.scalars())
    return [day for name, day in days.items() if name not in there]


async def make(connection: AsyncConnection, day: date) -> None:
    """Create the partition of `day`, with the rights of the tables' owner.

    Raises `LockNotAvailable` after waiting 200 ms for a lock, so that a long query cannot make tasks late. Raises a
    check violation if the default partition already has runs of that day; they stay there.
    """
    await connection.execute(
        text("SELECT create_run_partition(:day, :lower_bound, :upper_bound)"),
        {"day": day, "lower_bound": lower_bound(day), "upper_bound": lower_bound(day + timedelta(days=1))},
    )
