"""The time that every worker fires by: this host's clock, corrected to Postgres's."""

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the present, aware, in UTC. Workers on hosts whose clocks differ agree through `correct`."""

    def __init__(self) -> None:
        self._offset = timedelta()

    @property
    def offset(self) -> timedelta:
        """How far Postgres's clock is ahead of this host's, as far as that is known."""
        return self._offset

    def now(self) -> datetime:
        """The present instant."""
        return datetime.now(UTC) + self._offset

    def correct(self, *, asked_at: datetime, answered_at: datetime, theirs: datetime) -> None:
        """Takes in one reading of Postgres's clock, bracketed by two of this host's uncorrected one.

        The reading places the offset within an interval as wide as the round trip. An offset that already lies in it
        is kept, so on one host, where the true offset is none, jitter of the network never moves the clock.
        """
        least, most = theirs - answered_at, theirs - asked_at
        self._offset = min(max(self._offset, least), most)

    async def wait_until(self, instant: datetime) -> None:
        """Sleeps until `instant`, and never less: a loop's timer can end half a millisecond early, so look again."""
        while (left := instant - self.now()) > timedelta():  # noqa: ASYNC110 (there is no event to wait for but time)
            await asyncio.sleep(left.total_seconds())
