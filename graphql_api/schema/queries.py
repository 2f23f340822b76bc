"""The root type of queries."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.reads.tasks import TaskOrder
from db.states import KeyScope
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.errors import limit_exceeded, not_one_id
from graphql_api.ids import parse as parse_id
from graphql_api.schema.api_keys import ApiKeyQueries
from graphql_api.schema.bulk import BulkQueries
from graphql_api.schema.flow_limits import FlowLimitQueries
from graphql_api.schema.notifications import NotificationQueries
from graphql_api.schema.statistics import StatisticsQueries
from graphql_api.types import connections, metrics, storage
from graphql_api.types.audit import AuditEntry, AuditFilterInput, audit_page, filter_of_entries
from graphql_api.types.bulk import BulkOperation
from graphql_api.types.connections import After, Before, First, Last
from graphql_api.types.metrics import Metrics
from graphql_api.types.node import Id, Node
from graphql_api.types.preview import MAX_INSTANTS, PreviewTriggerResult, TriggerPreview
from graphql_api.types.run import Run, RunFilterInput, filter_of, run_page
from graphql_api.types.scalars import given_or_none
from graphql_api.types.storage import Storage
from graphql_api.types.task import Task
from graphql_api.types.task_list import TaskFilterInput, filter_of_tasks, task_page
from graphql_api.types.task_version import definition_at
from graphql_api.types.trigger import TriggerInput
from jobs.computation import off_loop
from jobs.errors import InvalidInput
from jobs.problems import Problem
from jobs.tasks import upcoming

MAX_NODES = 100


async def node_of(info: Info, node_id: UUID) -> Node | None:
    """Return the task, the run or the operation with an id, read together with the others of the operation."""
    task, run = await asyncio.gather(info.context.tasks.load(node_id), info.context.runs.load(node_id))
    if task is not None:
        return Task.of(task)
    if run is not None:
        return Run.of(run)
    operation = await info.context.bulk_operations.load(node_id)
    return None if operation is None else BulkOperation.of(operation)


async def past_task(info: Info, row: models.Task, instant: datetime) -> Task | None:
    """Return a task with the definition that it had at an instant. Raises GraphQL's NOT_KEPT."""
    if instant < row.created_at:
        return None
    return Task.as_of(row, await definition_at(info, row.id, instant))


