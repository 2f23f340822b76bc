"""The context of an operation: the services of the process, and loaders that combine the reads of several fields."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from strawberry.dataloader import DataLoader

from db import models
from db.engine import flow
from db.readers import Readers
from db.reads import bulk, large_values, recent_runs, runs, statistics, tasks, versions
from db.reads.keyset import Slice
from db.reads.large_values import LargeColumn
from db.reads.runs import RunFilter
from db.reads.statistics import Statistics
from db.states import KeyScope
from db.tasks import flow_limits
from graphql_api import answer_size
from graphql_api.document_store import DocumentStore
from graphql_api.errors import forbidden, limit_exceeded, unauthenticated
from graphql_api.events.tail import Tail
from graphql_api.middleware.api_keys import Authenticator
from graphql_api.settings import PREFIX, ApiSettings
from jobs.engine.trial import Trials
from jobs.gathering import Gatherer
from jobs.http.resolver import TargetChecker
from jobs.notifications.sending import Sender
from jobs.queue import Queue
from jobs.security.api_keys import Caller
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings
from jobs.tasks.transaction import NewTask, Transaction, transaction

Page = tuple[list[models.Run], bool]
Key = TypeVar("Key")
Value = TypeVar("Value")


class OpenSubscriptions:
    """The subscriptions that are open under each key in this process.

    The same document counts once for a key, however many subscribers it has, because it is executed once for them.
    """

    def __init__(self) -> None:
        self._open: dict[UUID | None, Counter[tuple[Hashable, int]]] = defaultdict(Counter)

    def cost_with(self, key_id: UUID | None, document: Hashable, cost: int) -> int:
        """Return what the documents under a key cost together with one more."""
        return sum(each for _, each in {*self._open.get(key_id, ()), (document, cost)})

    @contextmanager
    def holding(self, key_id: UUID | None, document: Hashable, cost: int) -> Iterator[None]:
        """Count a subscription as open while the block lasts."""
        self._open[key_id][document, cost] += 1
        try:
            yield
        finally:
            documents = self._open[key_id]
            documents[document, cost] -= 1
            if not documents[document, cost]:
                del documents[document, cost]
            if not documents:
                del self._open[key_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the API process owns. The app opens and closes it."""

    engine: AsyncEngine
    single_statements: AsyncEngine
    readers: Readers | None
    queue: Queue
    documents: DocumentStore
    tail: Tail
    targets: TargetChecker
    secrets: SecretKeys
    authenticator: Authenticator
    creations: Gatherer[NewTask]
    trials: Trials
    body_within: timedelta
    sender: Sender
    public_url: str | None
    settings: JobsSettings
    subscriptions: OpenSubscriptions = field(default_factory=OpenSubscriptions)

    def transaction(self, caller: Caller) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction on behalf of a caller."""
        return transaction(self.engine, self.queue, caller=caller, secrets=self.secrets, creations=self.creations)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a connection for reading without the ORM, which takes half as long."""
        return self.single_statements.connect() if self.readers is None else self.readers.connection()

    def session(self) -> AsyncSession:
        """Return a session for reading. Each statement sees what is committed when it begins."""
        return AsyncSession(self.single_statements, expire_on_commit=False)


