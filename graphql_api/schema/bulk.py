"""The part of the root types that acts on many tasks or runs by a filter."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.reads import bulk as reads
from db.reads.runs import SearchTooLong
from db.states import BulkAction, BulkState, KeyScope
from graphql_api import ids, instants
from graphql_api.broadcast import SourceEvent
from graphql_api.context import Context, Info
from graphql_api.errors import invalid_page, limit_exceeded, unknown_operation
from graphql_api.types.bulk import BulkOperation, BulkOperationResult, BulkResult
from graphql_api.types.connections import MAX_SIZE
from graphql_api.types.run import RunFilterInput, filter_of
from graphql_api.types.scalars import given_members, given_or_none
from graphql_api.types.task_list import TaskFilterInput, filter_of_tasks
from jobs.tasks import bulk
from jobs.tasks.bulk import MAX_UNFINISHED

LOOK_EVERY = timedelta(milliseconds=250)
"""How often a subscription reads its operation."""
Id = Annotated[strawberry.ID, strawberry.argument(description="The id of the operation, a UUID.")]


@strawberry.type
class BulkQueries:
    """What can be read."""

    @strawberry.field(description="Returns an operation, or null if none has the id. It is kept for 30 days.")
    async def bulk_operation(self, info: Info, id: Id) -> BulkOperation | None:  # noqa: A002
        """Return an operation."""
        row = await info.context.bulk_operations.load(ids.parse(id))
        return BulkOperation.of(row) if row else None

    @strawberry.field(description="Lists the newest operations, newest first.")
    async def bulk_operations(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description=f"Number of operations; 1 to {MAX_SIZE}.")] = 20,
    ) -> list[BulkOperation]:
        """Return the newest operations."""
        if not 1 <= first <= MAX_SIZE:
            raise invalid_page(f"first must be from 1 to {MAX_SIZE}, not {first}")
        async with info.context.services.session() as session:
            return [BulkOperation.of(row) for row in await reads.newest(session, limit=first)]


@strawberry.type
class BulkMutations:
    """What can be changed."""

    @strawberry.mutation(
        description="Acts on each task or run that a filter selects now, like the single mutation, with an entry in "
        "the audit log for each. Returns at once; workers act on the selected ids in chunks, on each id exactly "
        "once, even if workers die. At most {MAX_ITEMS:,} are accepted, and {MAX_UNFINISHED} operations at "
        "a time."
    )
    async def bulk(
        self,
        info: Info,
        *,
        action: Annotated[BulkAction, strawberry.argument(description="What to do with each of them.")],
        tasks: Annotated[
            TaskFilterInput | None,
            strawberry.argument(description="Selects the tasks of PAUSE, RESUME, CANCEL, DELETE, RUN; {} means all."),
        ] = UNSET,
        runs: Annotated[
            RunFilterInput | None,
            strawberry.argument(description="Selects the runs of RETRY and CANCEL_RUNS; {} means all of them."),
        ] = UNSET,
        dry_run: Annotated[bool, strawberry.argument(description="Only counts: nothing is stored or done.")] = False,
    ) -> BulkResult:
        """Start an operation, or return every problem with it at once."""
        caller = info.context.need(KeyScope.WRITE)
        services, now = info.context.services, utc_now()
        filters = bulk.check(
            action,
            tasks=None if given_or_none(tasks) is None else filter_of_tasks(tasks),
            runs=None if given_or_none(runs) is None else filter_of(runs),
        )
        try:
            # Counted first, because that is bounded in time.
            total = await bulk.count(services.engine, action, filters)
            if dry_run:
                counted = models.BulkOperation(
                    id=uuid4(), action=action, state=BulkState.COMPLETED, total=total, key_name=caller.name,
                    created_at=now, finished_at=now,
                )  # fmt: skip
                return BulkOperation.of(counted, dry_run=True)
            async with info.context.transaction() as work:
                row = await bulk.start(
                    work, action, filters, given=as_json(given_or_none(tasks) or given_or_none(runs)), now=now
                )
        except SearchTooLong:
            raise limit_exceeded("The history has more runs than can be searched at once; narrow the filter") from None
        except bulk.TooManyOperations:
            raise limit_exceeded(
                f"{MAX_UNFINISHED} operations are unfinished; wait until one has ended, or cancel one"
            ) from None
        return BulkOperation.of(row)

    @strawberry.mutation(
        description="Cancels the rest of an operation. What was done is not undone. An operation that was cancelled "
        "is returned unchanged; one that has ended otherwise is a Conflict."
    )
    async def cancel_bulk_operation(self, info: Info, id: Id) -> BulkOperationResult:  # noqa: A002
        """Cancel an operation. Repeating the call has no further effect."""
        async with info.context.transaction() as work:
            operation_id = ids.parse(id)
            row = await bulk.cancel(work, operation_id, now=utc_now())
        return BulkOperation.of(row)


@strawberry.type
class BulkSubscriptions:
    """What can be watched."""

    @strawberry.subscription(
        description="Delivers an operation in its current state, and then at each progress, until it has ended."
    )
    async def bulk_progress(self, info: Info, id: Id) -> AsyncGenerator[BulkOperation, None]:  # noqa: A002
        """Check the id, and return the states."""
        operation_id = ids.parse(id)
        if await info.context.bulk_operations.load(operation_id) is None:
            raise unknown_operation(id)
        return cast("AsyncGenerator[BulkOperation, None]", states(info.context, operation_id))


async def states(context: Context, operation_id: UUID) -> AsyncGenerator[list[SourceEvent], None]:
    """Yield an operation whenever it has moved on, until it has ended."""
    seen: object = None
    while not context.services.tail.closed:
        row = await context.bulk_operations.load(operation_id)
        if row is None:
            return
        if seen != (progress := (row.done, row.state)):
            seen = progress
            yield [source_event(row)]
        if row.state is not BulkState.RUNNING:
            return
        await asyncio.sleep(LOOK_EVERY.total_seconds())


def source_event(row: models.BulkOperation) -> SourceEvent:
    """Return the source event of an operation that has moved on."""
    return SourceEvent(("bulk", row.id, row.done, row.state), lambda _: BulkOperation.of(row))


def as_json(given: TaskFilterInput | RunFilterInput | None) -> dict[str, Any]:
    """Return the members of a filter for the audit log."""
    return {
        name: instants.write(value) if isinstance(value, datetime) else value
        for name, value in ({} if given is None else given_members(given)).items()
    }
