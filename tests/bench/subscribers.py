"""One round of subscriptions: events that are sent to a thousand subscribers, against a bare broadcast of the same
texts.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import httpx
import psutil
from redis.asyncio import Redis

from jobs.queue import EVENTS_CHANNEL
from tests.bench.rounds import Servers, module
from tests.support.history import append_events
from tests.support.watchers import Watcher, all_have, watching

WATCH = """
subscription ($after: String) { runEvents(after: $after) { __typename ... on RunEvent {
    cursor type at taskId runId state attempt statusCode errorMessage durationMs } } }
"""
BURST = 20


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Deliveries per second, and microseconds of CPU time for each, of Duetime and of the bare broadcast."""

    rate: float
    cpu_us: float
    bare_rate: float
    bare_cpu_us: float


async def subscriptions(servers: Servers, *, subscribers: int, events: int) -> Deliveries:
    """Send `events` to `subscribers` in bursts, each of which is delivered before the next one starts."""
    port = free_port()
    async with module("duetime", "api", environment=servers.environment | {"PORT": str(port)}) as api:
        await answers(port)
        async with watching(port, subscribers) as watchers, Redis.from_url(servers.redis_url) as redis:
            for watcher in watchers:
                watcher.send({"type": "connection_init"})
            await all_have(watchers, 1)
            payload = {"query": WATCH, "variables": {"after": await newest(port)}}
            for watcher in watchers:
                watcher.send({"id": "1", "type": "subscribe", "payload": payload})

            async def send(number: int) -> None:
                await append_events(servers.engine, number, task_id=uuid4(), run_id=uuid4())
                await redis.publish(EVENTS_CHANNEL, b"")

            # Nothing tells that a subscription stands, but its first event.
            await send(1)
            await all_have(watchers, 2)
            rate, cpu = await deliver(api.pid, watchers, events, send, frames=2)
            text = watchers[0].texts[-1]
    async with module("tests.bench.bare_broadcast") as bare:
        assert bare.stdout is not None
        port = int(await bare.stdout.readline())
        async with watching(port, subscribers) as watchers:
            frame = text.decode()

            async def tell(number: int) -> None:
                watchers[0].send(f"{number} {frame}")

            bare_rate, bare_cpu = await deliver(bare.pid, watchers, events, tell, frames=0)
    return Deliveries(rate, cpu, bare_rate, bare_cpu)


async def deliver(
    pid: int, watchers: list[Watcher], events: int, send: Callable[[int], Awaitable[None]], *, frames: int
) -> tuple[float, float]:
    """Return deliveries per second, and microseconds of the server's CPU time for each. Each watcher has `frames`
    already.
    """
    server = psutil.Process(pid)
    before = server.cpu_times()
    seconds = 0.0
    for _ in range(events // BURST):
        frames += BURST
        begun = time.perf_counter()
        await send(BURST)
        seconds += await all_have(watchers, frames) - begun
    after = server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    deliveries = events * len(watchers)
    return deliveries / seconds, cpu / deliveries * 1e6


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def newest(port: int) -> str:
    """Return the cursor of the newest event."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ runEventsCursor }"})
    cursor: str = answer.json()["data"]["runEventsCursor"]
    return cursor


async def answers(port: int) -> None:
    """Wait until the API responds."""
    async with asyncio.timeout(120), httpx.AsyncClient() as http:
        while True:
            try:
                await http.get(f"http://127.0.0.1:{port}/health")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
