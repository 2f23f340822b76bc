"""Runs an API process, and prints after each SIGUSR1 the longest time for which its event loop was held since the last.

Run it as `python -m tests.bench.watched_api`; it prints milliseconds of the loop's own CPU time, because on a busy
machine other processes have the CPU in between.
"""

import asyncio
import signal
import sys
import time
from functools import partial
from typing import Any

from duetime import api
from duetime.command import main

LOOK_EVERY = 0.001


class Watch:
    """Measures the CPU time between two turns of the event loop."""

    def __init__(self) -> None:
        self._longest = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        last = time.thread_time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.thread_time()
            self._longest = max(self._longest, now - last)
            last = now

    def tell(self) -> None:
        """Print the longest time, and forget it."""
        print(f"{self._longest * 1000:.2f}", flush=True)  # noqa: T201 (the parent reads it)
        self._longest = 0.0


async def serve_watched(serve: Any, *settings: Any) -> None:
    """Serve the API, watched."""
    watch = Watch()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, watch.tell)
    watching = asyncio.create_task(watch.run())
    await serve(*settings)
    watching.cancel()


if __name__ == "__main__":
    vars(api)["serve_api"] = partial(serve_watched, api.serve_api)
    sys.argv[1:] = ["api"]
    main()
