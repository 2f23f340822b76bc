"""Counts ended runs for the statistics, behind a cursor in the run events, and adds up and removes old counts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.engine.statistics import HOURS_KEPT, KEPT, MINUTES_KEPT, MINUTES_OF_ALL_KEPT
from db.maintenance import statistics
from db.maintenance.statistics import Step
from db.states import StatisticsWidth
from jobs.clock import Clock
from jobs.maintenance.duties import UNASKED_EVERY, Duty

EVENTS_PER_TRANSACTION = 1_000
TRANSACTIONS_PER_TURN = 20
ADD_UP_EVERY = timedelta(minutes=1)
ROWS_PER_TRANSACTION = 2_000


def statistics_duties(engine: AsyncEngine, clock: Clock) -> Sequence[Duty]:
    """Return the duties that keep the statistics."""

    async def count() -> None:
        await count_ended_runs(engine)

    async def add_up() -> None:
        await add_up_old_counts(engine, now=clock.now())

    return [
        Duty(name="statistics", every=UNASKED_EVERY, do=count),
        Duty(name="old statistics", every=ADD_UP_EVERY, do=add_up),
    ]


async def count_ended_runs(engine: AsyncEngine) -> None:
    """Count the runs that have ended, unless another worker does."""
    async with autocommit(engine).connect() as connection:
        if not await statistics.is_behind(connection):
            return
    for _ in range(TRANSACTIONS_PER_TURN):
        async with engine.begin() as connection:
            if not await statistics.count_some(connection, limit=EVENTS_PER_TRANSACTION):
                return


async def add_up_old_counts(engine: AsyncEngine, *, now: datetime) -> None:
    """Add up old minutes to hours, and hours to days, and remove what is too old."""
    for step in steps(now):
        written = ROWS_PER_TRANSACTION
        while written:
            async with engine.begin() as connection:
                written = await statistics.add_up(connection, step, limit=ROWS_PER_TRANSACTION)
    for width in StatisticsWidth:
        removed = ROWS_PER_TRANSACTION
        while removed == ROWS_PER_TRANSACTION:
            async with autocommit(engine).connect() as connection:
                removed = await statistics.remove(
                    connection, width=width, before=now - KEPT, limit=ROWS_PER_TRANSACTION
                )


def steps(now: datetime) -> Sequence[Step]:
    """Return the buckets to add up: whole hours and days, so that no bucket is kept in two widths for long."""
    minute, hour, day = StatisticsWidth
    minutes_end, minutes_of_all_end, hours_end = (
        (now - kept).replace(minute=0, second=0, microsecond=0)
        for kept in (MINUTES_KEPT, MINUTES_OF_ALL_KEPT, HOURS_KEPT)
    )
    return [
        Step(minute, hour, minutes_end, of_all=False),
        Step(minute, hour, minutes_of_all_end, of_all=True),
        Step(hour, day, hours_end.replace(hour=0), of_all=False),
    ]
