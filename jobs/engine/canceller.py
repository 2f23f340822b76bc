"""Cancels attempts that no longer belong to this worker, because their runs were cancelled, for instance."""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import leases
from jobs.engine.claimed import AttemptKey
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease

logger = logging.getLogger(__name__)

CHECK_EVERY = timedelta(milliseconds=500)
"""Interval at which attempts that take longer than this are checked."""


class Canceller:
    """Compares this worker's attempts with the database. `run` belongs to its owner."""

    def __init__(self, *, engine: AsyncEngine, in_flight: InFlight, lease: Lease) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._lease = lease

    async def run(self) -> None:
        """Check attempts until cancelled.

        Each check covers only attempts that the previous one saw already, because most calls end before that.
        """
        seen_before: set[AttemptKey] = set()
        while True:
            await self._in_flight.wait_occupied()
            await asyncio.sleep(CHECK_EVERY.total_seconds())
            unmade = self._in_flight.unmade
            if checked := seen_before & unmade:
                try:
                    self._cancel(checked - await self._still_held(checked))
                except CONNECTION_ERRORS as error:
                    logger.warning(
                        "Attempts continue without a check.",
                        extra={"action": "watch_failed", "error": message_of(error)},
                    )
            seen_before = unmade

    async def _still_held(self, keys: Collection[AttemptKey]) -> set[AttemptKey]:
        async with autocommit(self._engine).connect() as connection:
            return await leases.still_held(
                connection, worker_id=self._lease.worker_id, run_ids=[run_id for run_id, _ in keys]
            )

    def _cancel(self, lost: Collection[AttemptKey]) -> None:
        if lost:
            self._in_flight.cancel(lost)
            logger.info("Cancelled attempts.", extra={"action": "attempts_unwanted", "count": len(lost)})
