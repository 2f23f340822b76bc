"""Follows the events of runs, once for all subscribers of this process.

    Postgres ──read seq > last, when poked or by the clock──▶ the newest events, a bounded list ──▶ subscribers
        └───────────────────────replay of the events after a cursor─────────────────────────────────▲

A subscriber has a position and no queue: it takes from the list what follows its position. When a subscriber is so slow
that the list no longer has its next event, it receives a gap and continues with the newest event, so memory is bounded.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prometheus_client import Histogram
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.models import utc_now
from db.prepared import Row
from db.reads import events
from db.states import RunEventType
from graphql_api.events.task_changes import TaskChangeFeed
from jobs.cancellation import cancel_and_wait
from jobs.process_metrics import LAG_BUCKETS
from jobs.queue import Queue, Unreachable
from jobs.ticks import until_tick

logger = logging.getLogger(__name__)

KEPT = 10_000
CHUNK = 500
BATCH = 100
"""Number of events that a subscriber reads at once; those that it has read and not sent yet are in its own memory."""
LOOK_EVERY = timedelta(seconds=2)
LOOK_EVERY_WITHOUT_POKES = timedelta(milliseconds=250)
LONGEST_PAUSE = timedelta(seconds=2)
"""Longest pause between two tries while Postgres is away. The pauses grow, and pokes do not end them."""

Event = Row


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that a subscriber will not receive; the events that follow have numbers above `seq`."""

    seq: int
    message: str


class UnknownPosition(Exception):
    """The position is newer than the newest event, so no event can have had it."""


