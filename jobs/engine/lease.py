"""A worker's lease. The worker renews it every second; while it is held, no other worker touches its runs.

The database judges by its own clock whether a lease has run out. The worker judges by its monotonic clock, counting
from before it sent the renewal, so it always gives up first.
"""

import asyncio
import logging
import os
import socket
from datetime import timedelta
from importlib.metadata import version
from time import monotonic
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import leases
from jobs.clock import Clock

logger = logging.getLogger(__name__)

RENEW_EVERY = timedelta(seconds=1)
VERSION = version("duetime")


class Lease:
    """The lease of one worker process, under an id that no other process ever has."""

    def __init__(self, *, engine: AsyncEngine, clock: Clock, slots: int) -> None:
        self.worker_id: UUID = uuid4()
        self._engine = autocommit(engine)
        self._clock = clock
        self._slots = slots
        self._renewed: float | None = None
        self._unbroken_since: float | None = None
        self._one_at_a_time = asyncio.Lock()
        self._retired = False

    @property
    def held(self) -> bool:
        """Whether attempts may start: no other worker can have rescued this worker's runs yet."""
        return self._renewed is not None and monotonic() < self._renewed + leases.LEASE.total_seconds()

    @property
    def may_rescue(self) -> bool:
        """Whether the lease was renewed without error for as long as it lasts.

        After an outage of the database all leases have run out, and the first worker to return must not rescue the runs
        of workers that are alive.
        """
        return (
            self.held
            and self._unbroken_since is not None
            and monotonic() >= self._unbroken_since + leases.LEASE.total_seconds()
        )

    async def renew(self) -> None:
        """Renew once, and read the database's clock at the same time. Raises what the database raises."""
        begun = monotonic()
        if not self.held:
            self._unbroken_since = None
        try:
            async with asyncio.timeout(leases.LEASE.total_seconds()), self._engine.connect() as connection:
                asked_at = self._clock.uncorrected()
                database_now = await leases.renew(
                    connection,
                    worker_id=self.worker_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slots=self._slots,
                    version=VERSION,
                )
                self._clock.correct(asked_at=asked_at, answered_at=self._clock.uncorrected(), database_now=database_now)
        except BaseException:
            self._unbroken_since = None
            raise
        self._renewed = begun
        if self._unbroken_since is None:
            self._unbroken_since = begun

    async def keep(self) -> None:
        """Renew until the lease has ended or this is cancelled, through outages of the database."""
        while not self._retired:
            try:
                async with self._one_at_a_time:
                    if not self._retired:
                        await self.renew()
            except CONNECTION_ERRORS as error:
                logger.warning(
                    "The lease could not be renewed.", extra={"action": "lease_not_renewed", "error": message_of(error)}
                )
            # Not at a tick, where other work takes the connections that are open.
            await asyncio.sleep(RENEW_EVERY.total_seconds())

    async def retire(self) -> None:
        """End the lease of a worker that has no runs left. A renewal in transit cannot restore it."""
        async with self._one_at_a_time, self._engine.connect() as connection:
            await leases.retire(connection, worker_id=self.worker_id)
            self._retired = True
