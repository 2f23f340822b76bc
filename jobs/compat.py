"""Patches of the internals of redis and arq, each with the reason for it and the condition under which it can go.

- `WorkerPipeline`: a redis pipeline that is cancelled while it resets loses its connection: the pool counts it as in
  use and its socket stays open. arq cancels its jobs, and so their pipelines, whenever a worker stops. It can go once
  redis's `Pipeline.reset` releases the connection when it is cancelled.
- `WorkerRedis`: arq closes its Redis client by `close`, which redis has renamed to `aclose` and warns of. It also makes
  `WorkerPipeline` the kind of its pipelines. It can go once arq calls `aclose` and `WorkerPipeline` has gone.
- `JobWorker`: arq shields the end of a job from its own shutdown, and nobody then reads the error that this end raises
  when Redis is away. It also looks for jobs at a fixed interval, to which an idle worker gave a third of its CPU time.
  It can go once arq awaits what it has shielded, and lets its owner say when to look.
- `SentinelPool`: redis closes the connections of a client to a primary, and leaves those to the Sentinels open. It can
  go once the pool closes both.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker
from redis.asyncio.client import Pipeline
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError


class WorkerPipeline(Pipeline):
    """A pipeline that releases its connection even if it is cancelled during its reset."""

    async def reset(self) -> None:
        """Discard the pipeline's commands and release its connection."""
        try:
            await super().reset()  # type: ignore[no-untyped-call]
        finally:
            if self.connection is not None:
                # A response to it may still be in transit.
                await self.connection.disconnect(nowait=True)
                await self.connection_pool.release(self.connection)
                self.connection = None


class WorkerRedis(ArqRedis):
    """arq's client, closed by the method that redis still supports."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 (redis's signature)
        """Return a new pipeline."""
        return WorkerPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    async def close(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 (redis's signature)
        """Close all connections."""
        await self.aclose(close_connection_pool)


class JobWorker(Worker):
    """arq's worker. Failing to report the end of a job to Redis is not an error: the job expires there.

    After each look for jobs it awaits `jobs_wanted`, and at least `poll_delay`.
    """

    def __init__(self, *arguments: Any, jobs_wanted: Callable[[], Awaitable[None]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._jobs_wanted = jobs_wanted

    async def _poll_iteration(self) -> None:
        await super()._poll_iteration()
        # A job that is open here or elsewhere may be put back.
        if not self.tasks:
            await self._jobs_wanted()

    async def finish_job(self, *arguments: Any) -> None:
        """Remove a job from Redis."""
        with suppress(RedisError, OSError, TimeoutError):
            await super().finish_job(*arguments)


class SentinelPool(SentinelConnectionPool):
    """The connections to the primary that Sentinels name, and to the Sentinels."""

    sentinel_manager: Sentinel

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 (redis's signature)
        """Close the connections; when all of them, also those to the Sentinels."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()
