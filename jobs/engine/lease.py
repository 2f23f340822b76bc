"""A worker's lease. The worker renews it every second; while it is held, no other worker touches its runs.

The database judges by its own clock whether a lease has run out. The worker judges by its monotonic clock, counting
from before it sent the renewal, so it always gives up first.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from time import monotonic
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.compat import has_ended
from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import leases
from jobs.clock import Clock
from jobs.ticks import AHEAD, until_tick

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
        async with self._connected() as connection:
            await self._renew(connection)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(leases.LEASE.total_seconds()):
                connection = await stack.enter_async_context(self._engine.connect())
            yield connection

    async def _renew(self, connection: AsyncConnection) -> None:
        begun = monotonic()
        if not self.held:
            self._unbroken_since = None
        try:
            async with asyncio.timeout(leases.LEASE.total_seconds()):
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
                # Kept open: a renewal waits for no other work, and costs an idle worker less.
                async with self._connected() as connection:
                    await self._keep_over(connection)
            except CONNECTION_ERRORS as error:
                self._unbroken_since = None
                logger.warning(
                    "The lease could not be renewed.", extra={"action": "lease_not_renewed", "error": message_of(error)}
                )
                await asyncio.sleep(RENEW_EVERY.total_seconds())

    async def _keep_over(self, connection: AsyncConnection) -> None:
        """Renew until the lease or the connection has ended."""
        while True:
            async with self._one_at_a_time:
                if self._retired or has_ended(connection):
                    return
                await self._renew(connection)
            await asyncio.sleep(until_tick(RENEW_EVERY, ahead=AHEAD).total_seconds())

    async def retire(self) -> None:
        """End the lease of a worker that has no runs left. A renewal in transit cannot restore it."""
        async with self._one_at_a_time, self._engine.connect() as connection:
            await leases.retire(connection, worker_id=self.worker_id)
            self._retired = True
