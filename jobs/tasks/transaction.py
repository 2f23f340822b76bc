"""One transaction at the edge: what it did is committed first, and only then told to Redis."""

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
"""How long whoever asked for a change waits for a Redis that takes connections and does not answer. The pool makes new
connections one after another, so that callers would otherwise also wait for each other."""


class Transaction:
    """A session, who asked for it, the keys for secrets, and what is to be told to Redis once it has been committed.

    All of that is dropped with the session on a rollback.
    """

    def __init__(self, session: AsyncSession, *, caller: Caller, secrets: SecretKeys) -> None:
        self.session = session
        self.secrets = secrets
        self.seen: dict[UUID, Columns] = {}
        """Tasks that were locked, as they were then, for the audit log."""
        self._caller = caller
        self._due: list[datetime] = []
        self._events = False
        self._changed: set[UUID] = set()

    def schedule_wakeup(self, due_at: datetime | None) -> None:
        """A worker has to be awake at that instant."""
        if due_at is not None:
            self._due.append(due_at)

    def notify_events(self) -> None:
        """Events were appended; those who watch ought to look."""
        self._events = True

    def notify_task(self, task_id: UUID) -> None:
        """A task was made, changed or deleted; those who watch tasks ought to look."""
        self._changed.add(task_id)

    def record(
        self,
        action: str,
        *,
        task_id: UUID,
        run_id: UUID | None = None,
        before: Columns | None = None,
        after: Columns | None = None,
    ) -> None:
        """Adds to the audit log what the caller did: the mutation's name, and what it acted on as it was and is."""
        self.session.add(
            AuditEntry(
                key_id=self._caller.key_id,
                key_name=self._caller.name,
                action=action,
                task_id=task_id,
                run_id=run_id,
                before=before,
                after=after,
            )
        )

    async def publish(self, queue: Queue) -> None:
        """After the commit. What Redis does not take in time is found by the sweep and by polling."""
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
    """Commits what the block did, or rolls it back when the block raises."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        work = Transaction(session, caller=caller, secrets=secrets)
        async with session.begin():
            yield work
    await work.publish(queue)
