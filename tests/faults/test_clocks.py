"""A worker on a host whose clock is set: Postgres's clock alone decides what is due."""

from pathlib import Path

import pytest

from db.models import utc_now
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, SECOND, mixed_load
from tests.support.processes import ServiceProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
"""The library that gives a process its own clock, from Debian's package `faketime`."""


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime (Debian's package faketime) is not installed")
async def test_clock_that_jumps(cluster: Cluster, report: Report, tmp_path: Path) -> None:
    """By an hour forward, back, and an hour behind: no call goes out early, and none waits for the host's clock."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    worker = ServiceProcess(
        "worker",
        environment={
            **cluster.environment,
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        cwd=tmp_path,
        name="worker-with-a-clock",
    )
    for other in cluster.workers:
        await other.stop()
    await cluster.until_up(worker)
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=8 * SECOND, tasks=40)
    await cluster.insert(load)
    try:
        for after, offset in ((1, "+1h"), (3, "+0"), (5, "-1h")):
            await cluster.until(start + after * SECOND)
            clock.write_text(offset)
            jumped_at = utc_now()
        found = await cluster.settled(load)
    finally:
        await worker.kill()
    assert not worker.tracebacks()
    report.add("the clock of a worker's host jumps by an hour", found, recovery=found.recovery(jumped_at))
