"""Targets that are dead, or whose responses are not HTTP."""

from datetime import timedelta

import pytest

from db.models import utc_now
from db.states import RunState
from tests.faults.checker import Findings
from tests.faults.cluster import SLOTS, WORKERS, Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, SECOND, Order, mixed_load, whole

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERD = WORKERS * int(SLOTS)
"""As many calls as all workers have slots. They would take every slot if a single host could."""
DEADLINE = timedelta(seconds=2)
SAYS = {
    "hang": "the target sent no complete response within 2 s",
    "drip": "the target sent no complete response within 2 s",
    "reset": "the call failed: ",
    "garbage": "the call failed: ",
    "headers": "the call failed: ",
}
SOME_MEGABYTES = 48 * 1024 * 1024


async def lateness_beside(cluster: Cluster, herd: str) -> Findings:
    """Return what is found of a steady load beside `HERD` tasks for another host, all due at one instant."""
    start = whole(utc_now() + LEAD)
    steady = mixed_load(start, lasts=3 * SECOND, tasks=100)
    final_state = RunState.FAILED if herd == "hang" else RunState.SUCCEEDED
    crowd = [
        Order(first=start + SECOND / 2, behavior=herd, final_state=final_state, timeout=DEADLINE, attempts=1)
        for _ in range(HERD)
    ]
    await cluster.insert(steady)
    await cluster.insert(crowd, elsewhere=True)
    found = await cluster.settled(steady)
    await cluster.settled(crowd)
    return found


async def test_dead_target_makes_no_other_late(cluster: Cluster, report: Report) -> None:
    """Beside a herd that hangs, the load is about as punctual as beside one that is answered."""
    beside_living = await lateness_beside(cluster, "ok")
    beside_dead = await lateness_beside(cluster, "hang")
    report.add(f"beside {HERD} calls of a living target", beside_living)
    report.add(f"beside {HERD} calls of a dead target", beside_dead)
    assert beside_dead.percentile(99) < 2 * beside_living.percentile(99) + DEADLINE / 4


async def test_responses_that_are_not_http(cluster: Cluster, report: Report) -> None:
    """Each run ends as FAILED within its timeout and says why, and the workers' memory does not grow."""
    start = whole(utc_now() + LEAD)
    orders = [
        Order(first=start, behavior=behavior, final_state=RunState.FAILED, timeout=DEADLINE, attempts=1)
        for behavior in SAYS
        for _ in range(20)
    ]
    healthy = mixed_load(start, lasts=3 * SECOND, tasks=20)
    await cluster.insert([*orders, *healthy])
    before = [worker.memory for worker in cluster.workers]
    found = await cluster.settled([*orders, *healthy])
    after = [worker.memory for worker in cluster.workers]
    report.add("targets: hang, drip, reset, garbage, headers", found)
    behaviors = {order.id: order.behavior for order in orders}
    for run in (await cluster.evidence(orders)).runs:
        assert str(run.error_message).startswith(SAYS[behaviors[run.task_id]]), (
            behaviors[run.task_id],
            run.error_message,
        )
        assert run.duration_ms is not None
        assert timedelta(milliseconds=run.duration_ms) < 3 * DEADLINE
    assert all(now - then < SOME_MEGABYTES for then, now in zip(before, after, strict=True)), (before, after)
