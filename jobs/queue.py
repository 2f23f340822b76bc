"""What goes through Redis: wake-ups for workers (arq jobs) and pokes for API processes. All of it can be lost.

Nothing here decides what is due; Postgres does. A lost wake-up costs lateness until the next sweep, never a run.
"""

import json
import logging
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

QUEUE_NAME = "duetime:dispatch"
DISPATCH_JOB = "dispatch"
EVENTS_CHANNEL = "duetime:events"

BUCKET = timedelta(milliseconds=100)
HORIZON = timedelta(seconds=3)
"""Only instants this near are put into Redis; the sweep brings the others when they come nearer."""

NEAR = 2 * BUCKET + timedelta(milliseconds=50)
"""A dispatch job is open from one bucket before its own until its end, and a job that is open swallows another of its
id. What is due sooner than this gets a job of its own."""

CONNECT_TIMEOUT = timedelta(seconds=1)
ANSWER_TIMEOUT = timedelta(seconds=2)
REDIS_ERRORS = (RedisError, OSError, TimeoutError)


class Unreachable(Exception):
    """Redis cannot be reached."""


def ids_in(data: bytes | int) -> list[UUID]:
    """The tasks that a poke names; Redis's own answer to listening is a number. What is no poke of ours names none."""
    if not isinstance(data, bytes) or len(data) % 16:
        return []
    return [UUID(bytes=data[start : start + 16]) for start in range(0, len(data), 16)]


def bucket_of(instant: datetime) -> int:
    """The number of the 100 ms since the Unix epoch that `instant` lies in."""
    return (instant - datetime.fromtimestamp(0, UTC)) // BUCKET


def bucket_start(bucket: int) -> datetime:
    """When a bucket begins; it ends where the next one begins."""
    return datetime.fromtimestamp(0, UTC) + bucket * BUCKET


def encode(job: dict[str, Any]) -> bytes:
    """Jobs are kept as JSON: arq's default, pickle, would let whoever writes to Redis run code here."""
    return json.dumps(job, default=str).encode()


class WorkerPipeline(Pipeline):
    """Gives its connection back although it is cancelled while it ends, as arq's are when a worker stops."""

    async def reset(self) -> None:
        """Ends what the pipeline was about."""
        try:
            await super().reset()  # type: ignore[no-untyped-call]
        finally:
            if self.connection is not None:
                # An answer may still be on its way to it.
                await self.connection.disconnect(nowait=True)
                await self.connection_pool.release(self.connection)
                self.connection = None


class WorkerRedis(ArqRedis):
    """arq's, but for how it ends: arq ends it by `close`, which redis has renamed and warns of."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 (redis's signature)
        """A new pipeline."""
        return WorkerPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    async def close(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 (redis's signature)
        """Closes all connections."""
        await self.aclose(close_connection_pool)


def open_redis(redis_url: str) -> ArqRedis:
    """A pool that connects when first used. A Redis that hangs is given up after a second or two."""
    pool = ConnectionPool.from_url(
        redis_url,
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        socket_timeout=ANSWER_TIMEOUT.total_seconds(),
        health_check_interval=0,
    )
    redis = WorkerRedis(pool, job_serializer=encode, job_deserializer=json.loads, default_queue_name=QUEUE_NAME)
    redis.auto_close_connection_pool = True
    return redis


class Queue:
    """One process's way to Redis. Whoever opens it closes it."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._away = False

    @classmethod
    def open(cls, redis_url: str) -> Self:
        """Connects lazily, so that a process starts while Redis is away."""
        return cls(open_redis(redis_url))

    async def close(self) -> None:
        """Closes all connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Returns once Redis has answered. Raises `Unreachable`."""
        try:
            await self._redis.ping()
        except REDIS_ERRORS as error:
            raise Unreachable(str(error)) from error

    async def wake(self, due: Iterable[datetime], *, now: datetime) -> bool:
        """Has a worker awake at each of the instants that lie within the horizon. To be called after the commit.

        Returns whether Redis took them. It never raises for an absent Redis, since the sweep finds the rows anyway.
        """
        soonest: dict[int, datetime] = {}
        for instant in due:
            if instant - now <= HORIZON:
                bucket = bucket_of(max(instant, now))
                soonest[bucket] = min(instant, soonest.get(bucket, instant))
        try:
            for bucket, instant in soonest.items():
                await self._enqueue(bucket, at_once=instant - now <= NEAR)
        except REDIS_ERRORS as error:
            self._say_away(error)
            return False
        return True

    async def wake_another(self, bucket: int) -> None:
        """Has a further worker look at this bucket at once. Never raises."""
        try:
            await self._enqueue(bucket, at_once=True)
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def _enqueue(self, bucket: int, *, at_once: bool) -> None:
        # None as the answer is no proof of a wake-up (the job may just be ending), and nothing relies on it.
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

    async def poke(self, *, changed: Collection[UUID] = ()) -> None:
        """Tells API processes that events were committed, and which tasks were changed.

        Never raises. Events they also find by themselves; of changed tasks nothing is promised.
        """
        try:
            await self._redis.publish(EVENTS_CHANNEL, b"".join(task_id.bytes for task_id in changed))
        except REDIS_ERRORS as error:
            self._say_away(error)

    async def pokes(self) -> AsyncIterator[list[UUID]]:
        """Yields once when listening and then on each poke the tasks that it says were changed.

        Raises `Unreachable` when Redis is away.
        """
        try:
            async with aclosing(self._redis.pubsub()) as channel:
                await channel.subscribe(EVENTS_CHANNEL)
                while True:
                    message = await channel.get_message(timeout=ANSWER_TIMEOUT.total_seconds())
                    if message is not None:
                        yield ids_in(message["data"])
        except REDIS_ERRORS as error:
            raise Unreachable(str(error)) from error

    def _say_away(self, error: BaseException) -> None:
        if not self._away:
            logger.warning(
                "Redis is away: tasks still fire from Postgres.", extra={"action": "redis_away", "error": str(error)}
            )
        self._away = True
