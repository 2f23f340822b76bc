"""The time that every worker fires by: Postgres's clock, told between two looks at it by one that nobody can set."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the present, aware, in UTC. Workers on hosts whose clocks differ agree through `correct`."""

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._offset = timedelta()

    @property
    def offset(self) -> timedelta:
        """How far Postgres's clock is ahead of the uncorrected one, as far as that is known."""
        return self._offset

    def uncorrected(self) -> datetime:
        """What this host's clock would show if it had gone on evenly since the start: it may have been set."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)

    def now(self) -> datetime:
        """The present instant."""
        return self.uncorrected() + self._offset

    def host_is_behind(self) -> timedelta:
        """How far this host's own clock, which may have been set, is behind the present."""
        return self.now() - datetime.now(UTC)

    def correct(self, *, asked_at: datetime, answered_at: datetime, theirs: datetime) -> None:
        """Takes in one reading of Postgres's clock, bracketed by two of the uncorrected one.

        The reading places the offset within an interval as wide as the round trip. An offset that already lies in it
        is kept, so on one host, where the true offset is none, jitter of the network never moves the clock. Any other
        becomes the least that is possible, since what is late by a round trip is better than what is early.
        """
        least, most = theirs - answered_at, theirs - asked_at
        if not least <= self._offset <= most:
            self._offset = least

    async def wait_until(self, instant: datetime) -> None:
        """Sleeps until `instant`, and never less: a loop's timer can end half a millisecond early, so look again."""
        while (left := instant - self.now()) > timedelta():  # noqa: ASYNC110 (there is no event to wait for but time)
            await asyncio.sleep(left.total_seconds())
