"""Keeps long work from blocking the event loop: runs it in a separate thread, or in portions.

There is one such thread: more threads would only compete with the loop for the interpreter's lock.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

Item = TypeVar("Item")

PORTION = 40
"""Number of rows that are written at once. Between them the event loop serves others."""

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computation")


async def off_loop(compute: Callable[[], Result]) -> Result:
    """Return the result of a computation that does not block the event loop. It must not do I/O."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, compute)


def portions(items: Sequence[Item], *, size: int = PORTION) -> Iterator[Sequence[Item]]:
    """Yield the items in portions, in their order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
