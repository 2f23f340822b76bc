"""Recovery while a claim takes long, as that of a long backlog does."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import utc_now
from jobs.clock import Clock
from jobs.engine.engine import compose
from jobs.engine.lease import Lease
from jobs.http.client import HttpCaller
from jobs.maintenance.recovery import Recovery
from jobs.queue import Queue
from jobs.settings import JobsSettings
from tests.support.engine import one_off, save
from tests.support.waiting import wait_until


async def test_a_long_claim_delays_no_sweep(
    engine: AsyncEngine, redis_url: str, jobs_settings: JobsSettings, caller: HttpCaller
) -> None:
    """Sweeps end while a claim is in progress; what is overdue is claimed after it, once."""
    clock, queue = Clock(), Queue.open(redis_url)
    lease = Lease(engine=engine, clock=clock, slots=10)
    await lease.renew()
    worker = compose(
        engine=engine, queue=queue, caller=caller, secrets=jobs_settings.secrets, lease=lease, clock=clock, slots=10
    )
    recovery = Recovery(database=engine, engine=worker, clock=clock)
    await save(engine, one_off("http://127.0.0.1:9/", utc_now() - timedelta(hours=1)))
    async with worker.dispatcher.lock:
        for _ in range(3):
            await recovery.sweep()
        assert len(worker.in_flight) == 0
    await wait_until(lambda: len(worker.in_flight), what="the overdue run is claimed")
    await worker.dispatcher.stop()
    assert len(worker.in_flight) == 1
    await queue.close()
