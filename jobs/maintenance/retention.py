"""Removes what is older than its retention: whole days of runs where possible, and the rest in batches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import trace_contexts
from db.connection import autocommit, waited_too_long_for_a_lock
from db.maintenance import retention
from jobs.maintenance.duties import Duty
from jobs.settings import JobsSettings

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
ATTEMPTS = 5
"""How often the removal of a day is tried while it is being read."""
BETWEEN_ATTEMPTS = timedelta(milliseconds=500)
"""A statement that reads the day takes less than that."""
BETWEEN_DAYS = timedelta(seconds=15)
"""After a day is removed, Postgres replans statements and the disk frees its files, which delays the calls of that
moment by some 10 ms. With this pause, few calls of a thousand are affected when many days expire at once, as after an
upgrade.
"""
REMOVED_PER_STATEMENT = 500
"""Few enough that each statement holds its locks for only a few milliseconds."""
TASKS_PER_STATEMENT = 100
BEFORE_ALL = UUID(int=0)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
START: retention.Place = (BEGINNING, BEFORE_ALL)
DAY = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class Retention:
    """The retention of one worker, and how far it has removed responses and runs of the default partition. It checks
    all of these once a day, and otherwise only those that have expired since the last check.
    """

    engine: AsyncEngine
    settings: JobsSettings
    bodies_until: retention.Place = START
    default_until: dict[bool, retention.Place] = field(default_factory=dict)
    default_from: datetime = BEGINNING

    async def prune(self) -> None:
        """Remove everything that is too old. Rows that another transaction has locked are left to the next call."""
        await self.prune_runs(datetime.now(UTC))
        await self.prune_bodies()
        await self.repeat(lambda connection: retention.remove_rows_of_tasks(connection, limit=REMOVED_PER_STATEMENT))
        if days := self.settings.retention_events_days:
            await self.repeat(
                lambda connection: retention.remove_events(connection, days=days, limit=REMOVED_PER_STATEMENT)
            )
        if audit_days := self.settings.retention_audit_days:
            await self.repeat(
                lambda connection: retention.prune_audit_log(connection, days=audit_days, limit=REMOVED_PER_STATEMENT)
            )
            async with autocommit(self.engine).connect() as connection:
                await retention.remove_keys(connection, days=audit_days)
        await self.prune_versions()
        async with autocommit(self.engine).connect() as connection:
            await trace_contexts.forget_old(connection)

    async def prune_runs(self, now: datetime) -> None:
        """Remove the runs of each day that has ended long enough ago, then those of the default partition."""
        days, failed_days = self.settings.retention_days, self.settings.retention_failed_days
        async with autocommit(self.engine).connect() as connection:
            stored = await retention.days_with_partitions(connection)
        gone = False
        for day in stored:
            if not has_ended(day, days, now) and not has_ended(day, failed_days, now):
                continue
            if gone:
                await asyncio.sleep(BETWEEN_DAYS.total_seconds())
            pruned = await self.prune_day(day) if has_ended(day, days, now) else "rows"
            gone = pruned in ("dropped", "emptied")
            if pruned == "rows":
                await self.prune_rows(day)
        if now - self.default_from >= DAY:
            self.default_from, self.default_until = now, {}
        await self.prune_default(succeeded=True, days=days)
        await self.prune_default(succeeded=False, days=failed_days)

    async def prune_rows(self, day: date) -> None:
        """Remove the old runs of a day one by one."""
        after: UUID | None = None
        while True:
            async with autocommit(self.engine).connect() as connection:
                after = await retention.remove_rows_of_day(
                    connection,
                    day,
                    after=after,
                    days=self.settings.retention_days,
                    failed_days=self.settings.retention_failed_days,
                    limit=REMOVED_PER_STATEMENT,
                )
            if after is None:
                break

    async def prune_default(self, *, succeeded: bool, days: int) -> None:
        """Remove old runs of the default partition, from where the last call stopped."""
        while days:
            async with autocommit(self.engine).connect() as connection:
                place = await retention.remove_rows_of_default(
                    connection,
                    self.default_until.get(succeeded, START),
                    succeeded=succeeded,
                    days=days,
                    limit=REMOVED_PER_STATEMENT,
                )
            if place is None:
                break
            self.default_until[succeeded] = place

    async def prune_day(self, day: date) -> retention.Pruned:
        """Remove a day as a whole, or all but a few rows of it. Return what was done.

        Short readers, such as the statistics, may be in the way; after a few attempts it is left to a later time.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.engine.begin() as connection:
                    pruned = await retention.prune_day(
                        connection,
                        day,
                        days=self.settings.retention_days,
                        failed_days=self.settings.retention_failed_days,
                    )
                break
            except DBAPIError as error:
                if not waited_too_long_for_a_lock(error):
                    raise
            if attempt == ATTEMPTS:
                logger.info(
                    "A day of runs is in use and will be removed later.",
                    extra={"action": "retention_postponed", "day": day.isoformat()},
                )
                return "none"
            await asyncio.sleep(BETWEEN_ATTEMPTS.total_seconds())
        if pruned in ("dropped", "emptied"):
            logger.info("Removed a day of runs.", extra={"action": "retention", "day": day.isoformat()})
        return pruned

    async def prune_bodies(self) -> None:
        """Remove the responses of old runs, from where the last call stopped."""
        while days := self.settings.retention_bodies_days:
            async with autocommit(self.engine).connect() as connection:
                place = await retention.forget_bodies(
                    connection, self.bodies_until, days=days, limit=REMOVED_PER_STATEMENT
                )
            if place is None:
                break
            self.bodies_until = place

    async def prune_versions(self) -> None:
        """Remove the versions of tasks that no run needs any more."""
        last: UUID | None = BEFORE_ALL
        while last is not None:
            async with autocommit(self.engine).connect() as connection:
                last = await retention.remove_versions(connection, after=last, limit=TASKS_PER_STATEMENT)

    async def repeat(self, remove: Callable[[AsyncConnection], Awaitable[int]]) -> None:
        """Remove batch after batch, until one is not full."""
        removed = REMOVED_PER_STATEMENT
        while removed == REMOVED_PER_STATEMENT:
            async with autocommit(self.engine).connect() as connection:
                removed = await remove(connection)


def has_ended(day: date, days: int, now: datetime) -> bool:
    """Return whether all runs of a day are older than this number of days; 0 days keep them forever."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return days > 0 and end + timedelta(days=days) <= now


def retention_duty(engine: AsyncEngine, settings: JobsSettings) -> Duty:
    """Return the duty that removes what is too old."""
    return Duty(name="retention", every=EVERY, do=Retention(engine=engine, settings=settings).prune)
