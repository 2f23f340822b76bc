"""Compacts the per-minute counts of runs, from which the metrics come."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.engine import rollups
from jobs.clock import Clock
from jobs.maintenance.duties import Duty

EVERY = timedelta(seconds=5)
MINUTES_KEPT = timedelta(hours=2)
"""How long counts are kept by the minute; older ones are added up in one row."""
COMPACTED_PER_STATEMENT = 500


def rollups_duty(engine: AsyncEngine, clock: Clock) -> Duty:
    """Return the duty that compacts old counts."""

    async def compact() -> None:
        await compact_rollups(engine, clock)

    return Duty(name="rollups", every=EVERY, do=compact)


async def compact_rollups(engine: AsyncEngine, clock: Clock) -> None:
    """Add the counts of minutes that are old to the sum."""
    async with autocommit(engine).connect() as connection:
        await rollups.compact(connection, before=clock.now() - MINUTES_KEPT, limit=COMPACTED_PER_STATEMENT)
