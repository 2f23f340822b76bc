"""Being asked to stop: the first signal stops gracefully, a second one at once."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

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

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A signal that we were started to ignore (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop)
