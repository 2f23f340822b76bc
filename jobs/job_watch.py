"""Knows when a worker has to look for jobs in Redis."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from jobs.queue import LOOK_EVERY, Queue, Unreachable
from jobs.ticks import until_tick

FOLLOWED_AGAIN = timedelta(seconds=1)


class JobWatch:
    """Follows the announcements of jobs. `follow` belongs to its owner."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._announced = asyncio.Event()
        self.is_following = False
        """Whether announcements arrive."""

    async def follow(self) -> None:
        """Follow announcements until cancelled, through outages of Redis."""
        while True:
            with suppress(Unreachable):
                async for _ in self._queue.announced_jobs():
                    self.is_following = True
                    self._announced.set()
            self.is_following = False
            await asyncio.sleep(FOLLOWED_AGAIN.total_seconds())

    async def wait(self) -> None:
        """Return when the next job is due or one is announced, but at the latest after `LOOK_EVERY`.

        Return at once if announcements do not arrive. Raises one of `REDIS_ERRORS`.
        """
        if not self.is_following:
            return
        with suppress(TimeoutError):
            until_job = await self._queue.until_next_job()
            async with asyncio.timeout(min(until_tick(LOOK_EVERY), until_job).total_seconds()):
                await self._announced.wait()
        self._announced.clear()
