"""Measures whether processes grow: a worker by the runs that it makes, and an API by the events that it delivers."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import psutil
from redis.asyncio import Redis
from sqlalchemy import text

from db.models import utc_now
from jobs.queue import EVENTS_CHANNEL
from tests.bench.fill import EMPTY, execute
from tests.bench.line import Line
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import WATCH, answers, free_port
from tests.support.history import append_events
from tests.support.watchers import watching

FIRST = 10_000
RUNS = 200_000
EVENTS = 1_000_000
BATCH = 1_000
SUBSCRIBERS = 10
MOST = "at most 1.1"
# All are due at once, and the worker takes as many as it has slots.
FILL = """
INSERT INTO tasks (id, name, trigger_type, trigger_time, method, url, host, next_run, due_at, redirects)
SELECT gen_random_uuid(), 'task ' || n, 'one-off', :due, 'GET', CAST(:url AS text) || '/' || n, :host, :due, :due, 0
FROM generate_series(1, CAST(:number AS int)) n
"""
ENDED = text("SELECT count(*) FROM task_results WHERE finished_at IS NOT NULL")


def memory(pid: int) -> float:
    """Return the memory that a process has in use, in MiB."""
    used: int = psutil.Process(pid).memory_info().rss
    return used / 2**20


async def growth_lines(servers: Servers, *, runs: int = RUNS, events: int = EVENTS) -> list[Line]:
    """Return the lines for the memory of a worker and of an API."""
    worker, worker_first = await worker_memory(servers, runs)
    api, api_first = await api_memory(servers, events)
    return [
        Line(what, f"{mine:.0f} MiB", f"{first:.0f} MiB (after the first {FIRST:,})", mine / first, MOST)
        for what, mine, first in (
            (f"memory of a worker after {runs:,} runs", worker, worker_first),
            (f"memory of an API after {events:,} events", api, api_first),
        )
    ]


async def worker_memory(servers: Servers, runs: int) -> tuple[float, float]:
    """Return the memory of a worker after all runs, and after the first of them."""
    await execute(servers, EMPTY)
    host = servers.target_url.removeprefix("http://")
    async with module("duetime", "worker", environment=servers.environment) as worker:
        made, first = 0, 0.0
        for number in (FIRST, runs - FIRST):
            values = {
                "due": utc_now() + timedelta(seconds=2),
                "url": servers.target_url,
                "host": host,
                "number": number,
            }
            await execute(servers, FILL, values=values)
            made += number
            while True:
                async with servers.engine.connect() as connection:
                    if (await connection.execute(ENDED)).scalar_one() >= made:
                        break
                await asyncio.sleep(1)
            first = first or memory(worker.pid)
        return memory(worker.pid), first


async def api_memory(servers: Servers, events: int) -> tuple[float, float]:
    """Return the memory of an API after all events, and after the first of them, with some subscribers."""
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}) as api,
        Redis.from_url(servers.redis_url) as redis,
    ):
        await answers(port)
        async with watching(port, SUBSCRIBERS) as watchers:
            for watcher in watchers:
                watcher.send({"type": "connection_init"})
                watcher.send({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
            await asyncio.sleep(1)
            first = 0.0
            for sent in range(BATCH, events + 1, BATCH):
                await append_events(servers.engine, BATCH, task_id=uuid4(), run_id=uuid4())
                await redis.publish(EVENTS_CHANNEL, b"")
                wanted = sent + 1
                async with asyncio.timeout(60):
                    while min(watcher.frames for watcher in watchers) < wanted:  # noqa: ASYNC110 (sockets are read meanwhile)
                        await asyncio.sleep(0.01)
                for watcher in watchers:
                    watcher.texts.clear()
                if sent == FIRST:
                    first = memory(api.pid)
            return memory(api.pid), first
