"""One transaction at the edge. It commits first, and then publishes what it did to Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import AuditEntry, utc_now
from jobs.queue import Queue
from jobs.security.api_keys import Caller
from jobs.security.encryption import SecretKeys
from jobs.tasks.audit import Columns

PATIENCE = timedelta(milliseconds=500)
"""How long a caller waits for a Redis that accepts connections and does not answer. The pool opens connections one
after another, so callers would otherwise wait for each other as well.
"""


class Transaction:
    """A session with its caller, the keys for secrets, and what to publish to Redis after the commit.

    A rollback drops all of that together with the session.
    """

    def __init__(self, session: AsyncSession, *, caller: Caller, secrets: SecretKeys) -> None:
        self.session = session
        self.secrets = secrets
        self.seen: dict[UUID, Columns] = {}
        """Tasks that were locked, in their state at that time, for the audit log."""
        self.caller = caller
        self._due: list[datetime] = []
        self._events = False
        self._changed: set[UUID] = set()

    def schedule_wakeup(self, due_at: datetime | None) -> None:
        """Schedule a wake-up of a worker for that instant."""
        if due_at is not None:
            self._due.append(due_at)

    def notify_events(self) -> None:
        """Note that events were appended, so that subscribers read them."""
        self._events = True

    def notify_task(self, task_id: UUID) -> None:
        """Note that a task was created, changed or deleted, so that subscribers read it."""
        self._changed.add(task_id)

    def record(
        self,
        action: str,
        *,
        task_id: UUID | None = None,
        run_id: UUID | None = None,
        before: Columns | None = None,
        after: Columns | None = None,
    ) -> None:
        """Add an entry to the audit log: the mutation's name, and what it acted on before and after."""
        self.session.add(
            AuditEntry(
                key_id=self.caller.key_id,
                key_name=self.caller.name,
                action=action,
                task_id=task_id,
                run_id=run_id,
                before=before,
                after=after,
            )
        )

    async def publish(self, queue: Queue) -> None:
        """Publish to Redis, after the commit. The sweep and polling find what Redis does not accept in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE.total_seconds()):
                if self._due:
                    await queue.wake(self._due, now=utc_now())
                if self._events or self._changed:
                    await queue.poke(changed=self._changed)


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, queue: Queue, *, caller: Caller, secrets: SecretKeys
) -> AsyncIterator[Transaction]:
    """Commit what the block did, or roll it back when the block raises."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        work = Transaction(session, caller=caller, secrets=secrets)
        async with session.begin():
            yield work
    await work.publish(queue)
