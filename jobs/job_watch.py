"""Knows when a worker has to look for jobs in Redis."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from jobs.queue import LOOK_EVERY, Queue, Unreachable

FOLLOWED_AGAIN = timedelta(seconds=1)


class JobWatch:
    """Follows the announcements of jobs. `follow` belongs to its owner."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._announced = asyncio.Event()
        self._is_following = False

    async def follow(self) -> None:
        """Follow announcements until cancelled, through outages of Redis."""
        while True:
            with suppress(Unreachable):
                async for _ in self._queue.announced_jobs():
                    self._is_following = True
                    self._announced.set()
            self._is_following = False
            await asyncio.sleep(FOLLOWED_AGAIN.total_seconds())

    async def wait(self) -> None:
        """Return when the next job is due or one is announced, but at the latest after `LOOK_EVERY`.

        Return at once if announcements do not arrive. Raises one of `REDIS_ERRORS`.
        """
        if not self._is_following:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_EVERY, await self._queue.until_next_job()).total_seconds()):
                await self._announced.wait()
        self._announced.clear()
