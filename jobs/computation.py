"""Computes in a thread of its own what would hold up the event loop.

There is one such thread: more of them would only compete with the loop for the interpreter's lock.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computation")


async def off_loop(compute: Callable[[], Result]) -> Result:
    """Return the result of a computation, during which the event loop goes on. It must not do I/O."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, compute)
