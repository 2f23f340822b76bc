"""Starts the runs that wait for flow limits, in order, as the limits and this worker's slots allow. Every worker does
that. The lock of the limits lets one of them act at a time, and a worker takes a run's share of the limits in the
transaction that starts it, so a killed worker leaves nothing to clean up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import flow
from db.engine.flow import Place
from db.prepared import Row
from jobs.clock import Clock
from jobs.engine.admission import Admission
from jobs.engine.claim import fits, start_waiting
from jobs.engine.claimed import Claimed
from jobs.engine.dispatcher import BATCH, Dispatcher
from jobs.engine.flow_limits import Budget, FlowLimits
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease
from jobs.engine.metrics import EngineMetrics
from jobs.engine.notifier import Notifier
from jobs.queue import Queue, Unreachable
from jobs.ticks import until_tick

logger = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(seconds=2)
REFRESH_EVERY_UNHEARD = timedelta(seconds=1)
"""The same, while Redis does not announce changes."""
NEARLY = timedelta(milliseconds=100)
"""By how much a timer may end early."""
STEP = timedelta(milliseconds=20)
"""Pause between two checks of the waiting runs, which lets several of them start together."""
WITHOUT_SLOTS = timedelta(milliseconds=100)
"""The same, while no slot is free; the end of a run cuts it short."""
WAITED = timedelta(milliseconds=100)
"""A run that starts later than this after it was due has waited for its limit, not only for the next check."""
RELEASED_PER_REFRESH = 1_000


class Judgement(NamedTuple):
    """The decision about waiting runs: those that start now, and those that move to another place. `lacking` are the
    limits that would let further runs start if there were free slots.
    """

    starting: list[Row]
    places: dict[UUID, Place]
    lacking: set[UUID]


class FlowStarter:
    """The flow limits of one worker. `run` and `follow_changes` belong to its owner."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        admission: Admission,
        in_flight: InFlight,
        dispatcher: Dispatcher,
        lease: Lease,
        clock: Clock,
        notifier: Notifier,
        queue: Queue,
        metrics: EngineMetrics,
    ) -> None:
        self._engine = engine
        self._single_statements = autocommit(engine)
        self._admission = admission
        self._in_flight = in_flight
        self._dispatcher = dispatcher
        self._lease = lease
        self._clock = clock
        self._notifier = notifier
        self._queue = queue
        self._metrics = metrics
        self._refreshed: float | None = None
        self._outdated = False
        self._hears_changes = True
        self._stopping = False
        self.lock = asyncio.Lock()
        """Held from the statement that starts runs until their attempts are registered."""

    async def run(self) -> None:
        """Keep the limits up to date, and start runs that wait for them, until cancelled."""
        while True:
            look_at = None
            try:
                await self._refresh()
                if self._admission.awaited:
                    look_at = await self._start()
            except CONNECTION_ERRORS as error:
                logger.warning("Flow limits wait.", extra={"action": "flow_failed", "error": message_of(error)})
            await asyncio.sleep(STEP.total_seconds())
            refreshes = until_tick(self._refresh_every)
            await self._admission.wait_wanted(
                within=refreshes if look_at is None else min(look_at - self._clock.now(), refreshes)
            )

    async def follow_changes(self) -> None:
        """Trigger a reading of limits and pauses when another process has changed them, until cancelled."""
        while True:
            try:
                async for _ in self._queue.changes_of_limits():
                    self._hears_changes = self._outdated = True
                    self._admission.want()
            except Unreachable as error:
                if self._hears_changes:
                    logger.warning(
                        "Flow limits are read once a second.",
                        extra={"action": "limits_polled", "error": message_of(error)},
                    )
                self._hears_changes = False
            await asyncio.sleep(REFRESH_EVERY_UNHEARD.total_seconds())

    async def refresh(self) -> None:
        """Read limits and pauses, and store new pauses for other workers. Raises what the database raises."""
        self._outdated = False
        async with self._single_statements.connect() as connection:
            unsaved = self._admission.take_unsaved()
            for pause in unsaved:
                await flow.pause(connection, pause)
            if unsaved:
                self._notifier.notify(limits=True)
            self._admission.begin_look()
            rows = await flow.limits(connection)
            self._admission.learn_pauses(await flow.pauses(connection, now=self._clock.now()))
            gone = [row.id for row in rows if not row.exists]
            if gone:
                await flow.release(connection, gone, limit=RELEASED_PER_REFRESH)
                self._notifier.notify(due=[self._clock.now()])
                # There may be more runs that wait for them, or another worker has locked some.
                self._outdated = True
                self._admission.want()
        self._admission.learn_limits(rows)
        self._refreshed = monotonic()

    @property
    def _refresh_every(self) -> timedelta:
        return REFRESH_EVERY if self._hears_changes else REFRESH_EVERY_UNHEARD

    async def _refresh(self) -> None:
        since = None if self._refreshed is None else monotonic() - self._refreshed
        is_due = since is None or since >= (self._refresh_every - NEARLY).total_seconds()
        if is_due or self._outdated or self._admission.has_unsaved:
            await self.refresh()

    async def stop(self) -> None:
        """Start no further run, and wait for those that are being started."""
        self._stopping = True
        async with self.lock:
            pass

    async def _start(self) -> datetime | None:
        """Start the runs that may start. Return when to check again, if that is known."""
        slots = self._in_flight.slots
        held: list[str] = []
        async with self.lock:
            if self._stopping or not self._lease.held:
                return None
            try:
                claimed, look_at = await self._claim(held)
            except BaseException:
                # The commit may have succeeded although its acknowledgement was lost.
                self._in_flight.needs_reconcile = True
                raise
            finally:
                for host in held:
                    slots.give(host)
            self._in_flight.register(claimed.attempts)
            self._metrics.claimed(len(claimed.attempts))
        self._notifier.notify(due=claimed.next_due, events=claimed.any)
        return look_at

    async def _claim(self, held: list[str]) -> tuple[Claimed, datetime | None]:
        """Claim waiting runs that may start, and reserve slots for them, by their hosts. Also return when to check
        again.

        When this raises, the commit may have succeeded nevertheless.
        """
        admission, now, claimed = self._admission, self._clock.now(), Claimed()
        async with self._engine.begin() as connection:
            if not await flow.try_lock(connection):
                return claimed, now + STEP
            # Only a statement that begins after the lock was taken sees the runs that its last holder started.
            admission.begin_look()
            admission.learn_limits(await flow.limits(connection))
            budgets = await budgets_of(connection, admission.limits, now=now)
            room = {limit_id: budgets[limit_id].most(BATCH) for limit_id in admission.awaited}
            room = {limit_id: most for limit_id, most in room.items() if most}
            waiting = await flow.lock_first(connection, room) if room else ()
            judgement = self._judge(waiting, budgets, now=now)
            for row in judgement.starting:
                self._in_flight.slots.take(row.host)
                held.append(row.host)
            await carry_out(connection, judgement, budgets, worker_id=self._lease.worker_id, now=now, claimed=claimed)
        self._metrics.flow_waits.inc(sum(now - row.next_attempt_at > WAITED for row in judgement.starting))
        admission.lacked_slots = bool(judgement.lacking)
        instants = [budgets[limit_id].earliest(now) for limit_id in admission.awaited & budgets.keys()]
        look_at = min((at for at in instants if at is not None), default=None)
        if judgement.lacking and look_at is not None:
            look_at = max(look_at, now + WITHOUT_SLOTS)
        return claimed, look_at

    def _judge(self, waiting: Sequence[Row], budgets: dict[UUID, Budget], *, now: datetime) -> Judgement:
        """Judge runs in order, and deduct those that start from the budgets. A run starts only if all limits that apply
        to it allow it. Otherwise it waits for one that does not. Slots that a claim of the dispatcher may be about to
        take are not used.
        """
        admission, slots = self._admission, self._in_flight.slots
        begun = Counter({"": min(slots.free, BATCH)}) if self._dispatcher.lock.locked() else Counter[str]()
        judgement = Judgement([], {}, set())
        for row in waiting:
            paused = admission.pause_of(row.host, due=row.next_attempt_at, now=now)
            if paused is not None:
                judgement.places[row.run_id] = paused
                continue
            applying = [budgets[limit.id] for limit in admission.limits.of_call(row.host, row.flow_key)]
            starts = [(budget.limit.id, budget.earliest(row.next_attempt_at)) for budget in applying]
            blocking = {limit_id for limit_id, at in starts if at is None or at > now}
            if not blocking and fits(row, slots=slots, begun=begun):
                for budget in applying:
                    budget.take(max(at for _, at in starts if at is not None))
                judgement.starting.append(row)
            elif not blocking:
                judgement.lacking.add(row.flow_limit_id)
            elif row.flow_limit_id not in blocking:
                judgement.places[row.run_id] = Place(row.next_attempt_at, min(blocking))
        return judgement


