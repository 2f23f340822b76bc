"""The messages in Redis: wake-ups for workers (arq jobs, announced if they are due soon), pokes for API processes, and
changes of flow limits for workers. All of them can be lost. A poke contains the ids of changed tasks, or is empty when
there are new events.

Nothing here decides what is due; Postgres does. A lost wake-up makes a run late until the next sweep, and never loses
it.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from db.connection import message_of
from jobs.compat import WorkerRedis
from jobs.gathering import Gatherer
from jobs.redis_pool import redis_pool

logger = logging.getLogger(__name__)

QUEUE_NAME = "duetime:dispatch"
DISPATCH_JOB = "dispatch"
BULK_JOB = "bulk"
EVENTS_CHANNEL = "duetime:events"
LIMITS_CHANNEL = "duetime:limits"
JOBS_CHANNEL = "duetime:jobs"

BUCKET = timedelta(milliseconds=100)
HORIZON = timedelta(seconds=5)
"""Only instants within this time are put into Redis; a sweep adds the others later, each before it is due."""

NEAR = 2 * BUCKET + timedelta(milliseconds=50)
"""A dispatch job is open from one bucket before its own until its end, and arq drops jobs with the id of an open one.
What is due sooner than this gets a job with an id of its own.
"""

LOOK_EVERY = timedelta(seconds=2)
"""Interval at which workers look for jobs."""
ANNOUNCED = 1.5 * LOOK_EVERY + 2 * BUCKET
"""What is due sooner than this is announced, because its job, which precedes it, may be due before the next look."""

MOST_POKES = 10_000
"""Number of pokes that go together."""

CONNECT_TIMEOUT = timedelta(seconds=1)
ANSWER_TIMEOUT = timedelta(seconds=2)
PINGED_AFTER = timedelta(seconds=10)
"""How long a subscription may be silent before Redis is pinged over it."""
REDIS_ERRORS = (RedisError, OSError, TimeoutError, RuntimeError)
"""What Redis's client raises when the server is away. uvloop raises a RuntimeError when something is written to a
connection that has ended, and the client passes it on.
"""


class Unreachable(Exception):
    """Redis cannot be reached."""


def ids_in(data: bytes | int) -> list[UUID]:
    """Return the tasks that a poke names. Other messages name none: Redis's own reply to a subscription is a number."""
    if not isinstance(data, bytes) or len(data) % 16:
        return []
    return [UUID(bytes=data[start : start + 16]) for start in range(0, len(data), 16)]


def bucket_of(instant: datetime) -> int:
    """Return the number of 100 ms intervals since the Unix epoch at `instant`."""
    return (instant - datetime.fromtimestamp(0, UTC)) // BUCKET


def bucket_start(bucket: int) -> datetime:
    """Return the start of a bucket; it ends where the next one starts."""
    return datetime.fromtimestamp(0, UTC) + bucket * BUCKET


def encode(job: dict[str, Any]) -> bytes:
    """Return a job as JSON. With pickle, arq's default, anyone who writes to Redis could run code here."""
    return json.dumps(job, default=str).encode()


def open_redis(redis_url: str) -> ArqRedis:
    """Return a pool that connects when it is first used. It gives up on a Redis that hangs after a second or two."""
    pool = redis_pool(redis_url, connect_within=CONNECT_TIMEOUT, answers_within=ANSWER_TIMEOUT)
    redis = WorkerRedis(pool, job_serializer=encode, job_deserializer=json.loads, default_queue_name=QUEUE_NAME)
    redis.auto_close_connection_pool = True
    return redis


class Poke(NamedTuple):
    """What API processes are notified of: that there are events, and tasks that were changed."""

    events: bool
    changed: Collection[UUID]


