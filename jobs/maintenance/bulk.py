"""Processes bulk operations; if a worker dies, any other one continues."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import CONNECTION_ERRORS, autocommit
from db.models import utc_now
from db.reads import bulk as selection
from db.states import BulkState
from db.tasks import bulk
from jobs.maintenance.duties import UNASKED_EVERY, Duty
from jobs.queue import Queue
from jobs.security.encryption import SecretKeys
from jobs.tasks.bulk import work_off_chunk

logger = logging.getLogger(__name__)

PRUNED_EVERY = timedelta(hours=1)
KEPT = timedelta(days=30)


def bulk_duties(engine: AsyncEngine, queue: Queue, secrets: SecretKeys, *, wanted: asyncio.Event) -> list[Duty]:
    """Return the duties that process operations, at once when they are `wanted`, and remove old ones."""

    async def work() -> None:
        await work_off(engine, queue, secrets)

    async def prune() -> None:
        async with autocommit(engine).connect() as connection:
            await bulk.prune(connection, before=utc_now() - KEPT)

    return [
        Duty(name="bulk", every=UNASKED_EVERY, do=work, wanted=wanted),
        Duty(name="bulk pruning", every=PRUNED_EVERY, do=prune),
    ]


async def work_off(engine: AsyncEngine, queue: Queue, secrets: SecretKeys) -> None:
    """Process all operations in turn, a chunk of each at a time, until this worker has nothing left to do. An operation
    that fails ends as FAILED; while Postgres is down, it is retried.
    """
    while True:
        async with AsyncSession(autocommit(engine), expire_on_commit=False) as session:
            unfinished = await bulk.unfinished(await session.connection())
            operations = await selection.find(session, unfinished) if unfinished else {}
        moved = False
        for operation_id in unfinished:
            operation = operations.get(operation_id)
            if operation is None:
                continue
            try:
                moved |= await work_off_chunk(engine, queue, secrets, operation)
            except CONNECTION_ERRORS:
                raise
            except Exception:
                logger.exception(
                    "An operation on many tasks or runs failed.", extra={"action": "bulk_failed", "id": operation_id}
                )
                async with AsyncSession(engine) as session, session.begin():
                    await bulk.end(session, operation_id, BulkState.FAILED, now=utc_now())
        if not moved:
            return
