"""Postgres that dies and comes back, and a network to it that breaks, stalls or is slow."""

import signal

import pytest

from db.models import utc_now
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, mixed_load

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("fault", "number"), [("immediate shutdown", signal.SIGQUIT), ("kill -9", signal.SIGKILL)], ids=["quit", "kill"]
)
async def test_dies_and_comes_back(cluster: Cluster, report: Report, fault: str, number: signal.Signals) -> None:
    """Calls in flight keep their responses, what was due meanwhile is caught up with, and no process ends."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    await cluster.servers.postgres.kill(number)
    assert not await cluster.is_healthy()
    await cluster.until(start + 2 * SECOND)
    await cluster.servers.postgres.start()
    started_at = utc_now()
    found = await cluster.settled(load)
    report.add(f"Postgres: {fault}, started again", found, recovery=found.recovery(started_at))
    assert await cluster.is_healthy()


async def test_connections_are_cut(cluster: Cluster, report: Report) -> None:
    """One by one, then all at once: a commit whose acknowledgement was lost is detected and reconciled."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, behavior="slow/300")
    await cluster.insert(load)
    cut = 0
    for n in range(45):
        await cluster.until(start + n * 50 * MILLISECOND)
        cut += cluster.proxy.cut(1)
    cut += cluster.proxy.cut()
    cut_at = utc_now()
    found = await cluster.settled(load)
    report.add(f"Postgres: {cut} connections cut", found, recovery=found.recovery(cut_at))
    assert cut > 10


async def test_far_away(cluster: Cluster, report: Report) -> None:
    """Each round trip takes 50 ms longer."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20)
    await cluster.insert(load)
    cluster.proxy.latency = 25 * MILLISECOND
    found = await cluster.settled(load)
    report.add("Postgres: 50 ms away", found, recovery=found.recovery(start))


async def test_network_that_stalls(cluster: Cluster, report: Report) -> None:
    """Connections stay open, but nothing passes for longer than a lease lasts."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    cluster.proxy.stall()
    await cluster.until(start + 7 * SECOND)
    cluster.proxy.flow()
    flowed_at = utc_now()
    found = await cluster.settled(load)
    report.add("Postgres: network stalled for 6 s", found, recovery=found.recovery(flowed_at))


async def test_connections_that_go_silent(cluster: Cluster, report: Report) -> None:
    """As after a failover to another host: nothing is ever received on the old connections, not even their end."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    cluster.proxy.swallow()
    swallowed_at = utc_now()
    found = await cluster.settled(load)
    report.add("Postgres: connections gone silent", found, recovery=found.recovery(swallowed_at))
