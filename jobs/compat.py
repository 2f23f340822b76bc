"""Patches of libraries' internals, each with the reason for it and the condition under which it can go.

- `WorkerPipeline`: a redis pipeline that is cancelled while it resets loses its connection: the pool counts it as in
  use and its socket stays open. arq cancels its jobs, and so their pipelines, whenever a worker stops. It can go once
  redis's `Pipeline.reset` releases the connection when it is cancelled.
- `WorkerRedis`: arq closes its Redis client by `close`, which redis has renamed to `aclose` and warns of. It also makes
  `WorkerPipeline` the kind of its pipelines. It can go once arq calls `aclose` and `WorkerPipeline` has gone.
- `send_once`: aiohttp silently resends an idempotent request when a kept connection breaks. Only a retry may do that,
  with a number of its own. It can go once aiohttp has a public name for the switch.
- `ResponseWithoutReason`: httpx-aiohttp fails over a reason phrase that is not ASCII, which servers may send. It can go
  once httpx-aiohttp ignores the reason phrase.
- `CheckedUrl`: httpx parses each URL, which takes a fifth of a call, and aiohttp parses it again. It can go once a
  transport accepts a URL as text.
"""

from typing import Self

import aiohttp
import httpx
from aiohttp.connector import Connection
from arq.connections import ArqRedis
from redis.asyncio.client import Pipeline


class WorkerPipeline(Pipeline):
    """A pipeline that gives its connection back even if it is cancelled while it resets."""

    async def reset(self) -> None:
        """Discard the pipeline's commands and release its connection."""
        try:
            await super().reset()  # type: ignore[no-untyped-call]
        finally:
            if self.connection is not None:
                # A response may still be on its way to it.
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


def send_once(session: aiohttp.ClientSession) -> None:
    """Make a session send every request once."""
    session._retry_connection = False  # noqa: SLF001


class ResponseWithoutReason(aiohttp.ClientResponse):
    """A response without its reason phrase, which nobody reads."""

    async def start(self, connection: Connection) -> Self:
        """Read the status line and headers of the response."""
        await super().start(connection)
        self.reason = None
        return self


PLACEHOLDER_URL = httpx.URL("http://target/")


class CheckedUrl(httpx.URL):
    """A URL that was checked already. The transport uses only its text, which aiohttp parses."""

    def __init__(self, url: str) -> None:
        super().__init__(PLACEHOLDER_URL)
        self._text = url

    def __str__(self) -> str:
        return self._text
