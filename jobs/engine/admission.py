"""Which calls of a worker have to wait: for a flow limit, or because their host has asked for a pause.

A claim checks here, in memory, and gives each run that has to wait a place; `jobs.engine.flow_starter` keeps this up to
date, and starts runs when they may start. Without limits and pauses, a claim does no extra work.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from db.engine.flow import Pause, Place
from db.prepared import Row
from jobs.engine.flow_limits import FlowLimit, FlowLimits

LONGEST_PAUSE = timedelta(minutes=5)
"""The default maximum of a pause, even if the host asks for more."""
RESTARTS_FASTER = 10
"""Runs that became due during a pause start after it in order, spread over a tenth of the time in which they became
due."""


class Admission:
    """The limits and pauses that one worker knows."""

    def __init__(self, *, longest_pause: timedelta = LONGEST_PAUSE) -> None:
        self.limits = FlowLimits()
        self.awaited: set[UUID] = set()
        """The limits that runs wait for, as far as this worker knows."""
        self.lacked_slots = False
        """Whether runs that could have started found no slot on this worker."""
        self._longest_pause = longest_pause
        self._pauses: dict[str, Pause] = {}
        self._unsaved: dict[str, Pause] = {}
        self._placed_meanwhile: set[UUID] = set()
        self._wanted = asyncio.Event()

    @property
    def has_unsaved(self) -> bool:
        """Whether this worker knows pauses that no other worker knows."""
        return bool(self._unsaved)

    def place_of(self, host: str, flow_key: str, *, due: datetime, now: datetime) -> Place | None:
        """Return the place where a due run waits, or None if it starts at once."""
        paused = self.pause_of(host, due=due, now=now)
        if paused is not None:
            return paused
        limits = self.limits.of_call(host, flow_key)
        return Place(due, limits[0].id) if limits else None

    def places_of(self, due: Iterable[tuple[UUID, Row, datetime]], *, now: datetime) -> dict[UUID, Place]:
        """Return the places of the rows that do not start at once, by their ids. Each row has the instant since which
        it is due."""
        if not self._pauses and not self.limits:
            return {}
        places = {name: self.place_of(row.host, row.flow_key, due=since, now=now) for name, row, since in due}
        return {name: place for name, place in places.items() if place is not None}

    def pause_of(self, host: str, *, due: datetime, now: datetime) -> Place | None:
        """Return until when a run that is due waits for the end of a pause, or None if its host is not paused."""
        pause = self._pauses.get(host)
        if pause is None or pause.until <= now:
            return None
        return Place(pause.until + max(due - pause.began_at, timedelta()) / RESTARTS_FASTER)

    def placed(self, places: Iterable[Place]) -> None:
        """Note that runs wait. Limits for which runs already wait have a known time of the next check."""
        awaited = {place.flow_limit_id for place in places if place.flow_limit_id is not None}
        self._placed_meanwhile |= awaited
        if awaited - self.awaited:
            self.awaited |= awaited
            self._wanted.set()

    def want(self) -> None:
        """End the wait of `wait_wanted`."""
        self._wanted.set()

    def begin_look(self) -> None:
        """Note that the limits are about to be read; runs placed from now on are not included."""
        self._placed_meanwhile.clear()

    def learn_limits(self, rows: Sequence[Row]) -> None:
        """Replace the known limits by the existing ones, and note for which of them runs wait."""
        self.limits = FlowLimits(FlowLimit.of(row) for row in rows if row.exists)
        awaited = {row.id for row in rows if row.is_awaited} | self._placed_meanwhile
        self.awaited = awaited & self.limits.by_id.keys()

    def ended(self, host: str, flow_key: str) -> None:
        """Note that a run has ended, for which another one may start."""
        if not self.awaited:
            return
        limits = self.limits.of_call(host, flow_key)
        if self.lacked_slots or any(limit.max_concurrent is not None for limit in limits):
            self._wanted.set()

    def pause(self, pause: Pause) -> None:
        """Note that a host has asked for a pause, which has to be passed on to other workers."""
        pause = pause._replace(until=min(pause.until, pause.began_at + self._longest_pause))
        known = self._pauses.get(pause.host)
        if pause.until > (pause.began_at if known is None else known.until):
            self._pauses[pause.host] = pause
            self._unsaved[pause.host] = pause
            self._wanted.set()

    def take_unsaved(self) -> list[Pause]:
        """Return the pauses that no other worker knows yet."""
        unsaved, self._unsaved = self._unsaved, {}
        return list(unsaved.values())

    def learn_pauses(self, pauses: Iterable[Pause]) -> None:
        """Replace the known pauses by those of all workers."""
        self._pauses = {pause.host: pause for pause in pauses}

    async def wait_wanted(self, *, within: timedelta) -> None:
        """Wait until a run may have to be started, at most for a time."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()
