"""Cancels tasks of the event loop reliably."""

import asyncio
from datetime import timedelta
from typing import Any

ASK_AGAIN = timedelta(seconds=1)


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended. Raises the exception of a task that failed.

    It cancels repeatedly, because a cancellation can be lost: redis's client swallows one now and then, and arq goes on
    polling. A task group cancels only once, so do not use one around code that speaks to Redis.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=ASK_AGAIN.total_seconds())
    for task in tasks:
        if not task.cancelled():
            task.result()
