"""Targets that are dead or answer what is no answer."""

from datetime import timedelta

import pytest

from db.models import utc_now
from db.states import RunState
from tests.faults.checker import Findings
from tests.faults.cluster import SLOTS, WORKERS, Stage
from tests.faults.conftest import Report
from tests.faults.order import LEAD, SECOND, Order, mixed_load, whole

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timing]

HERD = WORKERS * int(SLOTS)
"""As many calls as all workers together have slots: they would take them all, if one host could."""
DEADLINE = timedelta(seconds=2)
SAYS = {
    "hang": "no complete answer within 2 s",
    "drip": "no complete answer within 2 s",
    "reset": "the call failed: ",
    "garbage": "the call failed: ",
    "headers": "the call failed: ",
}
SOME_MEGABYTES = 48 * 1024 * 1024


async def lateness_beside(stage: Stage, herd: str) -> Findings:
    """How a steady load does beside so many tasks for another host, all due at one instant."""
    start = whole(utc_now() + LEAD)
    steady = mixed_load(start, lasts=3 * SECOND, tasks=100)
    ends = RunState.FAILED if herd == "hang" else RunState.SUCCEEDED
    crowd = [Order(first=start + SECOND / 2, does=herd, ends=ends, timeout=DEADLINE, attempts=1) for _ in range(HERD)]
    await stage.insert(steady)
    await stage.insert(crowd, elsewhere=True)
    found = await stage.settled(steady)
    await stage.settled(crowd)
    return found


async def test_a_dead_target_makes_no_other_late(stage: Stage, report: Report) -> None:
    """The same load beside a herd that hangs is as punctual as beside one that is answered, give or take."""
    beside_living = await lateness_beside(stage, "ok")
    beside_dead = await lateness_beside(stage, "hang")
    report.add(f"beside {HERD} calls of a living target", beside_living)
    report.add(f"beside {HERD} calls of a dead target", beside_dead)
    assert beside_dead.percentile(99) < 2 * beside_living.percentile(99) + DEADLINE / 4


async def test_answers_that_are_none(stage: Stage, report: Report) -> None:
    """The run is FAILED, in time, and says why; the worker does not grow by what it was sent."""
    start = whole(utc_now() + LEAD)
    orders = [
        Order(first=start, does=does, ends=RunState.FAILED, timeout=DEADLINE, attempts=1)
        for does in SAYS
        for _ in range(20)
    ]
    healthy = mixed_load(start, lasts=3 * SECOND, tasks=20)
    await stage.insert([*orders, *healthy])
    before = [worker.memory for worker in stage.workers]
    found = await stage.settled([*orders, *healthy])
    after = [worker.memory for worker in stage.workers]
    report.add("targets: hang, drip, reset, garbage, headers", found)
    does = {order.id: order.does for order in orders}
    for run in (await stage.evidence(orders)).runs:
        assert str(run.error_message).startswith(SAYS[does[run.task_id]]), (does[run.task_id], run.error_message)
        assert run.duration_ms is not None
        assert timedelta(milliseconds=run.duration_ms) < DEADLINE + SECOND
    assert all(now - then < SOME_MEGABYTES for then, now in zip(before, after, strict=True)), (before, after)
