"""The moments at which a process does its periodic work, in one wake-up. A process that was idle has lost its place in
the caches of the CPU, so that each wake-up of its own takes longer than the work.

They lie shortly after each full second, when what is due at the second has started. arq's cron calls the sweep then.
Work of every two seconds or more is done after the even ones.
"""

import time
from datetime import timedelta

AFTER_SECOND = timedelta(microseconds=123_456)
"""arq's default of `microsecond`."""


AHEAD = timedelta(milliseconds=10)
"""How long before the others the work comes that they must not delay."""


def until_tick(pause: timedelta, *, ahead: timedelta = timedelta()) -> timedelta:
    """Return the pause, moved by up to a second to end at a tick, or that long before it.

    A shorter one than a second stays as it is.
    """
    if pause < timedelta(seconds=1):
        return pause
    apart = 1 if pause < timedelta(seconds=2) else 2
    now, offset = time.time(), (AFTER_SECOND - ahead).total_seconds()
    return timedelta(seconds=round((now + pause.total_seconds() - offset) / apart) * apart + offset - now)
