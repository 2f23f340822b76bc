"""Measures what it brings to create tasks by the thousand instead of one by one, and whether that holds others up."""

import signal
import time
from typing import Any

import httpx

from tests.bench.creations import CREATE, INPUT
from tests.bench.line import Line, median
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port

CREATE_MANY = """
mutation Create($inputs: [CreateTaskInput!]!) {
  createTasks(inputs: $inputs) { __typename ... on Task { id name nextRunAt } }
}
"""
AT_ONCE = 1_000
ONE_BY_ONE = 200
WARM_UP = 50
ROUNDS = 5


async def bulk_lines(servers: Servers) -> list[Line]:
    """Return the lines for the rate of `createTasks`, against one client that creates task after task, and for the
    longest time for which one such call keeps the API's event loop from serving others.
    """
    port = free_port()
    environment = servers.environment | {"PORT": str(port)}
    one: dict[str, Any] = {"query": CREATE, "variables": {"input": INPUT}}
    many: dict[str, Any] = {"query": CREATE_MANY, "variables": {"inputs": [INPUT] * AT_ONCE}}
    rates, held = [], []
    async with (
        module("tests.bench.watched_api", environment=environment) as api,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        assert api.stdout is not None
        await answers(port)
        await rate(http, one, WARM_UP)
        await rate(http, many, 1)
        for _ in range(ROUNDS):
            single = await rate(http, one, ONE_BY_ONE)
            api.send_signal(signal.SIGUSR1)
            await api.stdout.readline()
            rates.append((AT_ONCE * await rate(http, many, 1), single))
            api.send_signal(signal.SIGUSR1)
            held.append(float(await api.stdout.readline()))
    bulk, single = (median(each) for each in zip(*rates, strict=True))
    return [
        Line(
            f"tasks created per second by `createTasks` of {AT_ONCE:,}, one client",
            f"{bulk:,.0f}/s",
            f"{single:,.0f}/s (one by one)",
            median(a / b for a, b in rates),
            "at least 8",
        ),
        Line(
            f"longest time for which `createTasks` of {AT_ONCE:,} holds the event loop",
            f"{max(held):.0f} ms of CPU",
            "20 ms (what is allowed)",
            max(held) / 20,
            "at most 1",
        ),
    ]


async def rate(http: httpx.AsyncClient, body: dict[str, Any], count: int) -> float:
    """Return how many such requests a client makes per second, one after another."""
    begun = time.perf_counter()
    for _ in range(count):
        answer = (await http.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        assert "'id'" in str(answer["data"]), answer
    return count / (time.perf_counter() - begun)
