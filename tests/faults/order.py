"""What a test asks of Duetime: a task, and every instant at which it is due, by arithmetic of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, RunState, TriggerType
from tests.support.cron_oracle import firings
from tests.support.engine import common

MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LEAD = timedelta(seconds=2)
"""How long before its first instant a load is inserted."""


@dataclass(slots=True, kw_only=True)
class Order:
    """A task that is due from `first` to `last`, both inclusive: once, by cron, or at an interval.

    `behavior` is what the target does when it is called, `final_state` the state in which runs end unless there is a
    fault, and `id` is set once the task exists.
    """

    first: datetime
    last: datetime | None = None
    every: timedelta | None = None
    cron: str | None = None
    zone: str = "UTC"
    behavior: str = "ok"
    final_state: RunState = RunState.SUCCEEDED
    overlap: OverlapPolicy = OverlapPolicy.ALLOW
    misfire: MisfirePolicy = MisfirePolicy.LATEST
    on_lost: LostPolicy = LostPolicy.RETRY
    timeout: timedelta = 30 * SECOND
    attempts: int = 3
    name: str = field(default_factory=lambda: uuid4().hex)
    id: UUID | None = None

    @property
    def path(self) -> str:
        """Return the path of the target, unique to this task."""
        return f"/{self.behavior}/{self.name}" if "/" in self.behavior else f"/{self.behavior}/0/{self.name}"

    def instants(self) -> Iterator[datetime]:
        """Yield each instant at which it is due."""
        last = self.last or self.first
        if self.cron is not None:
            # The oracle walks whole minutes, and its end is exclusive.
            begin = self.first.replace(second=0, microsecond=0)
            yield from (at for at in firings(self.cron, self.zone, begin, last + MINUTE) if self.first <= at <= last)
            return
        instant = self.first
        while instant <= last:
            yield instant
            if self.every is None:
                return
            instant += self.every

    def states(self) -> set[RunState]:
        """Return the states in which its runs may end, whatever faults occur."""
        possible = {self.final_state}
        if self.overlap != OverlapPolicy.ALLOW:
            possible.add(RunState.SKIPPED)
        if self.misfire == MisfirePolicy.SKIP:
            possible.add(RunState.MISSED)
        if self.on_lost == LostPolicy.FAIL:
            possible.add(RunState.UNKNOWN)
        return possible

    def input(self, url: str) -> dict[str, Any]:
        """Return the `CreateTaskInput` for it."""
        return {
            "name": self.name,
            "trigger": self._trigger(),
            "action": {"url": f"{url}{self.path}", "timeoutMs": self.timeout // MILLISECOND},
            "retry": {"maxAttempts": self.attempts, "initialDelayMs": 100},
            "overlap": self.overlap.upper(),
            "misfire": self.misfire.upper(),
            "onLost": self.on_lost.upper(),
            "idempotencyKey": self.name,
        }

    def row(self, url: str) -> Task:
        """Return it as a row, as it would be inserted well before `first`."""
        columns: dict[str, Any] = {"trigger_type": TriggerType.ONE_OFF, "trigger_time": self.first}
        if self.cron is not None:
            columns = {"trigger_type": TriggerType.CRON, "cron_expr": self.cron, "timezone": self.zone}
        elif self.every is not None:
            columns = {"trigger_type": TriggerType.INTERVAL, "every_ms": self.every // MILLISECOND}
        if self.last is not None:
            columns |= {"start_at": self.first, "end_at": self.last}
        columns |= {
            "name": self.name,
            "timeout_ms": self.timeout // MILLISECOND,
            "max_attempts": self.attempts,
            "overlap": self.overlap,
            "misfire": self.misfire,
            "on_lost": self.on_lost,
        }
        return Task(**common(f"{url}{self.path}", next(self.instants()), columns))

    def _trigger(self) -> dict[str, Any]:
        if self.every is None and self.cron is None:
            return {"oneOff": {"at": self.first.isoformat()}}
        limits = {"startAt": self.first.isoformat(), "endAt": self.last and self.last.isoformat()}
        if self.cron is not None:
            return {"cron": {"expression": self.cron, "timezone": self.zone, **limits}}
        assert self.every is not None
        return {"interval": {"everyMs": self.every // MILLISECOND, **limits}}


def whole(instant: datetime) -> datetime:
    """Return the instant in whole milliseconds, rounded down."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def mixed_load(
    start: datetime, *, lasts: timedelta, tasks: int, every: timedelta = SECOND, behavior: str = "ok"
) -> list[Order]:
    """Return tasks that are due at an interval, spread over it, with every overlap and misfire policy among them."""
    start = whole(start)
    policies = [(overlap, misfire) for overlap in OverlapPolicy for misfire in MisfirePolicy]
    return [
        Order(
            first=start + n * every / tasks // MILLISECOND * MILLISECOND,
            last=start + lasts,
            every=every,
            behavior=behavior,
            overlap=policies[n % len(policies)][0],
            misfire=policies[n % len(policies)][1],
        )
        for n in range(tasks)
    ]
