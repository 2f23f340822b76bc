"""The engine of one worker process: claims what is due, carries out attempts, and has their results written.

It lives outside arq's worker, whose end cancels its jobs. arq only says when to look (`walk`); everything else comes
from Postgres::

    due ── claim ──▶ attempt (an HTTP call) ──▶ finish ──▶ writer ──▶ slot free ──▶ claim, if anything was left
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import CONNECTION_ERRORS, autocommit
from db.engine import claims, leases
from db.engine.finishes import Finish
from jobs.clock import Clock
from jobs.datetimes import FIRST_INSTANT
from jobs.engine.claim import RECENT, Claimed, claim_tasks, claim_waiting
from jobs.engine.execution_log import ExecutionLog
from jobs.engine.lease import Lease
from jobs.engine.notifier import Notifier
from jobs.engine.outcome import Attempt, finish_of
from jobs.engine.slots import Slots
from jobs.engine.writer import PAUSE, ResultWriter
from jobs.http.client import HttpCaller, Response
from jobs.http.redaction import redacted
from jobs.http.request import origin_of
from jobs.queue import Queue, bucket_start
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.secret_headers import is_sealed, open_headers
from jobs.security.signatures import signature_headers

logger = logging.getLogger(__name__)

BATCH = 100
TURN = 8
"""How many attempts begin before the loop turns."""
WRITTEN_WITHIN = timedelta(seconds=5)
"""How long a stopping worker goes on trying to write what has ended."""
HANDED_OVER_WITHIN = timedelta(seconds=5)
"""How long it then tries to give back the rest; after that the lease runs out, and others take it."""
LOOK_AGAIN = timedelta(milliseconds=10)
"""When to claim again while a due row is locked by another worker, which may yet give it up."""
WATCH_EVERY = timedelta(milliseconds=500)
"""How often to ask whether attempts that take longer than this are still wanted."""

AttemptKey = tuple[UUID, int]
"""A run and its epoch: after a pause, a process may claim a run of which it still has an older attempt on its way."""


class Executor:
    """Slots, attempts and results of one worker. Its owner calls `start`, awaits `stop`, and ends what began."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        queue: Queue,
        caller: HttpCaller,
        secrets: SecretKeys,
        lease: Lease,
        clock: Clock,
        slots: int,
        execution_log: ExecutionLog | None = None,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._caller = caller
        self._secrets = secrets
        self._lease = lease
        self._clock = clock
        self._execution_log = execution_log
        self._slots = Slots(slots)
        self._writer = ResultWriter(
            engine=engine,
            clock=clock,
            worker_id=lease.worker_id,
            on_written=self._written,
            on_released=self._released,
        )
        self.notifier = Notifier(queue=queue, clock=clock, walk=self.walk)
        self._claiming = asyncio.Lock()
        self._claims: set[asyncio.Task[None]] = set()
        self._in_flight: dict[AttemptKey, Attempt] = {}
        self._calls: dict[AttemptKey, asyncio.Task[None]] = {}
        self._ready: deque[Attempt] = deque()
        self._some_ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._stopping = False
        self._behind_since: datetime | None = None
        self._waiting_first = False
        self._unsure = False
        self._random = random.Random()  # noqa: S311 (spreads retries; no secret)

    @property
    def full(self) -> bool:
        """Whether no further attempt can begin here."""
        return self._slots.free == 0

    def start(self) -> list[asyncio.Task[None]]:
        """Begins to keep the lease, begin attempts, write results and announce them, for ever.

        The owner ends the tasks one by one, for announcing speaks to Redis (see `ending`).
        """
        parts = (
            self._lease.keep(),
            self._begin_ready(),
            self._watch(),
            self._writer.run(),
            self.notifier.run(),
        )
        return [asyncio.create_task(part) for part in parts]

    async def walk(self, bucket: int) -> None:
        """Claims what becomes due within a bucket, at its instants, until the bucket has ended.

        It stays until the end, because a wake-up for the same bucket is swallowed while this one is open. Attempts are
        not waited for.
        """
        end = bucket_start(bucket + 1)
        while not self._stopping:
            await self.claim_due(bucket=bucket)
            now = self._clock.now()
            if now >= end:
                return
            due = None if self.full else await self._next_due(since=now - RECENT, before=end)
            # What is due by now and was not claimed is locked by another worker, or waits for a slot.
            look_at = now + LOOK_AGAIN if self.full or (due is not None and due <= now) else due or end
            await self._clock.wait_until(min(look_at, end))

    async def _next_due(self, *, since: datetime, before: datetime) -> datetime | None:
        async with autocommit(self._engine).connect() as connection:
            return await claims.next_due(
                connection, since=since, before=before, hosts_excluded=self._slots.saturated_hosts
            )

    async def claim_due(self, *, everything: bool = False, bucket: int | None = None) -> None:
        """Claims until nothing is due or no slot is free; then whoever frees a slot claims on.

        `everything` looks at all that is overdue, not only at the last minute. `bucket` is what brought the caller
        here: when the slots run out, another worker is woken for it. Raises what the database raises.

        A claim that has begun is carried through even if the caller is cancelled: what it took would be lost sight of.
        """
        claiming = asyncio.create_task(self._claim_all(everything=everything, bucket=bucket))
        self._claims.add(claiming)
        claiming.add_done_callback(self._claims.discard)
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(log_unobserved_failure)
            raise

    async def _claim_all(self, *, everything: bool, bucket: int | None) -> None:
        async with self._claiming:
            since = FIRST_INSTANT if everything or self._behind_since == FIRST_INSTANT else self._clock.now() - RECENT
            more = True
            while more and not self._stopping and self._lease.held:
                if self.full:
                    if bucket is not None and self._behind_since is None:
                        self.notifier.notify(another=bucket)
                    self._behind_since = since
                    return
                more = await self._claim_once(since)

    async def _claim_once(self, since: datetime) -> bool:
        """Claims a batch, and tells whether there may be more for which there are slots."""
        left = anything = False
        if self._behind_since is not None:
            # With too few slots for all, those that are freed go to both by turns.
            self._waiting_first = not self._waiting_first
        kinds: list[Callable[..., Awaitable[Claimed]]] = [partial(claim_tasks, since=since), claim_waiting]
        for kind in reversed(kinds) if self._waiting_first else kinds:
            limit = min(self._slots.free, BATCH)
            if not limit:
                return True
            try:
                claimed = await kind(
                    self._engine,
                    worker_id=self._lease.worker_id,
                    slots=self._slots,
                    now=self._clock.now(),
                    limit=limit,
                )
            except BaseException:
                # The commit may have arrived although its answer did not.
                self._unsure = True
                raise
            self._take_on(claimed.attempts)
            self.notifier.notify(due=claimed.next_due, events=claimed.any)
            left, anything = left or claimed.left, anything or claimed.any
        self._behind_since = since if left else None
        return left and anything

    def _take_on(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._slots.take(attempt.host)
            self._in_flight[attempt.key] = attempt
        self._ready.extend(attempts)
        if attempts:
            self._idle.clear()
            self._some_ready.set()

    async def _begin_ready(self) -> None:
        """Begins attempts a few at a time, so that between them the loop turns: to answers, and to Postgres. For ever.

        A hundred begun at once would also end at once, and the worker would by turns have nothing but calls to make
        and nothing but rows to write.
        """
        while True:
            await self._some_ready.wait()
            for _ in range(min(TURN, len(self._ready))):
                attempt = self._ready.popleft()
                self._calls[attempt.key] = self._spawn(self._carry_out(attempt))
            if not self._ready:
                self._some_ready.clear()
            await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Work ended with an error. action=work_failed", exc_info=error)

    async def _carry_out(self, attempt: Attempt) -> None:
        try:
            if self._lease.held:
                answer = await self._call(attempt)
                self._writer.add(finish_of(attempt, answer, randomness=self._random.random()))
                return
            logger.warning("The lease ran out before the attempt. action=attempt_not_begun run=%s", attempt.run_id)
        except BaseException:
            self._let_go(attempt)
            raise
        finally:
            del self._calls[attempt.key]
        self._let_go(attempt)

    async def _call(self, attempt: Attempt) -> Response:
        action, headers = attempt.action, headers_of(attempt)
        now = self._clock.now()
        secret = [name for name, value in action.headers.items() if is_sealed(value)]
        try:
            if secret:
                opened = open_headers(action.headers, origin=origin_of(action.url), keys=self._secrets)
                action = action._replace(headers=opened, secret_names=secret)
            if seals := action.signing_secrets:
                body = action.payload or ""
                headers |= signature_headers(seals, keys=self._secrets, run_id=attempt.run_id, at=now, body=body)
        except NoSecretKey as error:
            return Response(started_at=now, duration=timedelta(), error=str(error), refused=True)
        answer = await self._caller.call(action, headers=headers)
        return redacted(answer, [action.headers[name] for name in secret]) if secret else answer

    def _let_go(self, attempt: Attempt) -> None:
        """Takes an attempt out of this worker's hands; if the run is still its own, the next sweep gives it back."""
        del self._in_flight[attempt.key]
        self._slots.give(attempt.host)
        self._unsure = True
        self._idle_if_none()

    async def _watch(self) -> None:
        """Breaks off attempts that are no longer this worker's: of runs that were cancelled, say. For ever.

        Only those are asked about that were on their way at the last look already; most calls end before that.
        """
        before: set[AttemptKey] = set()
        while True:
            await asyncio.sleep(WATCH_EVERY.total_seconds())
            unended = {*self._calls, *(attempt.key for attempt in self._ready)}
            if asked := before & unended:
                try:
                    self._break_off(asked - await self._still_held(asked))
                except CONNECTION_ERRORS as error:
                    logger.warning("Attempts go on unwatched. action=watch_failed error=%s", error)
            before = unended

    async def _still_held(self, asked: Collection[AttemptKey]) -> set[AttemptKey]:
        async with autocommit(self._engine).connect() as connection:
            return await leases.still_held(
                connection, worker_id=self._lease.worker_id, run_ids=[run_id for run_id, _ in asked]
            )

    def _break_off(self, lost: Collection[AttemptKey]) -> None:
        for attempt in [attempt for attempt in self._ready if attempt.key in lost]:
            self._ready.remove(attempt)
            self._let_go(attempt)
        calls = [self._calls[key] for key in lost if key in self._calls]
        for call in calls:
            call.cancel()
        if lost:
            logger.info("Broke off attempts that are no longer wanted. action=attempts_unwanted count=%d", len(lost))

    def _idle_if_none(self) -> None:
        if not self._in_flight:
            self._idle.set()

    def _written(self, batch: Sequence[Finish]) -> None:
        for finish in batch:
            attempt = self._in_flight.pop((finish.run_id, finish.epoch))
            self._slots.give(attempt.host)
            if self._execution_log is not None:
                self._execution_log.add(attempt, finish)
        self._idle_if_none()
        retries = [finish.next_attempt_at for finish in batch if finish.next_attempt_at is not None]
        self.notifier.notify(due=retries, events=True)
        if self._behind_since is not None and not self._claiming.locked():
            self._spawn(self._claim_on())

    def _released(self) -> None:
        if self.full:
            self.notifier.notify(due=[self._clock.now()])
        else:
            self._spawn(self._claim_on())

    async def _claim_on(self) -> None:
        try:
            await self.claim_due()
        except CONNECTION_ERRORS as error:
            logger.warning("Nothing can be claimed. action=claim_failed error=%s", error)

    async def give_back_orphans(self) -> None:
        """Gives back the runs that are this worker's in the database only: of a claim whose answer was lost, say."""
        if not self._unsure:
            return
        async with self._claiming:
            self._unsure = False
            try:
                await self._give_back(
                    kept={run_id for run_id, _ in self._in_flight}, reason="the worker lost track of the attempt"
                )
            except BaseException:
                self._unsure = True
                raise

    async def _give_back(self, *, kept: Collection[UUID], reason: str) -> None:
        now = self._clock.now()
        async with self._engine.begin() as connection:
            count = await leases.release_runs(
                connection, worker_id=self._lease.worker_id, run_ids_kept=kept, now=now, reason=reason
            )
        if count:
            logger.warning("Gave attempts back: %s. action=attempts_given_back count=%d", reason, count)
            self.notifier.notify(due=[now], events=True)

    async def stop(self, *, grace: timedelta) -> None:
        """Claims no more, lets attempts end within `grace`, and gives back the rest; what `start` began goes on."""
        self._stopping = True
        async with self._claiming:
            self._idle_if_none()
        if not await self._is_idle(within=grace):
            logger.warning("Attempts are broken off. action=attempts_broken_off count=%d", len(self._in_flight))
            while self._ready:
                self._let_go(self._ready.popleft())
            for task in self._tasks:
                task.cancel()
            # What is still in this worker's hands then has ended, and waits to be written.
            await self._is_idle(within=WRITTEN_WITHIN)
        try:
            async with asyncio.timeout(HANDED_OVER_WITHIN.total_seconds()):
                await self._hand_over()
        except TimeoutError:
            logger.warning("Postgres is away, so others will rescue what is left. action=not_handed_over")
        await self._queue.poke()

    async def _hand_over(self) -> None:
        """Gives back what this worker still holds, and its lease, as soon as Postgres is there."""
        while True:
            try:
                await self._give_back(kept=(), reason="the worker stopped during the attempt")
                await self._lease.retire()
            except CONNECTION_ERRORS as error:
                logger.warning("Nothing can be handed over. action=hand_over_failed error=%s", error)
                await asyncio.sleep(PAUSE.total_seconds())
            else:
                return

    async def _is_idle(self, *, within: timedelta) -> bool:
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await self._idle.wait()
        except TimeoutError:
            return False


def log_unobserved_failure(claiming: asyncio.Task[None]) -> None:
    """Says how a claim failed, now that whoever asked for it waits no longer."""
    if not claiming.cancelled() and (error := claiming.exception()) is not None:
        bug = None if isinstance(error, CONNECTION_ERRORS) else error
        logger.warning("Nothing can be claimed. action=claim_failed error=%s", error, exc_info=bug)


def headers_of(attempt: Attempt) -> dict[str, str]:
    """What every call carries, unless the task sets it itself. The key is the same on each attempt of a run."""
    return {
        "Idempotency-Key": str(attempt.run_id),
        "X-Duetime-Scheduled-For": attempt.scheduled_for.isoformat().replace("+00:00", "Z"),
        "X-Duetime-Attempt": str(attempt.number),
    }
