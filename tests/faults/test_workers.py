"""Workers that are killed, stand still, and are replaced."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.models import utc_now
from db.states import LostPolicy, RunState
from tests.faults.checker import Evidence, Findings
from tests.faults.cluster import Stage
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, Order, mixed_load, whole
from tests.support.processes import Part
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECOVERED_WITHIN = timedelta(seconds=10)
HOLDER = text("""
SELECT w.pid FROM task_results r JOIN workers w ON w.id = r.worker_id WHERE r.task_id = :task_id AND r.state = 'running'
""")
HELD = text("""
SELECT r.task_id FROM task_results r JOIN workers w ON w.id = r.worker_id WHERE w.pid = :pid AND r.state = 'running'
""")


async def pid_of_holder(stage: Stage, order: Order) -> int | None:
    """The process number of the worker that has the order's call on its way."""
    async with stage.engine.connect() as connection:
        pid: int | None = (await connection.execute(HOLDER, {"task_id": order.id})).scalar()
        return pid


async def held_by(stage: Stage, worker: Part) -> set[UUID]:
    """The tasks of which a worker has calls on their way, by the ledger."""
    async with stage.engine.connect() as connection:
        return {*(await connection.execute(HELD, {"pid": worker.pid})).scalars()}


async def pause_at_work(stage: Stage, worker: Part, *loads: Sequence[Order]) -> None:
    """Has a worker stand still at a moment when it has calls of each of the loads on their way."""

    async def at_work() -> bool:
        held = await held_by(stage, worker)
        return all(any(order.id in held for order in load) for load in loads)

    async def caught() -> bool:
        if not await at_work():
            return False
        worker.pause()
        if not await at_work():
            worker.resume()
            return False
        return True

    await wait_until(caught, what="the worker has calls of each kind on their way")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was found once one of two workers had been killed, by what its tasks had asked for."""

    killed_at: datetime
    retried: Findings
    failed: Evidence
    long: Evidence


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermath(everything: Stage) -> Aftermath:
    """Kills one worker under load, while the other one makes a call that takes longer than two leases."""
    stage = everything
    await stage.mend()
    start = whole(utc_now() + LEAD)
    long = Order(first=start, does="slow/12000")
    retried = mixed_load(start, lasts=4 * SECOND, tasks=40, does="slow/700")
    failed = [
        Order(first=start + SECOND + n * 40 * MILLISECOND, does="slow/700", on_lost=LostPolicy.FAIL) for n in range(50)
    ]
    await stage.insert([long, *retried, *failed])
    await stage.until(start + 2 * SECOND)
    holder = await pid_of_holder(stage, long)
    [killed] = [worker for worker in stage.workers if worker.pid != holder]
    await pause_at_work(stage, killed, retried, failed)
    await killed.kill()
    killed_at = utc_now()
    await stage.settled([*failed, long, *retried])
    return Aftermath(
        killed_at=killed_at,
        retried=await stage.settled(retried),
        failed=await stage.evidence(failed),
        long=await stage.evidence([long]),
    )


async def test_kill_9_of_a_worker(aftermath: Aftermath, report: Report) -> None:
    """Its attempts are sent again by another one, under their keys; nothing is lost or doubled."""
    recovery = aftermath.retried.recovery(aftermath.killed_at)
    report.add("kill -9 of one of two workers", aftermath.retried, recovery=recovery)
    assert aftermath.retried.resent
    assert recovery < RECOVERED_WITHIN


async def test_a_lost_attempt_that_must_not_be_sent_again_is_unknown(aftermath: Aftermath) -> None:
    """With onLost FAIL the run ends so, and its target is called once at most."""
    lost = [run for run in aftermath.failed.runs if run.state == RunState.UNKNOWN]
    calls = [call.key for call in aftermath.failed.calls]
    assert lost
    assert all(run.attempt == 1 and calls.count(str(run.id)) <= 1 for run in lost)
    assert all(run.finished_at and run.finished_at - aftermath.killed_at < RECOVERED_WITHIN for run in lost)


async def test_a_long_call_of_a_living_worker_is_not_stolen(aftermath: Aftermath) -> None:
    """However often others rescue meanwhile: it is the call that takes long, not the lease."""
    [run] = aftermath.long.runs
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)
    assert run.duration_ms is not None
    assert run.duration_ms >= 12_000


async def test_kill_9_of_all_workers(stage: Stage, report: Report) -> None:
    """Those that are started afterwards rescue the attempts, and catch up with what was due in between."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + 2 * SECOND)
    for worker in stage.workers:
        await worker.kill()
    killed_at = utc_now()
    await stage.until_up(*stage.workers)
    up_at = utc_now()
    found = await stage.settled(load)
    report.add("kill -9 of all workers, started again", found, recovery=found.recovery(killed_at))
    assert found.resent
    assert found.recovery(up_at) < RECOVERED_WITHIN


async def test_a_worker_that_stood_still_past_its_lease(stage: Stage, report: Report) -> None:
    """Others send its attempts again; what it learns when it goes on is refused; and then it works as before.

    Calls take so long that those sent again are still on their way when it goes on with the answers to the first ones.
    """
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/1500")
    await stage.insert(load)
    await stage.until(start + 2 * SECOND)
    paused = stage.workers[0]
    await pause_at_work(stage, paused, load)
    paused_at = utc_now()

    async def robbed() -> bool:
        return not await held_by(stage, paused)

    try:
        await wait_until(robbed, what="the attempts of the paused worker were rescued", within=15)
    finally:
        paused.resume()
    found = await stage.settled(load)
    report.add("SIGSTOP past the lease, SIGCONT", found, recovery=found.recovery(paused_at))
    assert found.resent
    # The target had answered attempts that count as lost: nothing but the fence kept those answers out.
    evidence = await stage.evidence(load)
    answered = {(call.key, call.attempt) for call in evidence.calls if call.status == 200}
    assert any((str(run.id), attempt) in answered for run in evidence.runs for attempt in range(1, run.attempt))
    await stage.until_up(paused)


async def test_a_rolling_restart(stage: Stage, report: Report) -> None:
    """SIGTERM of one worker after the other under load: nothing is lost, doubled, or sent again."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=6 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + SECOND)
    for worker in stage.workers:
        assert await worker.stop() == 0
        await stage.until_up(worker)
    found = await stage.settled(load)
    report.add("rolling restart of all workers", found, recovery=found.recovery(start))
    assert not found.resent
    assert all(run.attempt <= 1 for run in (await stage.evidence(load)).runs)


async def test_sigterm_while_postgres_is_away(stage: Stage, report: Report) -> None:
    """Workers end in good order once it is back, and hand over what they had claimed."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=40, does="slow/300")
    await stage.insert(load)
    await stage.until(start + SECOND)
    await stage.servers.postgres.kill()
    stopping = asyncio.gather(*(worker.stop() for worker in stage.workers))
    await stage.until(start + 2 * SECOND)
    await stage.servers.postgres.start()
    back_at = utc_now()
    assert await stopping == [0] * len(stage.workers), "\n".join(worker.log_tail() for worker in stage.workers)
    assert utc_now() - back_at < RECOVERED_WITHIN
    await stage.until_up(*stage.workers)
    found = await stage.settled(load)
    report.add("SIGTERM of all workers, Postgres away", found, recovery=found.recovery(back_at))
