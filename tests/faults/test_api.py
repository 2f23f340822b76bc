"""An API that is killed while a subscriber is connected."""

import pytest

from db.models import utc_now
from tests.faults.cluster import STARTS_WITHIN, Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, SECOND, mixed_load
from tests.support.follower import Seen, following
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_subscriber_resumes(cluster: Cluster, report: Report) -> None:
    """Its cursor brings it what happened meanwhile: in all it has seen exactly what was committed, in order."""
    cursor = (await cluster.ask("{ runEventsCursor }"))["runEventsCursor"]
    begin = await cluster.newest_event()
    async with following(str(cluster.http.base_url), cursor) as follower:
        load = mixed_load(utc_now() + LEAD, lasts=4 * SECOND, tasks=40, behavior="slow/100")
        await cluster.insert(load)
        for _ in range(2):
            before = follower.connections
            await wait_until(lambda: len(follower.seen) > 40, what="the subscriber sees events")
            await cluster.api.kill()
            killed_at = utc_now()
            cluster.api.start()
            await wait_until(
                lambda n=before: follower.connections > n,  # type: ignore[misc]
                what="the subscriber is back",
                within=STARTS_WITHIN,
            )
            recovery = utc_now() - killed_at
        found = await cluster.settled(load)
        events = await cluster.events_after(begin)
        await wait_until(lambda: len(follower.seen) >= len(events), what="the subscriber has seen every event")
    report.add("API: kill -9, twice, under a subscriber", found, recovery=recovery)
    assert follower.seen == [Seen(event.type.name, str(event.run_id), event.attempt) for event in events]
    assert not follower.gaps
