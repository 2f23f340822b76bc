"""Redis that is emptied, restarted, or away: it only wakes, so what it loses is found in Postgres."""

import pytest
from redis.asyncio import Redis

from db.models import utc_now
from tests.faults.cluster import Stage
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, Order, mixed_load, whole

QUICK = 100 * MILLISECOND
"""How long the API may take to accept a task while Redis is away, unless it is the machine that is busy."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_flushall(stage: Stage, report: Report) -> None:
    """Every wake-up is gone at once, again and again."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=40)
    await stage.insert(load)
    async with Redis.from_url(stage.servers.valkey.url) as redis:
        for n in range(1, 7):
            await stage.until(start + n * SECOND / 2)
            flushed_at = utc_now()
            await redis.flushall()
    found = await stage.settled(load)
    report.add("Redis: FLUSHALL, six times", found, recovery=found.recovery(flushed_at))


async def test_killed_and_started_empty(stage: Stage, report: Report) -> None:
    """Workers find their way back by themselves."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=40)
    await stage.insert(load)
    await stage.until(start + SECOND)
    await stage.servers.valkey.kill()
    await stage.servers.valkey.start()
    started_at = utc_now()
    found = await stage.settled(load)
    report.add("Redis: kill -9, started empty", found, recovery=found.recovery(started_at))


async def test_away_for_a_minute(stage: Stage, report: Report) -> None:
    """Tasks go on firing, and new ones are accepted; what arq kept for a minute at most is gone by then."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=63 * SECOND, tasks=20)
    await stage.insert(load)
    await stage.until(start + SECOND)
    await stage.servers.valkey.kill()
    killed_at = utc_now()
    accepted, took = [], []
    for _ in range(30):
        asked_at = utc_now()
        order = Order(first=whole(asked_at + LEAD))
        await stage.create(order)
        accepted.append(order)
        took.append(utc_now() - asked_at)
    await stage.until(killed_at + 60 * SECOND)
    await stage.servers.valkey.start()
    found = await stage.settled([*load, *accepted])
    report.add("Redis: away for a minute", found, recovery=found.recovery(killed_at))
    assert min(took) < QUICK
