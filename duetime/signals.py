"""Handles the signals that stop a process: the first one stops it gracefully, the second one immediately."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

STOPPED_BY_USER = 130


def on_stop(gracefully: Callable[[], object], *, immediately: Callable[[], None] = lambda: None) -> None:
    """Install handlers for SIGINT, SIGTERM and SIGHUP.

    The first signal calls `gracefully` in the running loop. The second one calls `immediately` and ends the process.
    """
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            immediately()
            os._exit(STOPPED_BY_USER)
        stopping = True
        gracefully()

    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop))
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    # nohup ignores SIGHUP so that the process survives its terminal.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop)
