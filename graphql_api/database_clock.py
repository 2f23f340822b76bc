"""Makes an API process follow Postgres's clock, as workers do, whatever the clock of its host shows."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db import present
from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.tasks import clock as database_clock
from jobs.cancellation import cancel_and_wait
from jobs.clock import Clock

logger = logging.getLogger(__name__)
EVERY = timedelta(seconds=10)
"""Between two readings, the monotonic clock advances the present. It drifts by less than a millisecond."""
WHILE_AWAY = timedelta(seconds=1)


@asynccontextmanager
async def following_database(engine: AsyncEngine) -> AsyncIterator[None]:
    """Use Postgres's clock until the block ends. While Postgres is down, the last reading is used."""
    clock = Clock()
    await read(engine, clock)
    reading = asyncio.create_task(keep_reading(engine, clock))
    try:
        with present.following(clock.now):
            yield
    finally:
        await cancel_and_wait(reading)


async def keep_reading(engine: AsyncEngine, clock: Clock) -> None:
    """Read Postgres's clock at an interval until cancelled."""
    pause = EVERY
    while True:
        await asyncio.sleep(pause.total_seconds())
        pause = EVERY if await read(engine, clock) else WHILE_AWAY


async def read(engine: AsyncEngine, clock: Clock) -> bool:
    """Read Postgres's clock once. Return whether that worked."""
    try:
        async with autocommit(engine).connect() as connection:
            asked_at = clock.uncorrected()
            moment = await database_clock.now(connection)
            clock.correct(asked_at=asked_at, answered_at=clock.uncorrected(), database_now=moment)
    except CONNECTION_ERRORS as error:
        logger.warning(
            "Postgres's clock cannot be read.", extra={"action": "clock_not_read", "error": message_of(error)}
        )
        return False
    return True
