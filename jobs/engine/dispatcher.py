"""Claims due runs while there are free slots, and registers the attempts. arq only triggers the claims
(`dispatch_bucket`); everything else comes from Postgres.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit, message_of
from db.engine import claims
from jobs.clock import Clock
from jobs.datetimes import FIRST_INSTANT
from jobs.engine.admission import Admission
from jobs.engine.background import BackgroundTasks
from jobs.engine.claim import RECENT, claim_tasks, claim_waiting, waiting_is_due
from jobs.engine.claimed import Claimed
from jobs.engine.in_flight import InFlight
from jobs.engine.lease import Lease
from jobs.engine.metrics import EngineMetrics
from jobs.engine.notifier import Notifier
from jobs.queue import bucket_start

logger = logging.getLogger(__name__)

Claiming = Callable[..., Awaitable[Claimed]]

BATCH = 100
AHEAD = timedelta(milliseconds=3)
"""How long before an instant its tasks are locked, which takes about 1 ms, and 2.5 ms in one case of a hundred. A
change of such a task waits meanwhile, as during any claim.
"""
RETRY_LOCKED_AFTER = timedelta(milliseconds=10)
"""When to claim again while another worker has locked a due row, which it may still release."""


class Dispatcher:
    """The claim loop of one worker."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        in_flight: InFlight,
        admission: Admission,
        lease: Lease,
        clock: Clock,
        notifier: Notifier,
        metrics: EngineMetrics,
    ) -> None:
        self._engine = engine
        self._single_statements = autocommit(engine)
        self._admission = admission
        self._in_flight = in_flight
        self._slots = in_flight.slots
        self._lease = lease
        self._clock = clock
        self._notifier = notifier
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._claims: set[asyncio.Task[None]] = set()
        self._resumptions = BackgroundTasks()
        self._claiming_overdue: asyncio.Task[None] | None = None
        self._stopping = False
        self._backlog_since: datetime | None = None
        self._slots_are_short = False
        self._waiting_runs_first = False

    @property
    def full(self) -> bool:
        """Whether no further attempt can start here."""
        return self._slots.free == 0

    @property
    def lock(self) -> asyncio.Lock:
        """The lock that a claim holds from its statement until its attempts are registered."""
        return self._lock

    async def dispatch_bucket(self, bucket: int) -> None:
        """Claim what becomes due within a bucket, at its instants, until the bucket has ended.

        It stays until the end, because arq drops a wake-up for a bucket while this one is open. It does not wait for
        attempts. A wake-up comes a bucket early, and what is due until then belongs to the bucket before.
        """
        due, end = bucket_start(bucket), bucket_start(bucket + 1)
        while not self._stopping:
            await self._clock.wait_until(due - AHEAD)
            await self.claim_due(bucket=bucket, due=due)
            now = self._clock.now()
            if now >= end:
                return
            next_due = None if self.full else await self._next_due(since=now - RECENT, before=end)
            # Due rows that were not claimed are locked by another worker, or wait for a slot.
            is_left = self.full or (next_due is not None and next_due <= now)
            due = min(now + RETRY_LOCKED_AFTER if is_left else next_due or end, end)

    async def _next_due(self, *, since: datetime, before: datetime) -> datetime | None:
        async with self._single_statements.connect() as connection:
            return await claims.next_due(
                connection, since=since, before=before, hosts_excluded=self._slots.saturated_hosts
            )

    async def claim_due(
        self, *, everything: bool = False, bucket: int | None = None, due: datetime | None = None
    ) -> None:
        """Claim until nothing is due or no slot is free; `resume` continues when slots become free.

        With `everything` it claims all overdue runs, not only those of the last minute. `bucket` is the bucket that the
        caller dispatches: when the slots run out, another worker is woken for it. `due` may be shortly ahead: what is
        due then is locked now, and starts at that instant. Raises what the database raises.

        A claim that has started finishes even if the caller is cancelled: its attempts would be lost otherwise.
        """
        claiming = asyncio.create_task(self._claim_all(everything=everything, bucket=bucket, due=due))
        self._claims.add(claiming)
        claiming.add_done_callback(self._claims.discard)
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(log_unobserved_failure)
            raise

    def resume_backlog(self) -> None:
        """Claim again in the background, if the slots were too few for all that was due."""
        if self._backlog_since is not None and not self._lock.locked():
            self.resume()

    def resume(self) -> None:
        """Claim again in the background."""
        self._resumptions.start(self._resume())

    def claim_overdue(self) -> None:
        """Claim all overdue runs in the background, unless that is in progress."""
        if self._claiming_overdue is None or self._claiming_overdue.done():
            self._claiming_overdue = self._resumptions.start(self._resume(everything=True))

    async def _resume(self, *, everything: bool = False) -> None:
        try:
            await self.claim_due(everything=everything)
        except CONNECTION_ERRORS as error:
            logger.warning("A claim failed.", extra={"action": "claim_failed", "error": message_of(error)})

    async def stop(self) -> None:
        """Start no further claim, and wait for the one in progress."""
        self._stopping = True
        async with self._lock:
            pass

    def cancel(self) -> None:
        """Cancel claims that were resumed in the background."""
        self._resumptions.cancel()

    async def _claim_all(self, *, everything: bool, bucket: int | None, due: datetime | None) -> None:
        async with self._lock:
            since = FIRST_INSTANT if everything or self._backlog_since == FIRST_INSTANT else self._clock.now() - RECENT
            more = True
            while more and not self._stopping and self._lease.held:
                if self.full:
                    if bucket is not None and self._backlog_since is None:
                        self._notifier.notify(another=bucket)
                    self._backlog_since = since
                    return
                more = await self._claim_once(since, due)

    async def _claim_once(self, since: datetime, due: datetime | None) -> bool:
        """Claim a batch. Return whether there may be more work for which there are slots."""
        left = anything = False
        # When slots are short, due tasks and waiting runs take turns using freed slots.
        self._waiting_runs_first = self._slots_are_short and not self._waiting_runs_first
        now = self._clock.now()
        # Another connection answers that while tasks are claimed.
        is_due = asyncio.create_task(
            waiting_is_due(self._engine, now=now if due is None else max(now, due), slots=self._slots)
        )
        kinds: list[Claiming] = [partial(claim_tasks, since=since), partial(claim_waiting, is_due=is_due)]
        self._slots_are_short = False
        try:
            for claiming in reversed(kinds) if self._waiting_runs_first else kinds:
                limit = min(self._slots.free, BATCH)
                self._slots_are_short |= limit < BATCH
                if not limit:
                    return True
                claimed = await self._claim(claiming, limit=limit, due=due)
                self._slots_are_short |= claimed.left and len(claimed.attempts) < limit
                left, anything = left or claimed.left, anything or claimed.any
        finally:
            await asyncio.gather(is_due, return_exceptions=True)
        self._backlog_since = since if left else None
        return left and anything

    async def _claim(self, claiming: Claiming, *, limit: int, due: datetime | None) -> Claimed:
        """Claim up to `limit` runs of one kind, and register their attempts."""
        now = self._clock.now()
        is_ahead = due is not None and now < due
        try:
            claimed = await claiming(
                self._engine,
                worker_id=self._lease.worker_id,
                slots=self._slots,
                now=due if is_ahead else now,
                wait_until=self._clock.wait_until if is_ahead else None,
                limit=limit,
                admission=self._admission,
            )
        except BaseException:
            # The commit may have succeeded although its acknowledgement was lost.
            self._in_flight.needs_reconcile = True
            raise
        self._in_flight.register(claimed.attempts)
        self._admission.placed(claimed.places)
        self._metrics.claimed(len(claimed.attempts))
        self._notifier.notify(due=claimed.next_due, events=claimed.any)
        if is_ahead and claimed.attempts:
            # The runner wakes in the first turn of the loop, and calls start in the second.
            for _ in range(2):
                await asyncio.sleep(0)
        return claimed


def log_unobserved_failure(claiming: asyncio.Task[None]) -> None:
    """Log how a claim failed whose caller was cancelled and no longer observes it."""
    if not claiming.cancelled() and (error := claiming.exception()) is not None:
        bug = None if isinstance(error, CONNECTION_ERRORS) else error
        logger.warning("A claim failed.", exc_info=bug, extra={"action": "claim_failed", "error": message_of(error)})
