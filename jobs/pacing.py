"""Divides long work of the event loop into portions, between which the loop serves others. Yielding is not enough: when
a hundred tasks are ready and each yields after 10 ms, others wait for a second. So all of them share a time budget in
each turn of the loop, and in each further turn one waiting task continues.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar
from weakref import WeakKeyDictionary

Item = TypeVar("Item")

PORTION = 0.005
"""Seconds in one turn of the loop. CPU time would be fairer on a busy machine, but takes much longer to read."""


class Pacer:
    """The time that paced work has used in the current turn of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began = 0.0
        self._counting = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Wait until there is time for more work; return at once if this turn of the loop has time left."""
        if not self._counting:
            self._counting = True
            self._began = time.perf_counter()
            self._loop.call_soon(self._next_turn)
        if not self._waiting and time.perf_counter() - self._began < PORTION:
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        await turn
        self._began = time.perf_counter()

    def _next_turn(self) -> None:
        self._began = time.perf_counter()
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._loop.call_soon(self._next_turn)
                return
        self._counting = False


_pacers: WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer] = WeakKeyDictionary()


def pacer() -> Pacer:
    """Return the pacer of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _pacers.get(loop)
    if found is None:
        found = _pacers[loop] = Pacer(loop)
    return found


async def paced(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the items, each when there is time for it."""
    turns = pacer()
    for item in items:
        await turns.turn()
        yield item
