"""Redis that is emptied, restarted or away: it only wakes workers, so what it loses is found in Postgres."""

import pytest
from redis.asyncio import Redis

from db.models import utc_now
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, Order, mixed_load, whole

QUICK = 100 * MILLISECOND
"""How long the API may take to accept a task while Redis is away, unless the machine is busy."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_flushall(cluster: Cluster, report: Report) -> None:
    """All wake-ups are lost, again and again."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=40)
    await cluster.insert(load)
    async with Redis.from_url(cluster.servers.valkey.url) as redis:
        for n in range(1, 7):
            await cluster.until(start + n * SECOND / 2)
            flushed_at = utc_now()
            await redis.flushall()
    found = await cluster.settled(load)
    report.add("Redis: FLUSHALL, six times", found, recovery=found.recovery(flushed_at))


async def test_killed_and_started_empty(cluster: Cluster, report: Report) -> None:
    """Workers reconnect by themselves."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=20)
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    await cluster.servers.valkey.kill()
    await cluster.servers.valkey.start()
    started_at = utc_now()
    found = await cluster.settled(load)
    report.add("Redis: kill -9, started empty", found, recovery=found.recovery(started_at))


async def test_away_for_a_minute(cluster: Cluster, report: Report) -> None:
    """Tasks go on firing and new ones are accepted, for longer than arq keeps anything."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=63 * SECOND, tasks=20, every=5 * SECOND)
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    await cluster.servers.valkey.kill()
    killed_at = utc_now()
    accepted, took = [], []
    for _ in range(30):
        asked_at = utc_now()
        order = Order(first=whole(asked_at + LEAD))
        await cluster.create(order)
        accepted.append(order)
        took.append(utc_now() - asked_at)
    await cluster.until(killed_at + 60 * SECOND)
    await cluster.servers.valkey.start()
    found = await cluster.settled([*load, *accepted])
    report.add("Redis: away for a minute", found, recovery=found.recovery(killed_at))
    assert min(took) < QUICK