async def budgets_of(connection: AsyncConnection, limits: FlowLimits, *, now: datetime) -> dict[UUID, Budget]:
    """Return the remaining capacity of each limit."""
    running: Counter[UUID] = Counter()
    if any(limit.max_concurrent is not None for limit in limits.by_id.values()):
        for host, flow_key, count in await flow.running(connection):
            for limit in limits.of_call(host, flow_key):
                running[limit.id] += count
    return {limit.id: Budget(limit, running=running[limit.id], now=now) for limit in limits.by_id.values()}


async def carry_out(
    connection: AsyncConnection,
    judgement: Judgement,
    budgets: dict[UUID, Budget],
    *,
    worker_id: UUID,
    now: datetime,
    claimed: Claimed,
) -> None:
    """Start or move runs that this transaction has locked, and store the remaining capacity of the limits."""
    if judgement.places:
        await flow.place(connection, judgement.places)
        claimed.add_places(judgement.places.values())
    if judgement.starting:
        used = {
            (limit_id, budget.limit.version): budget.free_at
            for limit_id, budget in budgets.items()
            if budget.free_at is not None and budget.free_at != budget.limit.free_at
        }
        if used:
            await flow.keep_rates(connection, used)
        claimed.any = True
        await start_waiting(connection, judgement.starting, worker_id=worker_id, now=now, claimed=claimed)
