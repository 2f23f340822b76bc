"""The time by which every worker fires: Postgres's clock, advanced between readings by the monotonic clock."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Returns the present as an aware instant in UTC. Workers on hosts whose clocks differ agree through `correct`."""

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._offset = timedelta()

    @property
    def offset(self) -> timedelta:
        """How far Postgres's clock is ahead of the uncorrected one, according to the last reading."""
        return self._offset

    def uncorrected(self) -> datetime:
        """Return what this host's clock would show if nobody had set it since the start."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)

    def now(self) -> datetime:
        """Return the present instant."""
        return self.uncorrected() + self._offset

    def host_is_behind(self) -> timedelta:
        """Return how far this host's own clock, which may have been set, is behind the present."""
        return self.now() - datetime.now(UTC)

    def correct(self, *, asked_at: datetime, answered_at: datetime, database_now: datetime) -> None:
        """Apply one reading of Postgres's clock, between two readings of the uncorrected one.

        The reading places the offset within an interval as wide as the round trip. An offset that already lies in it
        stays, so network jitter never moves the clock on a single host, where the true offset is zero. Any other offset
        becomes the smallest possible one, because a call that is late by a round trip is better than an early one.
        """
        least, most = database_now - answered_at, database_now - asked_at
        if not least <= self._offset <= most:
            self._offset = least

    async def wait_until(self, instant: datetime) -> None:
        """Sleep until `instant`, never less: a timer of the loop can end half a millisecond early, so check again."""
        while (left := instant - self.now()) > timedelta():  # noqa: ASYNC110 (time is the only event to wait for)
            await asyncio.sleep(left.total_seconds())
