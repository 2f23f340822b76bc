"""Measures how long after a commit a subscriber has an event, against a bare message through the same Redis."""

import asyncio
import statistics
import time
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from jobs.queue import EVENTS_CHANNEL
from tests.bench.line import Line
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import WATCH, answers, free_port
from tests.support.history import append_events
from tests.support.watchers import watching

EVENTS = 1_000
RATE = 100
BARE_CHANNEL = "duetime:bench"


async def notification_lines(servers: Servers) -> list[Line]:
    """Return the line for the time from the commit of an event to its subscriber, at a steady rate."""
    ours, bare = await deliveries(servers)
    return [
        Line(
            f"p99 from a commit to the subscriber, {RATE} events/s",
            f"{p99(ours):.2f} ms",
            f"{p99(bare):.2f} ms (a bare Redis message)",
            p99(ours) / p99(bare),
            "at most 5",
        )
    ]


def p99(milliseconds: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(milliseconds, n=100, method="inclusive")[98]


async def deliveries(servers: Servers) -> tuple[list[float], list[float]]:
    """Return how many milliseconds each event took from its commit to a subscriber, and each bare message in turn with
    it, halfway to the next event.
    """
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}),
        Redis.from_url(servers.redis_url) as redis,
        redis.pubsub() as channel,
    ):
        await channel.subscribe(BARE_CHANNEL)
        await channel.get_message(timeout=5)
        await answers(port)
        async with watching(port, 1) as [watcher]:
            watcher.send({"type": "connection_init"})
            watcher.send({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
            await asyncio.sleep(1)
            ours, bare = [], []
            for number in range(EVENTS):
                await append_events(servers.engine, 1, task_id=uuid4(), run_id=uuid4())
                begun = time.perf_counter()
                await redis.publish(EVENTS_CHANNEL, b"")
                async with asyncio.timeout(10):
                    # Without a pause, this would take a core from those who deliver the event.
                    while watcher.frames < number + 2:  # noqa: ASYNC110 (the socket is read meanwhile)
                        await asyncio.sleep(0.001)
                ours.append((watcher.last_at - begun) * 1000)
                await asyncio.sleep(max(begun + 0.5 / RATE - time.perf_counter(), 0))
                bare.append(await hop(redis, channel))
                await asyncio.sleep(max(begun + 1 / RATE - time.perf_counter(), 0))
            return ours, bare


async def hop(redis: Redis, channel: PubSub) -> float:
    """Return the milliseconds from the publication of a message until another connection has it."""
    begun = time.perf_counter()
    await redis.publish(BARE_CHANNEL, b"")
    while (await channel.get_message(timeout=5)) is None:
        pass
    return (time.perf_counter() - begun) * 1000
