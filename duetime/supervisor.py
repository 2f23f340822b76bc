"""Keeps a process up: one that ends by itself is started again, at once the first time, then ever later."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from duetime.errors import CannotStart

LOG = logging.getLogger(__name__)
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(seconds=30)
# A process that ran this long is not one that cannot start.
RAN_WELL = timedelta(seconds=60)


class Stoppable(Protocol):
    """What can be kept up: a server under its watchdog, or a child of ours."""

    async def wait(self) -> int:
        """The exit status, once it has ended."""

    async def stop(self) -> None:
        """Ends it gracefully; nothing when it has ended already."""

    def kill(self) -> None:
        """Ends it at once; nothing when it has ended already."""


class SupervisedProcess:
    """A running process, and what starts another. Its owner calls `keep` once it runs well, and `stop` at the end."""

    def __init__(self, name: str, start: Callable[[], Awaitable[Stoppable]], present: Stoppable) -> None:
        self.name = name
        self.present = present
        self._start = start
        self._keeper: asyncio.Task[None] | None = None

    def keep(self) -> None:
        """From now on it is started again whenever it ends."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Ends it, and starts it no more."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self.present.stop()

    async def _keep(self) -> None:
        delay = timedelta()
        while True:
            began = time.monotonic()
            status = await self.present.wait()
            await self.present.stop()
            if time.monotonic() - began > RAN_WELL.total_seconds():
                delay = timedelta()
            LOG.error(
                "%s ended by itself and is started again in %d s.",
                *(self.name, delay.seconds),
                extra={"action": "process_ended", "status": status},
            )
            while True:
                await asyncio.sleep(delay.total_seconds())
                delay = min(max(delay * 2, FIRST_DELAY), LONGEST_DELAY)
                try:
                    self.present = await self._start()
                except CannotStart as error:
                    LOG.error("%s", error, extra={"action": "process_not_started"})  # noqa: TRY400 (it says it all)
                else:
                    break