@strawberry.type(description="Root query type.")
class Query(NotificationQueries, ApiKeyQueries, StatisticsQueries, BulkQueries, FlowLimitQueries):
    """The root of queries."""

    @strawberry.field(description="Returns the object that has an id, or null if none has it.")
    async def node(
        self,
        info: Info,
        id: Id,  # noqa: A002
    ) -> Node | None:
        """Return a task or a run."""
        return await node_of(info, ids.parse(id))

    @strawberry.field(description="Returns the objects that have the ids, in the same order; null where none has one.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="The ids, UUIDs; at most 100.")],
    ) -> list[Node | None]:
        """Return tasks and runs."""
        if len(ids) > MAX_NODES:
            raise limit_exceeded(f"There are {len(ids):,} ids; at most {MAX_NODES} are accepted")
        return list(await asyncio.gather(*(node_of(info, parse_id(each)) for each in ids)))

    @strawberry.field(
        description="Returns a task, or null if it does not exist. Takes exactly one of `id` and `externalId`. With "
        "`asOf`, it has the definition of that instant, and is null before it was created; `nextRunAt` is null, "
        "and everything outside the definition, such as the status, the external id and the runs, is current. A "
        "definition that is no longer kept is the error NOT_KEPT."
    )
    async def task(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The id, a UUID.")] = UNSET,  # noqa: A002
        external_id: Annotated[str | None, strawberry.argument(description="The external id.")] = UNSET,
        as_of: Annotated[
            datetime | None,
            strawberry.argument(description="Shows the definition of this instant; by default of now."),
        ] = UNSET,
    ) -> Task | None:
        """Return a task, read together with the other tasks of the operation."""
        by_id, by_external_id = given_or_none(id), given_or_none(external_id)
        if by_id is not None and by_external_id is None:
            row = await info.context.tasks.load(ids.parse(by_id))
        elif by_external_id is not None and by_id is None:
            row = await info.context.tasks_by_external_id.load(by_external_id)
        else:
            raise not_one_id()
        if row is None or not as_of:
            return Task.of(row) if row else None
        return await past_task(info, row, as_of)

    @strawberry.field(description="Lists tasks.")
    async def tasks(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            TaskFilterInput | None, strawberry.argument(description="Selects tasks; by default all.")
        ] = UNSET,
        order_by: Annotated[
            TaskOrder, strawberry.argument(description="The order of the list.")
        ] = TaskOrder.CREATED_AT_DESC,
    ) -> connections.Connection[Task]:
        """Return a page of tasks."""
        rows = connections.slice_of(order_by, first=first, after=after, last=last, before=before)
        return await task_page(info, filter_of_tasks(filter), order=order_by, rows=rows)

    @strawberry.field(description="Returns a run, or null if no run has the id.")
    async def run(
        self,
        info: Info,
        id: Id,  # noqa: A002
    ) -> Run | None:
        """Return a run, read together with the other runs of the operation."""
        row = await info.context.runs.load(ids.parse(id))
        return Run.of(row) if row else None

    @strawberry.field(description="Lists runs, newest scheduledFor first.")
    async def runs(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            RunFilterInput | None, strawberry.argument(description="Selects runs; by default all.")
        ] = UNSET,
    ) -> connections.Connection[Run]:
        """Return a page of runs."""
        rows = connections.slice_of(cursors.RUNS, first=first, after=after, last=last, before=before)
        return await run_page(info, filter_of(filter), rows=rows, task_id=None)

    @strawberry.field(
        description="Returns the cursor of the newest event. To miss no event, a client first reads this cursor, then "
        "`runs`, and then subscribes with the cursor as `after`."
    )
    async def run_events_cursor(self, info: Info) -> str:
        """Return the newest cursor in Postgres."""
        return cursors.of_event(await info.context.services.tail.newest())

    @strawberry.field(
        description="Returns the next `count` (at most 100) instants of a trigger after `after` (default: now), "
        "without creating anything."
    )
    async def preview_trigger(
        self,
        trigger: Annotated[TriggerInput, strawberry.argument(description="The trigger to preview.")],
        count: Annotated[int, strawberry.argument(description="Number of instants; 0 to 100.")] = 5,
        after: Annotated[
            datetime | None, strawberry.argument(description="Only instants after this one; by default after now.")
        ] = UNSET,
    ) -> PreviewTriggerResult:
        """Return the next instants of a trigger, validated as for a new task."""
        if not 0 <= count <= MAX_INSTANTS:
            raise InvalidInput([Problem(("count",), f"must be from 0 to {MAX_INSTANTS}, not {count}")])
        draft = trigger.draft()
        instants, words = await off_loop(
            partial(upcoming.preview, draft, count=count, after=after or None, now=utc_now())
        )
        return TriggerPreview(instants=instants, description=words)

    @strawberry.field(description="Lists who changed what, newest first. Needs an admin key.")
    async def audit_log(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            AuditFilterInput | None, strawberry.argument(description="Selects entries; by default all.")
        ] = UNSET,
    ) -> connections.Connection[AuditEntry]:
        """Return a page of the audit log."""
        info.context.need(KeyScope.ADMIN)
        rows = connections.slice_of(cursors.AUDIT, first=first, after=after, last=last, before=before)
        return await audit_page(info, filter_of_entries(filter), rows=rows)

    @strawberry.field(description="Returns counts of runs and the current state of the service.")
    async def metrics(self, info: Info) -> Metrics:
        """Return counts from rollups, whose cost does not grow with the history."""
        return await metrics.read(info)

    @strawberry.field(
        description="Returns what the database holds by kind and day, and what the retention removes next. Needs an "
        "admin key."
    )
    async def storage(self, info: Info) -> Storage:
        """Return statistics and sizes, whose cost does not grow with the number of rows."""
        info.context.need(KeyScope.ADMIN)
        return await storage.read(info)
