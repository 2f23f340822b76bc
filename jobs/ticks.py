"""The moments at which a process does its periodic work, in one wake-up. An idle process loses its place in the CPU's
caches, so a separate wake-up costs more than the work for which it comes.

They lie shortly after each full second, when what is due at the second has started. arq's cron calls the sweep then.
Work of every two seconds or more is done after the even ones.
"""

import time
from datetime import timedelta

AFTER_SECOND = timedelta(microseconds=123_456)
"""arq's default of `microsecond`."""
AHEAD = timedelta(milliseconds=10)
"""How much earlier work is done that the rest of a tick would delay."""


def until_tick(pause: timedelta, *, ahead: timedelta = timedelta()) -> timedelta:
    """Return the pause, moved by up to a second to end at a tick, or that long before it.

    A shorter one than a second stays as it is.
    """
    if pause < timedelta(seconds=1):
        return pause
    apart = 1 if pause < timedelta(seconds=2) else 2
    now, offset = time.time(), (AFTER_SECOND - ahead).total_seconds()
    return timedelta(seconds=round((now + pause.total_seconds() - offset) / apart) * apart + offset - now)
