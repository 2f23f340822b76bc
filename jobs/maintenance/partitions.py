"""Creates the daily partitions of the history of runs ahead of time."""

import logging
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, is_refusal_of_data
from db.maintenance import partitions
from jobs.clock import Clock
from jobs.maintenance.duties import Duty

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)


def partitions_duty(engine: AsyncEngine, clock: Clock) -> Duty:
    """Return the duty that keeps partitions ready for the coming days."""

    async def create() -> None:
        await create_partitions(engine, clock)

    return Duty(name="partitions", every=EVERY, do=create)


async def create_partitions(engine: AsyncEngine, clock: Clock) -> None:
    """Create the partitions that are missing for today and the coming days.

    A day stays in the default partition if its partition cannot be created, because a row there contradicts it.
    """
    async with autocommit(engine).connect() as connection:
        missing = await partitions.missing(connection, clock.now().date())
    for day in missing:
        try:
            async with engine.begin() as connection:
                await partitions.make(connection, day)
        except CONNECTION_ERRORS as error:
            if not is_refusal_of_data(error):
                raise
            logger.warning(
                "Runs of a day stay in the default partition.",
                extra={"action": "partition_refused", "day": day.isoformat()},
            )
