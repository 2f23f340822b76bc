"""Notifies others of a commit: wake-ups for workers about runs that are due soon, and a message for API processes. It
works in the background and combines concurrent notifications. While Redis is down, and where arq would be late because
it polls by the host's own clock, this process dispatches the near buckets itself, so tasks still fire on time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from uuid import UUID

from db.connection import CONNECTION_ERRORS, message_of
from jobs.clock import Clock
from jobs.queue import BUCKET, HORIZON, Queue, bucket_of, bucket_start

logger = logging.getLogger(__name__)


class Notifier:
    """The notifications of one process. `run` belongs to its owner."""

    def __init__(self, *, queue: Queue, clock: Clock, dispatch_bucket: Callable[[int], Awaitable[None]]) -> None:
        self._queue = queue
        self._clock = clock
        self._dispatch_bucket = dispatch_bucket
        self._due: list[datetime] = []
        self._events = False
        self._changed: set[UUID] = set()
        self._others: set[int] = set()
        self._limits = False
        self._some = asyncio.Event()
        self._dispatching: dict[int, asyncio.Task[None]] = {}

    def notify(
        self,
        *,
        due: Iterable[datetime] = (),
        events: bool = False,
        changed: Iterable[UUID] = (),
        limits: bool = False,
        another: int | None = None,
    ) -> None:
        """Note what a commit changed: the instants at which something is due next, whether there are new events, which
        tasks changed, and whether limits or pauses of hosts did.

        `another` is a bucket for which to wake another worker, because this one has no slot left.
        """
        self._due.extend(due)
        if another is not None:
            self._others.add(another)
        self._events = self._events or events
        self._limits = self._limits or limits
        self._changed.update(changed)
        self._some.set()

    async def run(self) -> None:
        """Send notifications until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            due, self._due = self._due, []
            events, self._events = self._events, False
            changed, self._changed = self._changed, set()
            others, self._others = self._others, set()
            limits, self._limits = self._limits, False
            if limits:
                await self._queue.announce_limits()
            if events or changed:
                await self._queue.poke(changed=changed)
            for bucket in others:
                await self._queue.wake_another(bucket)
            if due and (not await self._queue.wake(due, now=self._clock.now()) or self._arq_is_late):
                self._dispatch_here(due)

    @property
    def _arq_is_late(self) -> bool:
        return self._clock.host_is_behind() > BUCKET

    def _dispatch_here(self, due: Iterable[datetime]) -> None:
        now = self._clock.now()
        for bucket in {bucket_of(max(instant, now)) for instant in due if instant - now <= HORIZON}:
            if bucket not in self._dispatching:
                self._dispatching[bucket] = asyncio.create_task(self._wait_and_dispatch(bucket))

    async def _wait_and_dispatch(self, bucket: int) -> None:
        try:
            await self._clock.wait_until(bucket_start(bucket) - BUCKET)
            await self._dispatch_bucket(bucket)
        except CONNECTION_ERRORS as error:
            logger.warning(
                "A bucket is left to the sweep.", extra={"action": "walk_failed", "error": message_of(error)}
            )
        finally:
            del self._dispatching[bucket]
