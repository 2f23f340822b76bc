"""The sweep: brings near instants to Redis, claims what was overlooked, and rescues what was left behind.

It is what makes Redis dispensable. arq's cron calls it each second in one of the workers; each worker also calls it by
itself when it has not been called for two seconds.
"""

import asyncio
import logging
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, is_refusal_of_data
from db.engine import claims, finishes, leases, rollups, sweeps
from db.maintenance import deletion, partitions
from jobs.clock import Clock
from jobs.engine.executor import Executor
from jobs.engine.lease import Lease, monotonic
from jobs.queue import HORIZON

logger = logging.getLogger(__name__)

OVERDUE = timedelta(seconds=2)
LOOK_EVERY = timedelta(milliseconds=500)
RESCUED_AT_ONCE = 500
RELEASED_AT_ONCE = 500
REMOVED_AT_ONCE = 500
"""So few that the locks of one removal are held for some milliseconds only."""
MINUTES_KEPT = timedelta(hours=2)
"""How long metrics are kept by the minute; what is older is one sum."""
COMPACTED_AT_ONCE = 500
REMOVALS = 20
"""How many times one sweep removes something, so that the next one is not late."""


class Sweeper:
    """One worker's sweep. `run` belongs to its owner."""

    def __init__(self, *, engine: AsyncEngine, executor: Executor, lease: Lease, clock: Clock) -> None:
        self._engine = engine
        self._executor = executor
        self._lease = lease
        self._clock = clock
        self._begun = -OVERDUE.total_seconds()
        self._sweeping = asyncio.Lock()
        self._partitions_made_on: date | None = None

    async def run(self) -> None:
        """Sweeps whenever nothing else has called for it in time, for ever."""
        while True:
            if monotonic() - self._begun >= OVERDUE.total_seconds():
                await self.sweep()
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def sweep(self) -> None:
        """Sweeps once, unless a sweep is under way. Never raises for an absent Postgres; the next sweep tries again."""
        if self._sweeping.locked():
            return
        async with self._sweeping:
            self._begun = monotonic()
            try:
                await self._announce_near()
                await self._executor.give_back_orphans()
                await self._release_stranded()
                await self._executor.claim_due(everything=True)
                if self._lease.may_rescue:
                    await self._rescue()
                await self._make_partitions()
                await self._remove_deleted()
                await self._compact_rollups()
                await self._note()
            except CONNECTION_ERRORS as error:
                logger.warning("The sweep was cut short. action=sweep_failed error=%s", error)

    async def _announce_near(self) -> None:
        now = self._clock.now()
        async with autocommit(self._engine).connect() as connection:
            near = await claims.near(connection, now=now, until=now + HORIZON)
        self._executor.notifier.notify(due=near)

    async def _release_stranded(self) -> None:
        """For tasks whose policies were changed after the claim of the run that something waits for."""
        async with autocommit(self._engine).connect() as connection:
            task_ids = await finishes.stranded(connection, limit=RELEASED_AT_ONCE)
        if not task_ids:
            return
        async with self._engine.begin() as connection:
            await finishes.lock_tasks(connection, task_ids=task_ids)
            await finishes.promote_waiting(connection, task_ids=task_ids, now=self._clock.now())

    async def _rescue(self) -> None:
        now, total = self._clock.now(), 0
        while True:
            async with self._engine.begin() as connection:
                count = await leases.rescue(connection, now=now, limit=RESCUED_AT_ONCE)
            total += count
            if count < RESCUED_AT_ONCE:
                break
        if total:
            logger.warning("Rescued the attempts of lost workers. action=rescued count=%d", total)
            self._executor.notifier.notify(due=[now], events=True)
        async with autocommit(self._engine).connect() as connection:
            await leases.forget_lost_workers(connection)

    async def _make_partitions(self) -> None:
        today = self._clock.now().date()
        if self._partitions_made_on == today:
            return
        async with autocommit(self._engine).connect() as connection:
            missing = await partitions.missing(connection, today)
        for day in missing:
            try:
                async with self._engine.begin() as connection:
                    await partitions.make(connection, day)
            except CONNECTION_ERRORS as error:
                if not is_refusal_of_data(error):
                    raise
                logger.warning("Runs of %s stay in the default partition. action=partition_refused", day)
        self._partitions_made_on = today

    async def _remove_deleted(self) -> None:
        """Removes what was deleted, runs before their tasks, as far as one sweep may."""
        for _ in range(REMOVALS):
            async with autocommit(self._engine).connect() as connection:
                removed = await deletion.remove_runs(connection, limit=REMOVED_AT_ONCE)
                if removed < REMOVED_AT_ONCE:
                    removed = await deletion.remove_tasks(connection, limit=REMOVED_AT_ONCE)
            if removed < REMOVED_AT_ONCE:
                return

    async def _compact_rollups(self) -> None:
        async with autocommit(self._engine).connect() as connection:
            await rollups.compact(connection, before=self._clock.now() - MINUTES_KEPT, limit=COMPACTED_AT_ONCE)

    async def _note(self) -> None:
        async with autocommit(self._engine).connect() as connection:
            await sweeps.record_sweep(connection)
