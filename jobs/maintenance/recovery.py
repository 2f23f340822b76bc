"""Recovery, the sweep: finds due runs in Postgres for which no worker was woken, and the runs of lost workers. It makes
Redis optional. arq's cron calls it every two seconds in one of the workers; each worker also runs it when no call has
come for twice as long, and every two seconds while Redis is away.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import finishes, leases, sweeps
from jobs.clock import Clock
from jobs.engine.engine import Engine
from jobs.queue import HORIZON
from jobs.ticks import until_tick

logger = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(seconds=2)
RESCUED_PER_TRANSACTION = 500
PROMOTED_PER_SWEEP = 500


class Recovery:
    """The sweep of one worker. `run` belongs to its owner."""

    def __init__(
        self, *, database: AsyncEngine, engine: Engine, clock: Clock, expects_calls: Callable[[], bool] = lambda: False
    ) -> None:
        """`expects_calls` returns whether arq can be reached, which then calls `sweep`."""
        self._database = database
        self._single_statements = autocommit(database)
        self._engine = engine
        self._clock = clock
        self._expects_calls = expects_calls
        self._started = -math.inf
        self._sweeping = asyncio.Lock()

    async def run(self) -> None:
        """Sweep whenever no other sweep was triggered in time, until cancelled."""
        while True:
            check_every = SWEEP_EVERY if self._expects_calls() else SWEEP_EVERY / 2
            # A call that is due now may still come; the one before it has not.
            if monotonic() - self._started > 1.5 * check_every.total_seconds():
                await self.sweep()
            await asyncio.sleep(until_tick(check_every).total_seconds())

    async def sweep(self) -> None:
        """Sweep once, unless a sweep is in progress. While Postgres is down it only logs; the next sweep tries
        again."""
        if self._sweeping.locked():
            return
        async with self._sweeping:
            self._started = monotonic()
            try:
                await self._sweep()
            except CONNECTION_ERRORS as error:
                logger.warning(
                    "The sweep was interrupted.", extra={"action": "sweep_failed", "error": message_of(error)}
                )

    async def _sweep(self) -> None:
        now = self._clock.now()
        async with self._single_statements.connect() as connection:
            found = await sweeps.look(connection, now=now, until=now + HORIZON)
            self._engine.notifier.notify(due=found.near)
            await self._engine.handover.release_orphans()
            if found.stranded:
                await self._promote_stranded()
            if found.overdue or found.stranded:
                # A long backlog delays neither the rescue nor the next sweep.
                self._engine.dispatcher.claim_overdue()
            if found.lost_runs and self._engine.lease.may_rescue:
                await self._rescue()
            if found.lost_workers:
                await leases.forget_lost_workers(connection)
            await sweeps.record_sweep(connection)

    async def _promote_stranded(self) -> None:
        """Promote runs that wait for a run which was claimed before its task's policies changed."""
        async with self._single_statements.connect() as connection:
            task_ids = await finishes.stranded(connection, limit=PROMOTED_PER_SWEEP)
        if not task_ids:
            return
        async with self._database.begin() as connection:
            await finishes.lock_tasks(connection, task_ids=task_ids)
            await finishes.promote_waiting(connection, task_ids=task_ids, now=self._clock.now())

    async def _rescue(self) -> None:
        """Take over the attempts of workers whose lease has run out, so that they are retried or end as UNKNOWN."""
        now, total = self._clock.now(), 0
        while True:
            async with self._database.begin() as connection:
                count = await leases.rescue(connection, now=now, limit=RESCUED_PER_TRANSACTION)
            total += count
            if count < RESCUED_PER_TRANSACTION:
                break
        if total:
            logger.warning("Rescued the attempts of lost workers.", extra={"action": "rescued", "count": total})
            self._engine.metrics.rescued_runs.inc(total)
            self._engine.notifier.notify(due=[now], events=True)
