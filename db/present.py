"""The current time of a process: its host's clock, until the process follows another one.

The defaults of columns and many use cases take the present from here, so that none of them sees the clock of a host
that is wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

ReadClock = Callable[[], datetime]


def host_clock() -> datetime:
    """Return the present by this host's clock."""
    return datetime.now(UTC)


followed: list[ReadClock] = [host_clock]
"""The clocks that are followed. The last one is in use."""


def now() -> datetime:
    """Return the present, aware, in UTC."""
    return followed[-1]()


@contextmanager
def following(clock: ReadClock) -> Iterator[None]:
    """Take the present from another clock until the block ends."""
    followed.append(clock)
    try:
        yield
    finally:
        followed.remove(clock)
