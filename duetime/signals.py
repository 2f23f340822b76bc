"""Being asked to stop: the first signal stops gracefully, a second one at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

STOPPED_BY_USER = 130


def on_stop(gracefully: Callable[[], object], *, at_once: Callable[[], None] = lambda: None) -> None:
    """Calls `gracefully` in the running loop at the first signal; at the second `at_once`, and ends this process."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            at_once()
            os._exit(STOPPED_BY_USER)
        asked = True
        gracefully()

    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop))
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    # Under nohup the terminal's end is none of ours.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop)
