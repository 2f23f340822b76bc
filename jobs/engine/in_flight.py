"""The attempts that this worker has claimed and whose outcomes are not stored yet."""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from jobs.engine.claimed import Attempt, AttemptKey
from jobs.engine.slots import Slots


class InFlight:
    """Registers claimed attempts, with the slots they hold, until they are settled or abandoned.

    A registered attempt is first ready and then running::

        register ──▶ ready ──▶ running ──▶ settle, once its outcome is stored
                        └─────────┴──────▶ abandon, when it was not made
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.needs_reconcile = False
        """Whether the database may know of runs of this worker that are not registered here."""
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._ready: deque[Attempt] = deque()
        self._some_ready = asyncio.Event()
        self._running: dict[AttemptKey, asyncio.Task[None]] = {}
        self._empty, self._occupied = asyncio.Event(), asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._attempts)

    @property
    def run_ids(self) -> set[UUID]:
        """The runs to which the registered attempts belong."""
        return {run_id for run_id, _ in self._attempts}

    @property
    def unmade(self) -> set[AttemptKey]:
        """The attempts that are ready or running: those whose calls have not ended."""
        return {*self._running, *(attempt.key for attempt in self._ready)}

    def register(self, attempts: Sequence[Attempt]) -> None:
        """Take a slot for each attempt, and make it ready."""
        for attempt in attempts:
            self.slots.take(attempt.host)
            self._attempts[attempt.key] = attempt
        self._ready.extend(attempts)
        if attempts:
            self._empty.clear()
            self._occupied.set()
            self._some_ready.set()

    async def wait_ready(self) -> None:
        """Wait until an attempt is ready."""
        await self._some_ready.wait()

    def take_ready(self, limit: int) -> list[Attempt]:
        """Return up to `limit` ready attempts, which the caller then runs."""
        taken = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        if not self._ready:
            self._some_ready.clear()
        return taken

    def running(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        """Note the task that makes the attempt."""
        self._running[attempt.key] = task

    def made(self, attempt: Attempt) -> None:
        """Note that the task which made the attempt has ended."""
        del self._running[attempt.key]

    def settle(self, key: AttemptKey) -> Attempt:
        """Free the slot of an attempt whose outcome is stored, and return the attempt."""
        attempt = self._attempts.pop(key)
        self._free(attempt)
        return attempt

    def abandon(self, attempt: Attempt) -> None:
        """Free the slot of an attempt that was not made. The next sweep releases its run if it is still ours."""
        del self._attempts[attempt.key]
        self.needs_reconcile = True
        self._free(attempt)

    def abandon_ready(self) -> None:
        """Abandon every attempt that is not running yet."""
        while self._ready:
            self.abandon(self._ready.popleft())

    def cancel(self, keys: Collection[AttemptKey]) -> None:
        """Abandon those of the attempts that are ready, and cancel the calls of those that are running."""
        for attempt in [attempt for attempt in self._ready if attempt.key in keys]:
            self._ready.remove(attempt)
            self.abandon(attempt)
        for call in [self._running[key] for key in keys if key in self._running]:
            call.cancel()

    async def wait_occupied(self) -> None:
        """Wait until an attempt is registered."""
        await self._occupied.wait()

    async def wait_empty(self, *, within: timedelta) -> bool:
        """Wait until no attempt is registered. Return False if that takes longer than `within`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await self._empty.wait()
        except TimeoutError:
            return False

    def _free(self, attempt: Attempt) -> None:
        self.slots.give(attempt.host)
        if not self._attempts:
            self._empty.set()
            self._occupied.clear()