class Queue:
    """One process's access to Redis. Its owner closes it."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._pokes = Gatherer(self._publish, most=MOST_POKES)
        self._away = False

    @classmethod
    def open(cls, redis_url: str) -> Self:
        """Return a queue that connects when it is first used, so that a process starts while Redis is away."""
        return cls(open_redis(redis_url))

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Return once Redis has replied. Raises `Unreachable`."""
        try:
            await self._redis.ping()
        except REDIS_ERRORS as error:
            raise Unreachable(str(error)) from error

    async def wake(self, due: Iterable[datetime], *, now: datetime) -> bool:
        """Schedule wake-ups for the instants that lie within the horizon. Call this after the commit.

        Return whether Redis accepted them. It never raises while Redis is down, because the sweep finds the rows
        anyway.
        """
        soonest: dict[int, datetime] = {}
        for instant in due:
            if instant - now <= HORIZON:
                bucket = bucket_of(max(instant, now))
                soonest[bucket] = min(instant, soonest.get(bucket, instant))
        try:
            for bucket, instant in soonest.items():
                await self._enqueue(bucket, at_once=instant - now <= NEAR)
            if any(instant - now <= ANNOUNCED for instant in soonest.values()):
                await self._announce_jobs()
        except REDIS_ERRORS as error:
            self._say_away(error)
            return False
        return True

    async def wake_another(self, bucket: int) -> None:
        """Wake another worker for this bucket at once. Never raises."""
        try:
            await self._enqueue(bucket, at_once=True)
            await self._announce_jobs()
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def wake_for_bulk(self) -> None:
        """Wake a worker for operations on many tasks or runs. Never raises, because workers also check periodically."""
        try:
            await self._redis.enqueue_job(BULK_JOB, _job_id=f"{BULK_JOB}:{uuid4().hex}")
            await self._announce_jobs()
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def _enqueue(self, bucket: int, *, at_once: bool) -> None:
        # arq also returns None when a job is just ending, so nothing relies on the result.
        if at_once:
            await self._redis.enqueue_job(DISPATCH_JOB, bucket, _job_id=f"{DISPATCH_JOB}:{bucket}:{uuid4().hex}")
        else:
            await self._redis.enqueue_job(
                DISPATCH_JOB,
                bucket,
                _job_id=f"{DISPATCH_JOB}:{bucket}",
                _defer_until=bucket_start(bucket) - BUCKET,
            )
        self._away = False

    async def _announce_jobs(self) -> None:
        await self._redis.publish(JOBS_CHANNEL, b"")

    async def until_next_job(self) -> timedelta:
        """Return the time until the first job is due, zero if it is open. Raises one of `REDIS_ERRORS`."""
        first = await self._redis.zrangebyscore(QUEUE_NAME, "-inf", "+inf", start=0, num=1, withscores=True)
        if not first:
            return timedelta.max
        [(_, due_ms)] = first
        # arq truncates the present to milliseconds, so the job may be due a millisecond later.
        return max(timedelta(milliseconds=due_ms + 1 - time.time() * 1000), timedelta())

    async def announced_jobs(self) -> AsyncIterator[None]:
        """Yield once when the subscription is open, and then when there are jobs that are due soon. Raises
        `Unreachable`.
        """
        async with aclosing(self._messages(JOBS_CHANNEL)) as messages:
            async for _ in messages:
                yield

    async def poke(self, *, events: bool = True, changed: Collection[UUID] = ()) -> None:
        """Notify API processes that events were committed, and which tasks were changed.

        Never raises. API processes find missed events by polling; missed changes of tasks are not delivered.
        """
        await self._pokes.add(Poke(events, changed))

    async def _publish(self, pokes: Sequence[Poke]) -> None:
        changed = {task_id for poke in pokes for task_id in poke.changed}
        try:
            # Redis's client would send a message without an answer again, and it may have arrived.
            async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
                if changed:
                    await self._redis.publish(EVENTS_CHANNEL, b"".join(task_id.bytes for task_id in changed))
                if any(poke.events for poke in pokes):
                    await self._redis.publish(EVENTS_CHANNEL, b"")
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def pokes(self) -> AsyncIterator[list[UUID]]:
        """Yield once when the subscription is open, and then the changed tasks of each poke, none if it is of events.

        Raises `Unreachable` when Redis is down.
        """
        async with aclosing(self._messages(EVENTS_CHANNEL)) as messages:
            async for data in messages:
                yield ids_in(data)

    async def announce_limits(self) -> None:
        """Notify workers that flow limits or pauses of hosts were changed. Never raises: workers also check
        periodically.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
                await self._redis.publish(LIMITS_CHANNEL, b"")
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def changes_of_limits(self) -> AsyncIterator[None]:
        """Yield once when the subscription is open, and then after each change. Raises `Unreachable`."""
        async with aclosing(self._messages(LIMITS_CHANNEL)) as messages:
            async for _ in messages:
                yield

    async def _messages(self, channel: str) -> AsyncGenerator[bytes | int, None]:
        """Yield Redis's own reply to the subscription, a number, and then each message.

        Nothing tells when a network drops what Redis sends, so a silent Redis is pinged.
        """
        try:
            async with aclosing(self._redis.pubsub()) as subscription:
                await subscription.subscribe(channel)
                is_pinged = False
                while True:
                    wait = ANSWER_TIMEOUT if is_pinged else PINGED_AFTER
                    message = await subscription.get_message(timeout=wait.total_seconds())
                    if message is not None:
                        is_pinged = False
                        if message["type"] != "pong":
                            yield message["data"]
                    elif is_pinged:
                        raise Unreachable("Redis does not answer")
                    else:
                        await subscription.ping()
                        is_pinged = True
        except REDIS_ERRORS as error:
            raise Unreachable(str(error)) from error

    def _say_away(self, error: BaseException) -> None:
        if not self._away:
            logger.warning(
                "Redis is unavailable: tasks still fire from Postgres.",
                extra={"action": "redis_away", "error": message_of(error)},
            )
        self._away = True
