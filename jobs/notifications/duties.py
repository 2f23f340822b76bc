"""The notification duties of workers, and the watch by which API processes do the same while no worker is alive."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.engine.leases import LEASE
from db.models import utc_now
from db.notifications import judging, outbox
from jobs.cancellation import cancel_and_wait
from jobs.clock import Clock
from jobs.http.client import HttpCaller
from jobs.http.resolver import Lookup, system_lookup
from jobs.maintenance.duties import LOOK_EVERY, UNASKED_EVERY, Duty, keep_doing
from jobs.notifications.apprise_service import AppriseService
from jobs.notifications.delivery import POLICY, deliver
from jobs.notifications.judge import judge
from jobs.notifications.sending import Sender
from jobs.retry import RetryPolicy
from jobs.settings import JobsSettings

logger = logging.getLogger(__name__)

PRUNED_EVERY = timedelta(hours=1)
KEPT = timedelta(days=30)
PRUNED_PER_STATEMENT = 500


def sender_of(jobs: JobsSettings, caller: HttpCaller, clock: Clock) -> Sender:
    """Return the sender of a process."""
    apprise = AppriseService(allowed=jobs.targets_allowed, denied=jobs.targets_denied)
    return Sender(caller=caller, apprise=apprise, secrets=jobs.secrets, clock=clock)


def notification_duties(
    engine: AsyncEngine, sender: Sender, *, public_url: str | None, policy: RetryPolicy = POLICY
) -> list[Duty]:
    """Return the duties that evaluate rules, deliver messages, and remove old ones."""

    async def judge_all() -> None:
        await judge(engine, public_url=public_url)

    async def deliver_all() -> None:
        await deliver(engine, sender, policy=policy)

    async def prune() -> None:
        await prune_messages(engine)

    return [
        Duty(name="notifications", every=UNASKED_EVERY, do=judge_all),
        Duty(name="deliveries", every=UNASKED_EVERY, do=deliver_all),
        Duty(name="notification pruning", every=PRUNED_EVERY, do=prune),
    ]


async def prune_messages(engine: AsyncEngine) -> None:
    """Remove messages after `KEPT`, with their deliveries."""
    removed = PRUNED_PER_STATEMENT
    while removed == PRUNED_PER_STATEMENT:
        async with autocommit(engine).connect() as connection:
            removed = await outbox.prune(connection, before=utc_now() - KEPT, limit=PRUNED_PER_STATEMENT)


@asynccontextmanager
async def watching(engine: AsyncEngine, jobs: JobsSettings, *, lookup: Lookup = system_lookup) -> AsyncIterator[Sender]:
    """Evaluate and deliver in this process while no worker is alive, until the block ends. Yield the sender.

    Every API process does that: the lock of the cursor and the leases of deliveries let one of them act at a time.
    """
    clock = Clock()
    async with HttpCaller(clock=clock, policy=jobs.egress_policy, lookup=lookup) as caller:
        sender = sender_of(jobs, caller, clock)

        attended_until = monotonic()

        async def judge_without_workers() -> None:
            if (await attendance(engine)).is_lacking:
                await judge(engine, public_url=jobs.public_url or None)

        async def deliver_without_workers() -> None:
            if (await attendance(engine)).is_lacking:
                await deliver(engine, sender)

        async def look() -> None:
            nonlocal attended_until
            if monotonic() < attended_until:
                return
            found = await attendance(engine)
            if found.has_workers:
                attended_until = monotonic() + LEASE.total_seconds()
            elif found.wanted:
                for duty in duties:
                    duty.wanted.set()

        duties = [
            Duty(name="notifications without workers", every=UNASKED_EVERY, do=judge_without_workers),
            Duty(name="deliveries without workers", every=UNASKED_EVERY, do=deliver_without_workers),
        ]
        looking = Duty(name="look for notifications", every=LOOK_EVERY, do=look)
        # Workers that start at the same time are not alive yet.
        keeping = asyncio.create_task(keep_doing([looking, *duties], after=LOOK_EVERY))
        try:
            yield sender
        finally:
            await cancel_and_wait(keeping)


async def attendance(engine: AsyncEngine) -> judging.Attendance:
    """Return who attends to notifications."""
    async with autocommit(engine).connect() as connection:
        return await judging.attendance(connection, late_after=LEASE)
