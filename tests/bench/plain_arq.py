"""The counterpart of dispatch: one deferred arq job per call, in an arq worker that polls every 50 ms.

Run it as `python -m tests.bench.plain_arq REDIS_URL TARGET_URL`; it runs until the process is terminated.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any

import httpx
from arq import Worker, func
from arq.connections import RedisSettings
from httpx_aiohttp import AiohttpTransport

from duetime import loop

QUEUE_NAME = "plain"


async def call(ctx: dict[Any, Any], path: str) -> None:
    """Make one call to the target."""
    await ctx["client"].get(ctx["url"] + path)


async def main(redis_url: str, target_url: str) -> None:
    """Run the worker."""
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=30) as client:
        worker = Worker(
            functions=[func(call, name="call", keep_result=0)],
            redis_settings=RedisSettings.from_dsn(redis_url),
            queue_name=QUEUE_NAME,
            poll_delay=0.05,
            ctx={"client": client, "url": target_url},
        )
        await worker.async_run()


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        loop.run(main(sys.argv[1], sys.argv[2]))
