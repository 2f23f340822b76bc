"""Limits of calls to a host while workers and Redis are killed: they hold, and no instant is lost or doubled."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest
import pytest_asyncio

from db.models import utc_now
from jobs.engine.flow_limits import CATCH_UP
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.limits import limiting
from tests.faults.order import LEAD, SECOND, mixed_load, whole
from tests.faults.test_workers import held_by
from tests.support.faulty_target import ReceivedCall
from tests.support.processes import ServiceProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = "{ flowLimits { waitingRuns } }"
MOST, RATE = 6, 60


@pytest_asyncio.fixture(loop_scope="session")
async def limited(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Limit the calls to the target."""
    async with limiting(cluster, most=MOST, rate=RATE):
        yield cluster


def most_at_once(calls: Sequence[ReceivedCall], *, killed_at: datetime) -> int:
    """Return how many calls the target was answering at the same time. Those of the killed worker end with it."""
    changes = [(call.at, 1) for call in calls] + [(call.responded_at or max(killed_at, call.at), -1) for call in calls]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


async def paused_at_work(cluster: Cluster) -> ServiceProcess:
    """Return a worker that was paused while it was making calls."""

    async def caught() -> ServiceProcess | None:
        for worker in cluster.workers:
            worker.pause()
            if await held_by(cluster, worker):
                return worker
            worker.resume()
        return None

    found = await wait_until(caught, what="a worker is making calls")
    assert found is not None
    return found


async def test_workers_and_redis_are_killed(limited: Cluster, report: Report) -> None:
    """Places of a killed worker come free with its runs, and the limits need no Redis."""
    cluster = limited
    start = whole(utc_now() + 1.5 * LEAD)
    seen = len(await cluster.target.calls())
    load = mixed_load(start, lasts=4 * SECOND, tasks=40, behavior="slow/200")
    await cluster.insert(load)

    async def some_wait() -> bool:
        [limit] = (await cluster.ask(WAITING))["flowLimits"]
        return bool(limit["waitingRuns"])

    await wait_until(some_wait, what="runs wait for the limit")
    await cluster.until(start + SECOND)
    await cluster.servers.valkey.kill()
    await cluster.until(start + 2 * SECOND)
    await (await paused_at_work(cluster)).kill()
    killed_at = utc_now()
    await cluster.until(start + 3 * SECOND)
    await cluster.servers.valkey.start()
    found = await cluster.settled(load)
    assert found.resent
    report.add("flow limits: kill -9 of Redis and a worker", found, recovery=found.recovery(killed_at))
    calls = (await cluster.target.calls())[seen:]
    assert most_at_once(calls, killed_at=killed_at) == MOST
    started = sorted(call.at for call in calls)
    within = max(sum(at <= other < at + SECOND for other in started) for at in started)
    assert within <= RATE * (1 + 2 * CATCH_UP / SECOND)
