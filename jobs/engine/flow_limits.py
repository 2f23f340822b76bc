"""Flow limits: which of them apply to a call, and when it may start. Pure, so the present is an argument.

The rate is GCRA, the form of a token bucket that says for each run at which instant it may start. Waiting runs are
judged by the instants at which they could have started, not by the time of the check, so a slightly late check does not
lower the rate.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

CATCH_UP = timedelta(milliseconds=200)
"""How late a check may be without lowering the rate. Runs that were delayed longer do not all start at once."""


class FlowLimit(NamedTuple):
    """A limit of the calls to a host, to all hosts below a name (`*.example.com`), or of a flow key."""

    id: UUID
    host: str | None
    flow_key: str | None
    max_concurrent: int | None
    rate_per_second: float | None
    burst: int | None
    free_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: Any) -> "FlowLimit":
        """Return a limit from a row that has its columns."""
        return cls(*(getattr(row, name) for name in cls._fields))


class FlowLimits:
    """All limits, to be looked up by calls."""

    def __init__(self, limits: Iterable[FlowLimit] = ()) -> None:
        self.by_id = {limit.id: limit for limit in limits}
        self._by_host = {limit.host: limit for limit in self.by_id.values() if limit.host is not None}
        self._by_key = {limit.flow_key: limit for limit in self.by_id.values() if limit.flow_key is not None}

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def of_call(self, host: str, flow_key: str) -> list[FlowLimit]:
        """Return the limits of a call to `host` (with its port): every one that matches, the most specific first."""
        found = [self._by_host[each] for each in spellings(host) if each in self._by_host] if self._by_host else []
        if flow_key and flow_key in self._by_key:
            found.insert(0, self._by_key[flow_key])
        return found


def spellings(host: str) -> Iterator[str]:
    """Yield the keys under which a host may be limited: itself and all patterns, with and without its port."""
    name, _, port = host.rpartition(":")
    while name:
        yield f"{name}:{port}"
        yield name
        _, _, parent = name.removeprefix("*.").partition(".")
        name = f"*.{parent}" if parent else ""


class Budget:
    """The remaining capacity of a limit at one moment: the runs that may start in addition to the running ones, and the
    next start."""

    def __init__(self, limit: FlowLimit, *, running: int, now: datetime) -> None:
        self.limit = limit
        self.free_at = limit.free_at
        self._places = None if limit.max_concurrent is None else max(limit.max_concurrent - running, 0)
        self._now = now

    @property
    def _interval(self) -> timedelta | None:
        rate = self.limit.rate_per_second
        return None if rate is None else timedelta(seconds=1 / rate)

    def earliest(self, due: datetime) -> datetime | None:
        """Return when a run that has waited since `due` may start; None if another run has to end before."""
        if self._places == 0:
            return None
        since = max(due, self._now - CATCH_UP)
        if self._interval is None or self.free_at is None:
            return since
        return max(since, self.free_at - self._interval * ((self.limit.burst or 1) - 1))

    def take(self, start: datetime) -> None:
        """Count a run that starts."""
        if self._places is not None:
            self._places -= 1
        if self._interval is not None:
            self.free_at = max(start, self.free_at or start) + self._interval

    def most(self, number: int) -> int:
        """Return how many runs could start now, at most `number`."""
        if self._places is not None:
            number = min(number, self._places)
        if self._interval is None:
            return number
        base = max(self._now - CATCH_UP, self.free_at or self._now - CATCH_UP)
        return max(0, min(number, (self._now - base) // self._interval + (self.limit.burst or 1)))