class Tail:
    """The newest events of this process, and its subscribers. Created by `following`."""

    def __init__(self, engine: AsyncEngine, *, kept: int = KEPT) -> None:
        self._engine = autocommit(engine)
        self._kept = kept
        self._events: list[Event] = []
        self._seq: int | None = None
        self._floor = 0
        self._moved = asyncio.Event()
        self._poked = asyncio.Event()
        self._hears_pokes = False
        self._reads = True
        self.closed = False
        self.changes = TaskChangeFeed()
        self.lag = Histogram(
            "duetime_event_lag_seconds",
            "How long after an event the process had read it; of events that are read together, the oldest counts.",
            buckets=LAG_BUCKETS,
            registry=None,
        )

    def close(self) -> None:
        """End every subscription."""
        self.closed = True
        self.changes.close()
        self._wake_subscribers()

    async def newest(self) -> int:
        """Return the number of the newest event."""
        async with self._engine.connect() as connection:
            return await events.newest(connection)

    async def position_after(self, seq: int | None) -> tuple[int, Gap | None]:
        """Return the start position of a subscriber that has seen everything up to `seq` (or wants no old events), and
        the events that it misses.

        Raises `UnknownPosition`. This does not query Postgres about what the list contains: when a thousand subscribers
        reconnect at once, most of them were disconnected only briefly.
        """
        if seq is not None and self._seq is not None and self._floor <= seq <= self._seq:
            return seq, None
        async with self._engine.connect() as connection:
            newest = await events.newest(connection)
            if seq is None or seq == newest:
                return newest, None
            if seq > newest:
                raise UnknownPosition
            oldest = await events.oldest_kept(connection)
        if oldest is None or seq + 1 < oldest:
            return newest, Gap(newest, "The events after this cursor are no longer kept; read the present state")
        return seq, None

    async def follow(
        self, position: int, *, task_id: UUID | None = None
    ) -> AsyncGenerator[Sequence[Event] | Gap, None]:
        """Yield every event after `position`, of one task if given, in order, in batches, until the tail is closed."""
        while self._seq is None and not self.closed:
            await self._moved.wait()
        while position < self._floor and not self.closed:
            position, replayed = await self._replay(position, task_id)
            if replayed:
                yield replayed
        while not self.closed:
            if position < self._floor:
                position = self._seq or self._floor
                yield Gap(position, "This subscriber was too slow, and events were left out; read the present state")
                continue
            start = bisect_right(self._events, position, key=seq_of)
            batch = self._events[start : start + BATCH]
            if not batch:
                await self._moved.wait()
                continue
            position = batch[-1].seq
            matching = batch if task_id is None else [event for event in batch if event.task_id == task_id]
            if matching:
                yield matching

    async def _replay(self, position: int, task_id: UUID | None) -> tuple[int, Sequence[Event] | Gap]:
        """Return the next stored events after `position` that the list does not have, and the position they reach."""
        async with self._engine.connect() as connection:
            newest = await events.newest(connection)
            batch = await events.after(connection, position, limit=BATCH, task_id=task_id)
            # Read last: what was still stored now had not been removed when the batch was read.
            oldest = await events.oldest_kept(connection)
        if position < newest and (oldest is None or position + 1 < oldest):
            return newest, Gap(newest, "Events were removed before they could be sent; read the present state")
        # Fewer than requested: nothing is left up to what was the newest event when the batch was read.
        return batch[-1].seq if len(batch) == BATCH else max(newest, batch[-1].seq if batch else position), batch

    def start(self, queue: Queue) -> list[asyncio.Task[None]]:
        """Start reading new events. The tasks survive outages of Redis and Postgres."""
        return [asyncio.create_task(self._listen(queue)), asyncio.create_task(self._read_forever())]

    async def _listen(self, queue: Queue) -> None:
        while True:
            try:
                async for changed in queue.pokes():
                    self._hears_pokes = True
                    if changed:
                        self.changes.note(changed)
                    else:
                        self._poked.set()
            except Unreachable as error:
                if self._hears_pokes:
                    logger.warning(
                        "Events are polled while Redis is down.",
                        extra={"action": "tail_polls", "error": message_of(error)},
                    )
                self._hears_pokes = False
                self._poked.set()
            await asyncio.sleep(LOOK_EVERY_WITHOUT_POKES.total_seconds())

    async def _read_forever(self) -> None:
        pause = LOOK_EVERY_WITHOUT_POKES
        while True:
            try:
                # Kept open, so that the tail never competes with its subscribers for a connection.
                async with self._engine.connect() as connection:
                    while True:
                        self._poked.clear()
                        await self._read(connection)
                        self._reads = True
                        pause = LOOK_EVERY_WITHOUT_POKES
                        await self._pause(LOOK_EVERY if self._hears_pokes else LOOK_EVERY_WITHOUT_POKES)
            except CONNECTION_ERRORS as error:
                if self._reads:
                    logger.warning(
                        "Events cannot be read.", extra={"action": "tail_failed", "error": message_of(error)}
                    )
                self._reads = False
            await asyncio.sleep(pause.total_seconds())
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _pause(self, longest: timedelta) -> None:
        # Not wait_for, which before Python 3.12 loses a cancellation that arrives together with the poke.
        with suppress(TimeoutError):
            async with asyncio.timeout(until_tick(longest).total_seconds()):
                await self._poked.wait()

    async def _read(self, connection: AsyncConnection) -> None:
        if self._seq is None:
            self._seq = self._floor = await events.newest(connection)
            self._wake_subscribers()
        while chunk := await events.after(connection, self._seq, limit=CHUNK):
            self.lag.observe(max((utc_now() - chunk[0].at).total_seconds(), 0))
            self._events += chunk
            self._seq = chunk[-1].seq
            self.changes.note(event.task_id for event in chunk if moves_task(event))
            if len(self._events) > self._kept:
                self._floor = self._events[-self._kept - 1].seq
                del self._events[: -self._kept]
            self._wake_subscribers()
            if len(chunk) < CHUNK:
                return

    def _wake_subscribers(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def moves_task(event: Event) -> bool:
    """Return whether the event changes its task: the next instant, the last run, or the final status."""
    return event.type not in {RunEventType.ATTEMPT_FAILED, RunEventType.ATTEMPT_LOST} and not (
        event.type == RunEventType.STARTED and event.attempt > 1
    )


def seq_of(event: Event) -> int:
    """Return the number of an event."""
    seq: int = event.seq
    return seq


@asynccontextmanager
async def following(engine: AsyncEngine, queue: Queue, *, kept: int = KEPT) -> AsyncIterator[Tail]:
    """Run a tail while the block lasts. It keeps the `kept` newest events for its subscribers."""
    tail = Tail(engine, kept=kept)
    parts = tail.start(queue)
    try:
        yield tail
    finally:
        tail.close()
        await cancel_and_wait(*parts)
