"""The counterpart of dispatch: timers of one process that make the calls themselves, and store nothing.

Run it as `python -m tests.bench.timers URL START CALLS SECONDS`: calls go to URL/0, URL/1 and so on, at
equal intervals over SECONDS from START (a Unix time).
"""

import asyncio
import sys
import time

import httpx
from httpx_aiohttp import AiohttpTransport

from duetime import loop


async def call(client: httpx.AsyncClient, url: str, at: float) -> None:
    """Make one call at an instant."""
    while (left := at - time.time()) > 0:  # noqa: ASYNC110 (a timer can end a little early)
        await asyncio.sleep(left)
    response = await client.get(url)
    assert response.status_code == 200


async def main(url: str, start: float, calls: int, seconds: float) -> None:
    """Make the calls."""
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=30) as client:
        await asyncio.gather(*(call(client, f"{url}/{n}", start + seconds * n / calls) for n in range(calls)))


if __name__ == "__main__":
    loop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
