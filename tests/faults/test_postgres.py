"""Postgres that dies and comes back, and a way to it that breaks, stalls, or is long."""

import signal

import pytest

from db.models import utc_now
from tests.faults.cluster import Stage
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, mixed_load

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("fault", "number"), [("immediate shutdown", signal.SIGQUIT), ("kill -9", signal.SIGKILL)], ids=["quit", "kill"]
)
async def test_dies_and_comes_back(stage: Stage, report: Report, fault: str, number: signal.Signals) -> None:
    """Calls that were on their way keep their answers, what was due meanwhile is caught up with, all stays up."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + SECOND)
    await stage.servers.postgres.kill(number)
    assert not await stage.is_healthy()
    await stage.until(start + 2 * SECOND)
    await stage.servers.postgres.start()
    started_at = utc_now()
    found = await stage.settled(load)
    report.add(f"Postgres: {fault}, started again", found, recovery=found.recovery(started_at))
    assert await stage.is_healthy()


async def test_connections_are_cut(stage: Stage, report: Report) -> None:
    """One by one, and then all at once; a claim or a result whose commit nobody confirmed is found out about."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    cut = 0
    for n in range(45):
        await stage.until(start + n * 50 * MILLISECOND)
        cut += stage.proxy.cut(1)
    cut += stage.proxy.cut()
    cut_at = utc_now()
    found = await stage.settled(load)
    report.add(f"Postgres: {cut} connections cut", found, recovery=found.recovery(cut_at))
    assert cut > 10


async def test_far_away(stage: Stage, report: Report) -> None:
    """Each round trip takes 50 ms longer."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40)
    await stage.insert(load)
    stage.proxy.latency = 25 * MILLISECOND
    found = await stage.settled(load)
    report.add("Postgres: 50 ms away", found, recovery=found.recovery(start))


async def test_a_network_that_stalls(stage: Stage, report: Report) -> None:
    """Connections stay open, and nothing passes, for longer than a lease."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + SECOND)
    stage.proxy.stall()
    await stage.until(start + 7 * SECOND)
    stage.proxy.flow()
    flowed_at = utc_now()
    found = await stage.settled(load)
    report.add("Postgres: network stalled for 6 s", found, recovery=found.recovery(flowed_at))


async def test_connections_that_go_silent(stage: Stage, report: Report) -> None:
    """As when the server's host vanished and another one took its place: nothing is ever heard on those there were."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + SECOND)
    stage.proxy.swallow()
    swallowed_at = utc_now()
    found = await stage.settled(load)
    report.add("Postgres: connections gone silent", found, recovery=found.recovery(swallowed_at))
