"""What can be asked."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from db.models import utc_now
from db.reads.tasks import TaskOrder
from db.states import KeyScope
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.types import connections, metrics
from graphql_api.types.audit import AuditEntry, AuditFilterInput, audit_page, filter_of_entries
from graphql_api.types.connections import After, Before, First, Last
from graphql_api.types.metrics import Metrics
from graphql_api.types.preview import MAX_INSTANTS, PreviewTriggerResult, TriggerPreview
from graphql_api.types.run import Run, RunFilterInput, filter_of, run_page
from graphql_api.types.task import Task, TaskFilterInput, filter_of_tasks, task_page
from graphql_api.types.trigger import TriggerInput
from jobs.errors import InvalidInput
from jobs.problems import Problem
from jobs.tasks import changes


@strawberry.type(description="What can be asked.")
class Query:
    """The root of queries."""

    @strawberry.field(description="A task; null when there is none of that id.")
    async def task(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A UUID.")],  # noqa: A002
    ) -> Task | None:
        """Read together with what else the operation asks."""
        row = await info.context.tasks.load(ids.parse(id))
        return Task.of(row) if row else None

    @strawberry.field(description="The tasks, in an order.")
    async def tasks(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            TaskFilterInput | None, strawberry.argument(description="Which tasks; all by default.")
        ] = UNSET,
        order_by: Annotated[
            TaskOrder, strawberry.argument(description="The order of the list.")
        ] = TaskOrder.CREATED_AT_DESC,
    ) -> connections.Connection[Task]:
        """A page by keyset."""
        rows = connections.slice_of(order_by, first=first, after=after, last=last, before=before)
        return await task_page(info, filter_of_tasks(filter), order=order_by, rows=rows)

    @strawberry.field(description="A run; null when there is none of that id.")
    async def run(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A UUID.")],  # noqa: A002
    ) -> Run | None:
        """Read together with what else the operation asks."""
        row = await info.context.runs.load(ids.parse(id))
        return Run.of(row) if row else None

    @strawberry.field(description="Newest scheduledFor first.")
    async def runs(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            RunFilterInput | None, strawberry.argument(description="Which runs; all by default.")
        ] = UNSET,
    ) -> connections.Connection[Run]:
        """A page by keyset."""
        rows = connections.slice_of(cursors.RUNS, first=first, after=after, last=last, before=before)
        return await run_page(info, filter_of(filter), rows=rows, task_id=None)

    @strawberry.field(
        description="The cursor of the newest event. A client that must miss nothing reads it first, then `runs`, then "
        "subscribes with `after`."
    )
    async def run_events_cursor(self, info: Info) -> str:
        """As of now, by Postgres."""
        return cursors.of_event(await info.context.services.tail.newest())

    @strawberry.field(
        description="When a trigger would fire, without creating anything: the next `count` (at most 100) instants "
        "after `after` (default: now)."
    )
    async def preview_trigger(
        self,
        trigger: Annotated[TriggerInput, strawberry.argument(description="The trigger to try.")],
        count: Annotated[int, strawberry.argument(description="How many instants; 0 to 100.")] = 5,
        after: Annotated[
            datetime | None, strawberry.argument(description="Only instants after this one; by default the present.")
        ] = UNSET,
    ) -> PreviewTriggerResult:
        """Validated as for a new task."""
        if not 0 <= count <= MAX_INSTANTS:
            raise InvalidInput([Problem(("count",), f"must be from 0 to {MAX_INSTANTS}, not {count}")])
        instants, words = changes.preview(trigger.draft(), count=count, after=after or None, now=utc_now())
        return TriggerPreview(instants=instants, description=words)

    @strawberry.field(description="Who changed what, newest first. For admin keys.")
    async def audit_log(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002
            AuditFilterInput | None, strawberry.argument(description="Which entries; all by default.")
        ] = UNSET,
    ) -> connections.Connection[AuditEntry]:
        """A page by keyset."""
        info.context.need(KeyScope.ADMIN)
        rows = connections.slice_of(cursors.AUDIT, first=first, after=after, last=last, before=before)
        return await audit_page(info, filter_of_entries(filter), rows=rows)

    @strawberry.field(description="What has been counted, and how things stand.")
    async def metrics(self, info: Info) -> Metrics:
        """From rollups, whose cost does not grow with the history."""
        return await metrics.read(info)
