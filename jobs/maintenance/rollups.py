"""Compacts the counts of runs: those per minute, from which the metrics come, and those from which totals come."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.engine import rollups
from db.maintenance import result_counts
from jobs.clock import Clock
from jobs.maintenance.duties import Duty

EVERY = timedelta(seconds=5)
MINUTES_KEPT = timedelta(hours=2)
"""How long counts are kept by the minute; older ones are added up in one row."""
COMPACTED_PER_STATEMENT = 500
ADDED_UP_PER_STATEMENT = 10_000


def rollups_duty(engine: AsyncEngine, clock: Clock) -> Duty:
    """Return the duty that compacts old counts."""

    async def compact() -> None:
        await compact_rollups(engine, clock)

    return Duty(name="rollups", every=EVERY, do=compact)


async def compact_rollups(engine: AsyncEngine, clock: Clock) -> None:
    """Add the counts of minutes that are old to the sum, and add up the parts of the total."""
    async with autocommit(engine).connect() as connection:
        await rollups.compact(connection, before=clock.now() - MINUTES_KEPT, limit=COMPACTED_PER_STATEMENT)
        await result_counts.compact(connection, limit=ADDED_UP_PER_STATEMENT)