class Context:
    """The context of one HTTP request or one WebSocket. Loaders cache nothing, because a WebSocket's context lives
    long.

    `caller` is None until a WebSocket has sent its key. `resume_after` is the cursor after which an interrupted event
    stream resumes. `shows_responses` says whether the result contains what targets have sent. `until_gone`
    waits until the client of a plain request has closed the connection; what uses a stream or a WebSocket is cancelled.
    """

    def __init__(self, services: Services, *, caller: Caller | None, address: str) -> None:
        self.services = services
        self.caller = caller
        self.address = address
        self.resume_after: str | None = None
        self.shows_responses = False
        self.until_gone: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._subscribed_cost = 0
        self.tasks = DataLoader(load_fn=self._tasks, cache=False)
        self.tasks_by_external_id = DataLoader(load_fn=self._tasks_by_external_id, cache=False)
        self.runs = DataLoader(load_fn=self._runs, cache=False)
        self.bulk_operations = DataLoader(load_fn=self._bulk_operations, cache=False)
        self.versions = DataLoader(load_fn=self._versions, cache=False)
        self.run_pages = DataLoader(load_fn=self._run_pages, cache=False)
        self.run_counts = DataLoader(load_fn=self._run_counts, cache=False)
        self.flow_limits = DataLoader(load_fn=self._flow_limits, cache=False)
        self.host_pauses = DataLoader(load_fn=self._host_pauses, cache=False)
        self.newest_runs = DataLoader(load_fn=self._newest_runs, cache=False)
        self.task_statistics = DataLoader(load_fn=self._task_statistics, cache=False)
        self._large_sizes = DataLoader(load_fn=self._read_large_sizes, cache=False)
        self._large_values = DataLoader(load_fn=self._read_large_values, cache=False)

    @contextmanager
    def subscribing(self, document: Hashable, *, cost: int, limits: ApiSettings) -> Iterator[None]:
        """Count a subscription as open on this connection and under its key while the block lasts.

        Raises GraphQL's LIMIT_EXCEEDED when those that are open cost too much for another one, and UNAUTHENTICATED.
        """
        key_id = self.need(KeyScope.READ).key_id
        on_connection = self._subscribed_cost + cost
        under_key = self.services.subscriptions.cost_with(key_id, document, cost)
        for total, where, most, name in (
            (on_connection, "on this connection", limits.max_connection_cost, "MAX_CONNECTION_COST"),
            (under_key, "under this key", limits.max_key_cost, "MAX_KEY_COST"),
        ):
            if total > most:
                raise limit_exceeded(
                    f"The subscriptions {where} would cost {total:,}; at most {most:,} are accepted ({PREFIX}{name}). "
                    "End some of them, or select fewer fields"
                )
        self._subscribed_cost += cost
        try:
            with self.services.subscriptions.holding(key_id, document, cost):
                yield
        finally:
            self._subscribed_cost -= cost

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction of the caller. Raises `GraphQLError` when the caller's key may not write."""
        caller = self.need(KeyScope.WRITE)
        return self.services.transaction(caller)

    def need(self, scope: KeyScope) -> Caller:
        """Return the caller, whose key has the scope. Raises `GraphQLError` otherwise."""
        if self.caller is None:
            raise unauthenticated()
        if not self.caller.may(scope):
            raise forbidden(self.caller, scope)
        return self.caller

    @asynccontextmanager
    async def reading_runs(self, filters: RunFilter) -> AsyncIterator[AsyncSession]:
        """Yield a session for reading runs. Raises GraphQL's LIMIT_EXCEEDED when a search takes too long."""
        if not filters.is_search:
            # In a transaction, because the settings by which the statements are planned last as long as that.
            async with AsyncSession(self.services.engine, expire_on_commit=False) as session:
                yield session
            return
        try:
            async with runs.searching(self.services.engine) as session:
                yield session
        except runs.SearchTooLong:
            raise limit_exceeded(
                f"The history has more runs than can be searched within {runs.SEARCHES_WITHIN.total_seconds():g} s. "
                "Narrow the filter by taskId, by a later scheduledAfter, or by states, and leave out totalCount"
            ) from None

    async def large_value(self, column: LargeColumn, key: Hashable) -> tuple[Any, ...] | None:
        """Return the value of a large column and those beside it, or None without such a row.

        It counts for the size of the answer before it is read. Raises GraphQL's LIMIT_EXCEEDED.
        """
        size = await self._large_sizes.load((column, key))
        answer_size.add(size * column.weight)
        found: tuple[Any, ...] | None = await self._large_values.load((column, key))
        if found is not None and isinstance(found[0], str):
            # Escapes take up to six bytes for one.
            answer_size.add(max(len(json.dumps(found[0])) - size, 0))
        return found

    async def _read_large_sizes(self, keys: list[tuple[LargeColumn, Hashable]]) -> list[int]:
        found = await self._read_by_column(keys, large_values.sizes)
        return [found[key] for key in keys]

    async def _read_large_values(self, keys: list[tuple[LargeColumn, Hashable]]) -> list[tuple[Any, ...] | None]:
        found = await self._read_by_column(keys, large_values.values)
        return [found.get(key) for key in keys]

    async def _read_by_column(
        self,
        keys: list[tuple[LargeColumn, Hashable]],
        read: Callable[[AsyncSession, LargeColumn, list[Hashable]], Awaitable[dict[Hashable, Value]]],
    ) -> dict[tuple[LargeColumn, Hashable], Value]:
        alike: dict[LargeColumn, set[Hashable]] = defaultdict(set)
        for column, key in keys:
            alike[column].add(key)
        async with self.services.session() as session:
            return {
                (column, key): value
                for column, its in alike.items()
                for key, value in (await read(session, column, list(its))).items()
            }

    async def _tasks(self, ids: list[UUID]) -> list[models.Task | None]:
        async with self.services.session() as session:
            found = await tasks.find(session, ids=ids, without_large=True)
        return [found.get(task_id) for task_id in ids]

    async def _tasks_by_external_id(self, external_ids: list[str]) -> list[models.Task | None]:
        async with self.services.session() as session:
            found = await tasks.find_by_external_ids(session, external_ids=external_ids, without_large=True)
        return [found.get(external_id) for external_id in external_ids]

    async def _runs(self, ids: list[UUID]) -> list[models.Run | None]:
        async with self.services.session() as session:
            found = await runs.find(session, ids=ids)
        return [found.get(run_id) for run_id in ids]

    async def _bulk_operations(self, ids: list[UUID]) -> list[models.BulkOperation | None]:
        async with self.services.session() as session:
            found = await bulk.find(session, ids)
        return [found.get(operation_id) for operation_id in ids]

    async def _versions(self, keys: list[versions.Key]) -> list[models.TaskVersion | None]:
        async with self.services.session() as session:
            found = await versions.find(session, keys=keys, without_large=True)
        return [found.get(key) for key in keys]

    async def _flow_limits(self, ids: list[UUID]) -> list[models.FlowLimit | None]:
        async with self.services.session() as session:
            found = await flow_limits.find(session, set(ids))
        return [found.get(limit_id) for limit_id in ids]

    async def _host_pauses(self, hosts: list[str]) -> list[flow.Pause | None]:
        async with self.services.reading() as connection:
            found = await flow.pauses_of_hosts(connection, set(hosts))
        return [found.get(host) for host in hosts]

    async def _run_pages(self, keys: list[tuple[UUID, RunFilter, Slice]]) -> list[Page]:
        alike: dict[tuple[RunFilter, Slice], set[UUID]] = defaultdict(set)
        for task_id, filters, rows in keys:
            alike[filters, rows].add(task_id)
        found = {}
        for (filters, rows), ids in alike.items():
            async with self.reading_runs(filters) as session:
                found[filters, rows] = await runs.pages(session, filters, task_ids=list(ids), rows=rows)
        return [found[filters, rows][task_id] for task_id, filters, rows in keys]

    async def _run_counts(self, keys: list[tuple[UUID, RunFilter]]) -> list[int]:
        alike: dict[RunFilter, set[UUID]] = defaultdict(set)
        for task_id, filters in keys:
            alike[filters].add(task_id)
        found = {}
        for filters, ids in alike.items():
            async with self.reading_runs(filters) as session:
                found[filters] = await runs.counts(session, filters, task_ids=list(ids))
        return [found[filters][task_id] for task_id, filters in keys]

    async def _newest_runs(self, keys: list[tuple[UUID, int]]) -> list[list[models.Run]]:
        most = max(limit for _, limit in keys)
        async with self.services.reading() as connection:
            found = await recent_runs.newest_runs(connection, list({task_id for task_id, _ in keys}), limit=most)
        return [found[task_id][:limit] for task_id, limit in keys]

    async def _task_statistics(self, keys: list[tuple[UUID, datetime, datetime]]) -> list[Statistics | None]:
        alike: dict[tuple[datetime, datetime], set[UUID]] = defaultdict(set)
        for task_id, since, until in keys:
            alike[since, until].add(task_id)
        async with self.services.reading() as connection:
            found = {
                (since, until): await statistics.by_task(connection, task_ids=ids, since=since, until=until)
                for (since, until), ids in alike.items()
            }
        return [found[since, until].get(task_id) for task_id, since, until in keys]


Info = strawberry.Info[Context, None]
