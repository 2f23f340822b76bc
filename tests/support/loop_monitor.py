"""How long requests hold the event loop of an API up."""

import asyncio
import time
from typing import Any

import httpx

from tests.support.graphql import Api


class LoopMonitor:
    """Measures the CPU time between two moments at which the event loop serves others.

    It runs in the API's own thread; the requests come from another one. CPU time does not depend on other processes.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - began)


def post(api: Api, body: str) -> dict[str, Any]:
    """Send a request from the thread that calls this, and return the response."""
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{api.url}/graphql", content=body, headers=headers, timeout=60)
    found: dict[str, Any] = answer.json()
    return found
