"""Waiting for conditions, never for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def wait_until(condition: Callable[[], Awaitable[T]], *, what: str, within: float = 20) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], *, what: str, within: float = 20) -> T: ...
async def wait_until(condition: Callable[[], T | Awaitable[T]], *, what: str, within: float = 20) -> T:
    """Return the condition's value as soon as it is true. Fail after `within` seconds with `what` in the message.

    `what` completes "it never came true that …".
    """
    give_up_at = time.monotonic() + within
    while True:
        value = condition()
        result: T = await value if inspect.isawaitable(value) else value
        if result:
            return result
        if time.monotonic() > give_up_at:
            raise AssertionError(f"within {within} s it never came true that {what}; last seen: {result!r}")
        await asyncio.sleep(0.01)


def wait_for(condition: Callable[[], T], *, what: str, within: float = 20) -> T:
    """Wait in the same way in code without an event loop."""
    give_up_at = time.monotonic() + within
    while not (result := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"within {within} s it never came true that {what}; last seen: {result!r}")
        time.sleep(0.01)
    return result
