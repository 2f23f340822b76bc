"""The counterpart of a worker: a bare `httpx.AsyncClient` with the aiohttp transport, which calls as fast as it can.

Run it as `python -m tests.bench.bare_loop URL CALLS CONCURRENCY`; it prints seconds and CPU seconds as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

import httpx
from httpx_aiohttp import AiohttpTransport

from duetime import loop


async def call(client: httpx.AsyncClient, url: str, numbers: Iterator[int]) -> None:
    """Make calls until there are no numbers left."""
    for _ in numbers:
        response = await client.get(url)
        assert response.status_code == 200


async def main(url: str, calls: int, concurrency: int) -> None:
    """Make the calls and print how long they took."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(transport=AiohttpTransport(limits=limits), timeout=30) as client:
        await asyncio.gather(*(call(client, url, iter(range(1))) for _ in range(concurrency)))
        numbers = iter(range(calls))
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(call(client, url, numbers) for _ in range(concurrency)))
        took = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(took))  # noqa: T201 (the parent reads it)


if __name__ == "__main__":
    loop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
