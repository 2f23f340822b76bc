"""The tasks that have changed, for all subscribers of this process.

A subscriber has a position and no queue, as in the tail. A task is listed once, with the number of its newest change.
If a task changes faster than a subscriber reads, the subscriber receives it once, in its newest state.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

KEPT = 10_000
GATHER_FOR = timedelta(milliseconds=100)
"""Changes are delivered together, so that tasks which fire all the time are read at most ten times a second."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task that was changed; a later change has a higher number."""

    task_id: UUID
    number: int


class TaskChangeFeed:
    """The tasks that changed last."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[UUID, int] = OrderedDict()
        self._newest = 0
        self._notified = 0
        self._moved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        self._tell()

    def note(self, task_ids: Iterable[UUID]) -> None:
        """Note that tasks have changed."""
        for task_id in task_ids:
            self._newest += 1
            self._numbers[task_id] = self._newest
            self._numbers.move_to_end(task_id)
            if len(self._numbers) > KEPT:
                self._numbers.popitem(last=False)
        if self._newest > self._notified and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GATHER_FOR.total_seconds(), self._tell)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._notified = self._newest
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def follow(self, task_id: UUID | None = None) -> AsyncGenerator[list[Change], None]:
        """Yield the changes from now on, of one task if given, oldest first."""
        position = self._newest
        while not self._closed:
            if position < self._notified:
                changes = self._after(position, task_id)
                position = self._notified
                if changes:
                    yield changes
            else:
                await self._moved.wait()

    def _after(self, position: int, task_id: UUID | None) -> list[Change]:
        if task_id is not None:
            number = self._numbers.get(task_id, 0)
            return [Change(task_id, number)] if number > position else []
        found = []
        for changed, number in reversed(self._numbers.items()):
            if number <= position:
                break
            found.append(Change(changed, number))
        return found[::-1]
