"""One round of creations: tasks created by single requests, by GraphQL and by REST, against a bare API."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port
from tests.support.rest import CRON

CLIENTS = 20
WARM_UP = 100
CREATE = """
mutation Create($input: CreateTaskInput!) { createTask(input: $input) { __typename ... on Task { id name nextRunAt } } }
"""
INPUT = {"name": "bench", "trigger": {"cron": {"expression": "0 9 * * *"}}, "action": {"url": "http://example.com/"}}


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second, and microseconds of the server's CPU time for each."""

    rate: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Creations:
    """The rates of both APIs, and of the bare one."""

    graphql: Rate
    rest: Rate
    bare: Rate


async def creations(servers: Servers, count: int) -> Creations:
    """Create `count` tasks in each way."""
    port = free_port()
    async with module("duetime", "api", environment=servers.environment | {"PORT": str(port)}) as api:
        await answers(port)
        graphql = await measured(
            api.pid,
            port,
            "/graphql",
            {"query": CREATE, "variables": {"input": INPUT}},
            count,
            wanted=b'"__typename":"Task"',
        )
        rest = await measured(api.pid, port, "/api/v1/tasks", CRON, count, wanted=b'"id"')
    async with module("tests.bench.bare_api", servers.environment["DATABASE_URL"]) as bare_api:
        assert bare_api.stdout is not None
        port = int(await bare_api.stdout.readline())
        await answers(port)
        bare = await measured(bare_api.pid, port, "/tasks", CRON, count, wanted=b'"id"')
    return Creations(graphql, rest, bare)


async def measured(pid: int, port: int, path: str, body: Any, count: int, *, wanted: bytes) -> Rate:
    """Send the same request `count` times over a few kept connections, and fail unless each has the wanted response."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    request = head.encode() + b"\r\n\r\n" + data
    await send_all(port, request, WARM_UP, wanted)
    process = psutil.Process(pid)
    before, begun = process.cpu_times(), time.perf_counter()
    await send_all(port, request, count, wanted)
    seconds, after = time.perf_counter() - begun, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Rate(count / seconds, cpu / count * 1e6)


async def send_all(port: int, request: bytes, count: int, wanted: bytes) -> None:
    """Send a request `count` times."""
    numbers = iter(range(count))
    await asyncio.gather(*(send(port, request, numbers, wanted) for _ in range(CLIENTS)))


async def send(port: int, request: bytes, numbers: Iterator[int], wanted: bytes) -> None:
    """Send the request over one connection as long as there are numbers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in numbers:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert wanted in answer, answer
    finally:
        writer.close()
