"""Restarts a process that ends unexpectedly: immediately the first time, then after increasing delays."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from duetime.errors import CannotStart

logger = logging.getLogger(__name__)
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(seconds=30)
# A process that ran this long started well, so its next restart is immediate again.
STABLE_AFTER = timedelta(seconds=60)


class Stoppable(Protocol):
    """A process that can be supervised: a server under its watchdog, or a child process."""

    async def wait(self) -> int:
        """Wait until the process has ended, and return its exit status."""

    async def stop(self) -> None:
        """Stop the process gracefully. Do nothing if it has already ended."""

    def kill(self) -> None:
        """End the process immediately. Do nothing if it has already ended."""


class SupervisedProcess:
    """A running process and the function that starts a replacement.

    The owner calls `supervise` once the process is ready, and `stop` at the end.
    """

    def __init__(self, name: str, start: Callable[[], Awaitable[Stoppable]], current: Stoppable) -> None:
        self.name = name
        self.current = current
        self._start = start
        self._supervision: asyncio.Task[None] | None = None

    def supervise(self) -> None:
        """Restart the process from now on whenever it ends."""
        self._supervision = asyncio.create_task(self._restart_whenever_it_ends())

    async def end_supervision(self) -> None:
        """Stop restarting the process."""
        if self._supervision is not None:
            self._supervision.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervision
            self._supervision = None

    async def stop(self) -> None:
        """Stop restarting the process, and stop the process."""
        await self.end_supervision()
        await self.current.stop()

    async def _restart_whenever_it_ends(self) -> None:
        delay = timedelta()
        while True:
            started_at = time.monotonic()
            status = await self.current.wait()
            await self.current.stop()
            if time.monotonic() - started_at > STABLE_AFTER.total_seconds():
                delay = timedelta()
            logger.error(
                "A process ended unexpectedly and will be restarted.",
                extra={"action": "process_ended", "program": self.name, "status": status, "delay_s": delay.seconds},
            )
            while True:
                await asyncio.sleep(delay.total_seconds())
                delay = min(max(delay * 2, FIRST_DELAY), LONGEST_DELAY)
                try:
                    self.current = await self._start()
                except CannotStart as error:
                    logger.error(  # noqa: TRY400 (the error's message is all there is to say)
                        "A process could not be restarted; Duetime will try again.",
                        extra={"action": "process_not_started", "program": self.name, "error": str(error)},
                    )
                else:
                    break
