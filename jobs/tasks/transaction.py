"""One transaction at the edge. It commits first, and then publishes what it did to Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db import trace_contexts
from db.models import Task, utc_now
from db.tasks import audit_entries
from jobs.computation import portions
from jobs.gathering import Gatherer
from jobs.queue import Queue
from jobs.security.api_keys import Caller
from jobs.security.encryption import SecretKeys
from jobs.tasks.audit import Columns
from jobs.trace_context import current_traceparent

PATIENCE = timedelta(milliseconds=500)
"""How long a caller waits for a Redis that accepts connections but does not answer. The pool opens connections one
after another, so callers would otherwise wait for each other as well.
"""


class NewTask(NamedTuple):
    """A new task, and the columns of its entry in the audit log."""

    task: Task
    entry: Columns


class Transaction:
    """A session with its caller, the keys for secrets, and what to publish to Redis after the commit.

    A rollback drops all of that together with the session. A task that nothing else depends on is stored with those of
    other transactions by `creations`, if there are any, and such a transaction needs no session.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        caller: Caller,
        secrets: SecretKeys,
        creations: Gatherer[NewTask] | None = None,
    ) -> None:
        self.secrets = secrets
        self._traceparent = current_traceparent.get()
        self._traced: list[UUID] = []
        # A traced task is stored together with its trace.
        self.creations = creations if self._traceparent is None else None
        self.seen: dict[UUID, Columns] = {}
        """Tasks that were locked, in their state at that time, for the audit log."""
        self.caller = caller
        self._engine = engine
        self._session: AsyncSession | None = None
        self._entries: list[Columns] = []
        self._due: list[datetime] = []
        self._events = False
        self._bulk = False
        self._changed: set[UUID] = set()
        self._limits = False

    @property
    def session(self) -> AsyncSession:
        """The session, which begins its transaction with the first statement."""
        if self._session is None:
            self._session = AsyncSession(self._engine, expire_on_commit=False)
        return self._session

    def schedule_wakeup(self, due_at: datetime | None) -> None:
        """Schedule a wake-up of a worker for that instant."""
        if due_at is not None:
            self._due.append(due_at)

    def notify_events(self) -> None:
        """Note that events were appended, so that subscribers read them."""
        self._events = True

    def wake_for_bulk(self) -> None:
        """Note that an operation on many tasks or runs was started, so that a worker is woken for it."""
        self._bulk = True

    def notify_task(self, task_id: UUID) -> None:
        """Note that a task was created, changed or deleted, so that subscribers read it."""
        self._changed.add(task_id)

    def notify_limits(self) -> None:
        """Note that a flow limit was created, changed or deleted, so that workers read it."""
        self._limits = True

    def trace(self, created_id: UUID) -> None:
        """Note that a task or a run was created, which belongs to the trace of the request."""
        if self._traceparent is not None:
            self._traced.append(created_id)

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
        self._entries.append(self.entry(action, task_id=task_id, after=after) | {"run_id": run_id, "before": before})

    def entry(self, action: str, *, task_id: UUID | None, after: Columns | None) -> Columns:
        """Return the columns of an entry of the audit log."""
        return {
            "at": utc_now(),
            "key_id": self.caller.key_id,
            "key_name": self.caller.name,
            "action": action,
            "task_id": task_id,
            "after": after,
        }

    async def write_entries(self) -> None:
        """Write what was recorded so far to the audit log."""
        entries, self._entries = self._entries, []
        for portion in portions(entries):
            await audit_entries.add(self.session, portion)

    async def commit(self) -> None:
        """Commit what was done."""
        await self.write_entries()
        if self._traceparent is not None and self._traced:
            await trace_contexts.add(self.session, self._traced, traceparent=self._traceparent)
        if self._session is not None:
            await self._session.commit()

    async def close(self) -> None:
        """Roll back what was not committed, and release the connection even if the caller is cancelled."""
        if self._session is not None:
            await asyncio.shield(self._session.close())

    async def publish(self, queue: Queue) -> None:
        """Publish to Redis, after the commit. The sweep and polling find what Redis does not accept in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE.total_seconds()):
                if self._limits:
                    await queue.announce_limits()
                if self._due:
                    await queue.wake(self._due, now=utc_now())
                if self._bulk:
                    await queue.wake_for_bulk()
                if self._events or self._changed:
                    await queue.poke(events=self._events, changed=self._changed)


@asynccontextmanager
async def transaction(
    engine: AsyncEngine,
    queue: Queue,
    *,
    caller: Caller,
    secrets: SecretKeys,
    creations: Gatherer[NewTask] | None = None,
) -> AsyncIterator[Transaction]:
    """Commit what the block did, or roll it back when the block raises."""
    work = Transaction(engine, caller=caller, secrets=secrets, creations=creations)
    try:
        yield work
        await work.commit()
    finally:
        await work.close()
    await work.publish(queue)
