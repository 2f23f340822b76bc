"""Workers that die, stand still, and are replaced."""

from datetime import timedelta

import pytest

from db.models import utc_now
from tests.faults.conftest import Report
from tests.faults.order import SECOND, mixed_load
from tests.faults.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESCUED_WITHIN = timedelta(seconds=10)


async def test_kill_9_of_a_worker(stage: Stage, report: Report) -> None:
    """Its attempts are sent again by another one, under their keys; everything else goes on."""
    start = utc_now() + SECOND
    load = mixed_load(start, lasts=4 * SECOND, tasks=40, does="slow/300")
    await stage.create(load)
    await stage.until(start + 2 * SECOND)
    await stage.workers[0].kill()
    killed_at = utc_now()
    found = await stage.settled(load)
    report.add("kill -9 of one of two workers", found, recovery=found.recovery(killed_at))
    assert found.resent
    assert found.recovery(killed_at) < RESCUED_WITHIN
