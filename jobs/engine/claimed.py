"""The result of a claim: the attempts that this worker now has to make, and the next due instants."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from db.engine.flow import Place
from jobs.http.request import Action
from jobs.http.statuses import SUCCESS, statuses
from jobs.retry import RetryPolicy

AttemptKey = tuple[UUID, int]
"""A run and its epoch. After a stall, a process may claim a run of which it is still making an older attempt."""


class Attempt(NamedTuple):
    """One attempt that this worker has claimed: the run it belongs to, the request, which statuses are a success, and
    the retry policy.

    `one_off`, `releases` and `counts_failures` describe the further effects of the run's end (see
    `db.engine.finishes`).
    """

    run_id: UUID
    task_id: UUID
    task_name: str
    epoch: int
    number: int
    scheduled_for: datetime
    host: str
    one_off: bool
    releases: bool
    action: Action
    retry: RetryPolicy
    success: frozenset[int] = statuses(SUCCESS)
    counts_failures: bool = False
    flow_key: str = ""

    @property
    def key(self) -> AttemptKey:
        """Return the run and the claim that this attempt belongs to."""
        return self.run_id, self.epoch


@dataclass(slots=True)
class Claimed:
    """The result of one claim."""

    attempts: list[Attempt] = field(default_factory=list)
    next_due: list[datetime] = field(default_factory=list)
    """The instants at which the claimed tasks are due again, and runs that wait for the end of a pause."""
    places: list[Place] = field(default_factory=list)
    """Where claimed runs wait instead of being started."""
    left: bool = False
    """Whether the claim may have left due work behind because slots were short."""
    any: bool = False
    """Whether anything was due."""

    def add_places(self, places: Iterable[Place]) -> None:
        """Add where claimed runs wait."""
        self.places.extend(places)
        self.next_due.extend(place.start_at for place in self.places if place.flow_limit_id is None)
