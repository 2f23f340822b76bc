"""Sends the same request many times over a few kept connections, and measures the server that answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port

CLIENTS = 20
WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second, and microseconds of the server's CPU time for each."""

    rate: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of both APIs, each with that of the bare API right after it."""

    graphql: Rate
    graphql_bare: Rate
    rest: Rate
    rest_bare: Rate


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves HTTP."""

    pid: int
    port: int

    async def measured(self, method: str, path: str, body: Any, count: int, *, wanted: bytes) -> Rate:
        """Send the same request `count` times, and fail unless each has the wanted response."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
        request = f"{head}Content-Type: application/json\r\n\r\n".encode() + data
        await self._send_all(request, WARM_UP, wanted)
        process = psutil.Process(self.pid)
        before, begun = process.cpu_times(), time.perf_counter()
        await self._send_all(request, count, wanted)
        seconds, after = time.perf_counter() - begun, process.cpu_times()
        cpu = after.user + after.system - before.user - before.system
        return Rate(count / seconds, cpu / count * 1e6)

    async def _send_all(self, request: bytes, count: int, wanted: bytes) -> None:
        numbers = iter(range(count))
        await asyncio.gather(*(self._send(request, numbers, wanted) for _ in range(CLIENTS)))

    async def _send(self, request: bytes, numbers: Iterator[int], wanted: bytes) -> None:
        """Send the request over one connection as long as there are numbers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for _ in numbers:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                answer = await reader.readexactly(length)
                assert wanted in answer, answer
        finally:
            writer.close()


@asynccontextmanager
async def duetime_and_bare(servers: Servers) -> AsyncIterator[tuple[Server, Server]]:
    """Run an API process and the bare API until the block ends."""
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}) as api,
        module("tests.bench.bare_api", servers.environment["DATABASE_URL"]) as bare,
    ):
        await answers(port)
        assert bare.stdout is not None
        bare_port = int(await bare.stdout.readline())
        await answers(bare_port)
        yield Server(api.pid, port), Server(bare.pid, bare_port)
