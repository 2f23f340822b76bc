"""Workers that are killed, paused and replaced."""

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
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, MILLISECOND, SECOND, Order, mixed_load, whole
from tests.support.processes import ServiceProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECOVERED_WITHIN = timedelta(seconds=10)
HOLDER = text("""
SELECT w.pid FROM task_results r JOIN workers w ON w.id = r.worker_id WHERE r.task_id = :task_id AND r.state = 'running'
""")
HELD = text("""
SELECT r.id, r.task_id FROM task_results r JOIN workers w ON w.id = r.worker_id
WHERE w.pid = :pid AND r.state = 'running'
""")


async def pid_of_holder(cluster: Cluster, order: Order) -> int | None:
    """Return the pid of the worker that is making the order's call."""
    async with cluster.engine.connect() as connection:
        pid: int | None = (await connection.execute(HOLDER, {"task_id": order.id})).scalar()
        return pid


async def held_by(cluster: Cluster, worker: ServiceProcess) -> dict[str, UUID]:
    """Return the runs whose calls a worker is making, according to the database, with the task of each."""
    async with cluster.engine.connect() as connection:
        found = await connection.execute(HELD, {"pid": worker.pid})
        return {str(row.id): row.task_id for row in found}


async def pause_at_work(cluster: Cluster, worker: ServiceProcess, *loads: Sequence[Order]) -> None:
    """Pause a worker at a moment at which the target has calls of each of the loads from it, and has not responded."""

    async def at_work() -> bool:
        held = await held_by(cluster, worker)
        calling = {held.get(call.key) for call in await cluster.target.calls() if call.responded_at is None}
        return all(any(order.id in calling for order in load) for load in loads)

    async def caught() -> bool:
        if not await at_work():
            return False
        worker.pause()
        if not await at_work():
            worker.resume()
            return False
        return True

    await wait_until(caught, what="the worker is making calls of each load")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was found after one of two workers had been killed, by the kinds of its tasks."""

    killed_at: datetime
    retried: Findings
    failed: Evidence
    long: Evidence


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermath(shared_cluster: Cluster) -> Aftermath:
    """Kill one worker under load, while the other one makes a call that takes longer than two leases."""
    cluster = shared_cluster
    await cluster.mend()
    start = whole(utc_now() + LEAD)
    long = Order(first=start, behavior="slow/12000")
    retried = mixed_load(start, lasts=4 * SECOND, tasks=40, behavior="slow/700")
    failed = [
        Order(first=start + SECOND + n * 40 * MILLISECOND, behavior="slow/700", on_lost=LostPolicy.FAIL)
        for n in range(50)
    ]
    await cluster.insert([long, *retried, *failed])
    await cluster.until(start + 2 * SECOND)
    holder = await pid_of_holder(cluster, long)
    [killed] = [worker for worker in cluster.workers if worker.pid != holder]
    await pause_at_work(cluster, killed, retried, failed)
    await killed.kill()
    killed_at = utc_now()
    await cluster.settled([*failed, long, *retried])
    return Aftermath(
        killed_at=killed_at,
        retried=await cluster.settled(retried),
        failed=await cluster.evidence(failed),
        long=await cluster.evidence([long]),
    )


async def test_kill_9_of_a_worker(aftermath: Aftermath, report: Report) -> None:
    """Another worker sends its attempts again under their keys, and nothing is lost or doubled."""
    recovery = aftermath.retried.recovery(aftermath.killed_at)
    report.add("kill -9 of one of two workers", aftermath.retried, recovery=recovery)
    assert aftermath.retried.resent
    assert recovery < RECOVERED_WITHIN


async def test_lost_attempt_that_must_not_be_sent_again_is_unknown(aftermath: Aftermath) -> None:
    """With onLost FAIL the run ends as UNKNOWN, and its target is called at most once."""
    lost = [run for run in aftermath.failed.runs if run.state == RunState.UNKNOWN]
    calls = [call.key for call in aftermath.failed.calls]
    assert lost
    assert all(run.attempt == 1 and calls.count(str(run.id)) <= 1 for run in lost)
    assert all(run.finished_at and run.finished_at - aftermath.killed_at < RECOVERED_WITHIN for run in lost)


async def test_long_call_of_a_living_worker_is_not_taken(aftermath: Aftermath) -> None:
    """Other workers rescue only runs whose lease has run out, however long a call takes."""
    [run] = aftermath.long.runs
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)
    assert run.duration_ms is not None
    assert run.duration_ms >= 12_000


async def test_kill_9_of_all_workers(cluster: Cluster, report: Report) -> None:
    """Workers that are started afterwards rescue the attempts and catch up with what was due in between."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=4 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + 2 * SECOND)
    for worker in cluster.workers:
        await worker.kill()
    killed_at = utc_now()
    await cluster.until_up(*cluster.workers)
    up_at = utc_now()
    found = await cluster.settled(load)
    report.add("kill -9 of all workers, started again", found, recovery=found.recovery(killed_at))
    assert found.resent
    assert found.recovery(up_at) < RECOVERED_WITHIN


async def test_worker_paused_past_its_lease(cluster: Cluster, report: Report) -> None:
    """Others send its attempts again, its own outcomes are ignored when it resumes, and then it works as before.

    Calls take so long that the second ones are still in flight when it resumes with the responses to the first ones.
    """
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20, behavior="slow/1500")
    await cluster.insert(load)
    await cluster.until(start + 2 * SECOND)
    paused = cluster.workers[0]
    await pause_at_work(cluster, paused, load)
    paused_at = utc_now()

    async def holds_nothing() -> bool:
        return not await held_by(cluster, paused)

    try:
        await wait_until(holds_nothing, what="the attempts of the paused worker were rescued", within=15)
    finally:
        paused.resume()
    found = await cluster.settled(load)
    report.add("SIGSTOP past the lease, SIGCONT", found, recovery=found.recovery(paused_at))
    assert found.resent
    # The target had answered attempts that count as lost: only the epoch kept their outcomes out.
    evidence = await cluster.evidence(load)
    answered = {(call.key, call.attempt) for call in evidence.calls if call.status == 200}
    assert any((str(run.id), attempt) in answered for run in evidence.runs for attempt in range(1, run.attempt))
    await cluster.until_up(paused)


async def test_rolling_restart(cluster: Cluster, report: Report) -> None:
    """One worker after the other gets SIGTERM under load, and nothing is lost, doubled or sent again."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=6 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    for worker in cluster.workers:
        assert await worker.stop() == 0
        await cluster.until_up(worker)
    found = await cluster.settled(load)
    report.add("rolling restart of all workers", found, recovery=found.recovery(start))
    assert not found.resent
    assert all(run.attempt <= 1 for run in (await cluster.evidence(load)).runs)


async def test_sigterm_while_postgres_is_away(cluster: Cluster, report: Report) -> None:
    """Once it is back, workers hand over what they had claimed and exit cleanly."""
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=3 * SECOND, tasks=20, behavior="slow/300")
    await cluster.insert(load)
    await cluster.until(start + SECOND)
    await cluster.servers.postgres.kill()
    stopping = asyncio.gather(*(worker.stop() for worker in cluster.workers))
    await cluster.until(start + 2 * SECOND)
    await cluster.servers.postgres.start()
    back_at = utc_now()
    assert await stopping == [0] * len(cluster.workers), "\n".join(worker.log_tail() for worker in cluster.workers)
    assert utc_now() - back_at < RECOVERED_WITHIN
    await cluster.until_up(*cluster.workers)
    found = await cluster.settled(load)
    report.add("SIGTERM of all workers, Postgres away", found, recovery=found.recovery(back_at))
