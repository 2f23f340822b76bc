"""Releases runs that belong to this worker in the database, and that it will not finish."""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, message_of
from db.engine import leases
from jobs.clock import Clock
from jobs.engine.dispatcher import Dispatcher
from jobs.engine.flow_starter import FlowStarter
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease
from jobs.engine.notifier import Notifier
from jobs.engine.writer import PAUSE

logger = logging.getLogger(__name__)

HANDED_OVER_WITHIN = timedelta(seconds=5)
"""How long a stopping worker tries to release its runs; after that its lease runs out, and others rescue them."""


class Handover:
    """Releases this worker's runs: orphans while it works, and all of them when it stops."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        in_flight: InFlight,
        dispatcher: Dispatcher,
        flow_starter: FlowStarter,
        lease: Lease,
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._dispatcher = dispatcher
        self._flow_starter = flow_starter
        self._lease = lease
        self._clock = clock
        self._notifier = notifier

    async def release_orphans(self) -> None:
        """Release runs that belong to this worker only in the database, for instance after a lost acknowledgement of a
        claim."""
        if not self._in_flight.needs_reconcile:
            return
        async with self._dispatcher.lock, self._flow_starter.lock:
            self._in_flight.needs_reconcile = False
            try:
                await self._release(kept=self._in_flight.run_ids, reason="the worker lost track of the attempt")
            except BaseException:
                self._in_flight.needs_reconcile = True
                raise

    async def release_all(self) -> None:
        """Release every run of this worker, and its lease. Keep trying for a few seconds while Postgres is down."""
        try:
            async with asyncio.timeout(HANDED_OVER_WITHIN.total_seconds()):
                while True:
                    if await self._try_release_all():
                        return
                    await asyncio.sleep(PAUSE.total_seconds())
        except TimeoutError:
            logger.warning(
                "Postgres is down, so other workers will rescue the remaining runs.",
                extra={"action": "not_handed_over"},
            )

    async def _try_release_all(self) -> bool:
        try:
            await self._release(kept=(), reason="the worker stopped during the attempt")
            await self._lease.retire()
        except CONNECTION_ERRORS as error:
            logger.warning("The handover failed.", extra={"action": "hand_over_failed", "error": message_of(error)})
            return False
        return True

    async def _release(self, *, kept: Collection[UUID], reason: str) -> None:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            count = await leases.release_runs(
                connection, worker_id=self._lease.worker_id, run_ids_kept=kept, now=now, reason=reason
            )
        if count:
            logger.warning(
                "Released attempts.", extra={"action": "attempts_given_back", "count": count, "reason": reason}
            )
            self._notifier.notify(due=[now], events=True)
