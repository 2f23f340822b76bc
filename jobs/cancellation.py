"""Ends tasks of the loop for certain."""

import asyncio
from datetime import timedelta
from typing import Any

ASK_AGAIN = timedelta(seconds=1)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits for them. Raises what one of them had failed with.

    It asks again, since a cancellation can be lost: redis's client swallows one now and then, and arq polls on. A task
    group would pass on the first one only, so none belongs around what speaks to Redis.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=ASK_AGAIN.total_seconds())
    for task in tasks:
        if not task.cancelled():
            task.result()
