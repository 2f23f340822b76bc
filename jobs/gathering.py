"""Combines the calls of several callers, so that they share a round trip. Items that arrive during a call go into the
next one, so no caller waits for others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Gatherer(Generic[Item]):
    """Passes the items of many callers to a function, at most `most` at once.

    After an error for which `apart` is True, nothing was done and one item can be the reason, so each is passed alone.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], Awaitable[None]],
        *,
        most: int,
        apart: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self._do = do
        self._most = most
        self._apart = apart
        self._waiting: deque[tuple[Item, asyncio.Future[None]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Return once the function has returned for the item. Raises what it has raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), self._most)
                batch = [self._waiting.popleft() for _ in range(size)]
                # A caller that was cancelled before the call no longer needs the result.
                await self._pass([(item, done) for item, done in batch if not done.done()])
        finally:
            self._running = None

    async def _pass(self, batch: Sequence[tuple[Item, asyncio.Future[None]]]) -> None:
        if not batch:
            return
        try:
            await self._do([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1 and self._apart(error):
                for each in batch:
                    await self._pass([each])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
        finally:
            # Otherwise a cancelled call would leave its callers waiting.
            for _, done in batch:
                done.cancel()
