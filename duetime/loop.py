"""The event loop of the API and of the workers: uvloop, where it is installed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what creates a loop of uvloop, or a loop of asyncio on a platform for which there is no uvloop."""
    try:
        import uvloop  # noqa: PLC0415 (not on every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(process: Coroutine[Any, Any, None]) -> None:
    """Run a process to its end."""
    with asyncio.Runner(loop_factory=factory()) as runner:
        runner.run(process)
