"""Deletes tasks `delete_after_ms` after they ended."""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.maintenance import expiry
from db.models import utc_now
from db.states import KeyScope
from jobs.maintenance.duties import UNASKED_EVERY, Duty
from jobs.queue import Queue
from jobs.security.api_keys import MAINTENANCE, Caller
from jobs.security.encryption import SecretKeys
from jobs.tasks import changes
from jobs.tasks.transaction import transaction

DELETED_PER_TRANSACTION = 100
CALLER = Caller(name=MAINTENANCE, scope=KeyScope.WRITE)


def expiry_duty(engine: AsyncEngine, queue: Queue, secrets: SecretKeys) -> Duty:
    """Return the duty that deletes tasks some time after their end."""

    async def delete() -> None:
        await delete_expired(engine, queue, secrets)

    return Duty(name="expiry", every=UNASKED_EVERY, do=delete)


async def delete_expired(engine: AsyncEngine, queue: Queue, secrets: SecretKeys) -> None:
    """Delete every expired task, as `deleteTask` does."""
    deleted = DELETED_PER_TRANSACTION
    while deleted == DELETED_PER_TRANSACTION:
        async with transaction(engine, queue, caller=CALLER, secrets=secrets) as work:
            task_ids = await expiry.lock_expired(work.session, limit=DELETED_PER_TRANSACTION)
            await changes.delete_tasks(work, task_ids, now=utc_now())
        deleted = len(task_ids)
