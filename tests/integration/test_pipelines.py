"""arq's pipelines when a worker stops while Redis responds slowly."""

import asyncio
from urllib.parse import urlsplit

from jobs.cancellation import cancel_and_wait
from jobs.queue import open_redis
from tests.support.proxy import running_proxy


async def test_a_pipeline_that_is_broken_off_keeps_no_connection(redis_url: str) -> None:
    """The pipeline is cancelled before Redis has responded, removes its WATCH, and releases its connection."""
    port = urlsplit(redis_url).port
    assert port is not None
    stalled = asyncio.Event()
    async with running_proxy(port) as proxy:
        redis = open_redis(redis_url.replace(f":{port}/", f":{proxy.port}/"))
        pipeline = redis.pipeline()

        async def watch() -> None:
            async with pipeline:
                await pipeline.watch("key")
                proxy.stall()
                stalled.set()

        watching = asyncio.create_task(watch())
        await stalled.wait()
        await cancel_and_wait(watching)
        assert pipeline.connection is None
        proxy.flow()
        assert await redis.ping()
        await redis.aclose()
