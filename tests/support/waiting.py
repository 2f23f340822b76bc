"""Waiting for conditions, never for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload

T = TypeVar("T")
MOST = 0.2
"""The most seconds between two looks at a condition."""


@overload
async def wait_until(condition: Callable[[], Awaitable[T]], *, what: str, within: float = 20) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], *, what: str, within: float = 20) -> T: ...
async def wait_until(condition: Callable[[], T | Awaitable[T]], *, what: str, within: float = 20) -> T:
    """Return the condition's value as soon as it is true. Fail after `within` seconds with `what` in the message.

    `what` completes "it never came true that …".
    """
    began_at = time.monotonic()
    while True:
        value = condition()
        result: T = await value if inspect.isawaitable(value) else value
        if result:
            return result
        waited = time.monotonic() - began_at
        if waited > within:
            error = AssertionError(f"within {within} s it never came true that {what}; last seen: {result!r}")
            error.add_note("\n".join(["Tasks of this event loop:", *map(suspended_at, asyncio.all_tasks())]))
            raise error
        await asyncio.sleep(pause(waited))


def suspended_at(task: asyncio.Task[Any]) -> str:
    """Return the lines at which a task is suspended, from its own to the innermost."""
    lines = []
    awaiting: Any = task.get_coro()
    while awaiting is not None:
        frame = getattr(awaiting, "cr_frame", None) or getattr(awaiting, "ag_frame", None)
        if frame is not None:
            lines.append(f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})")
        awaiting = getattr(awaiting, "cr_await", None) or getattr(awaiting, "ag_await", None)
    return " > ".join(lines)


def wait_for(condition: Callable[[], T], *, what: str, within: float = 20) -> T:
    """Wait in the same way in code without an event loop."""
    began_at = time.monotonic()
    while not (result := condition()):
        waited = time.monotonic() - began_at
        if waited > within:
            raise AssertionError(f"within {within} s it never came true that {what}; last seen: {result!r}")
        time.sleep(pause(waited))
    return result


def pause(waited: float) -> float:
    """Return the seconds until the next look, a fifth of the time waited, because each look may cost a query."""
    return min(max(waited / 5, 0.02), MOST)
