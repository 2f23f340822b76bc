"""The root type of subscriptions.

For Strawberry, a subscription yields the value of its field. Here it yields batches of source events, from which the
schema computes the results by `graphql_api.broadcast`, once for all subscribers.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from graphql_api import cursors, ids
from graphql_api.broadcast import SourceEvent
from graphql_api.context import Context, Info
from graphql_api.errors import invalid_cursor
from graphql_api.events.tail import Event, Gap, Tail, UnknownPosition
from graphql_api.events.task_changes import Change, TaskChangeFeed
from graphql_api.schema.bulk import BulkSubscriptions
from graphql_api.types.run_event import RunEvent, RunEventMessage, RunEventsGap
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import DeletedTask, Task

TaskChange = Annotated[
    Task | DeletedTask, strawberry.union("TaskChange", description="A task in its new state, or that it was deleted.")
]


@strawberry.type(description="Root subscription type.")
class Subscription(BulkSubscriptions):
    """The root of subscriptions."""

    @strawberry.subscription(
        description="Delivers changes of runs live, in the order of commits. With `after`, the cursor of the last"
        " event that a client has seen, it first delivers all later events, so a reconnecting client receives each "
        "event exactly once. A cursor is valid with and without taskId. If events "
        "since `after` are no longer kept, the first message is a RunEventsGap, and the client reads "
        "the current state from `runs`."
    )
    async def run_events(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only this task.")] = UNSET,
        after: Annotated[
            str | None,
            strawberry.argument(
                description="The cursor of the last event that the client has seen; by default the newest."
            ),
        ] = UNSET,
    ) -> AsyncGenerator[RunEventMessage, None]:
        """Check the arguments before anything is sent, and return the events."""
        task = ids.parse(given_id) if (given_id := given_or_none(task_id)) is not None else None
        cursor = info.context.resume_after or given_or_none(after)
        seen = cursors.seq_of(cursor) if cursor is not None else None
        tail = info.context.services.tail
        try:
            position, gap = await tail.position_after(seen)
        except UnknownPosition:
            raise invalid_cursor("it is newer than every event") from None
        return cast("AsyncGenerator[RunEventMessage, None]", run_source_events(tail, position, gap, task))

    @strawberry.subscription(
        description="Delivers a task whenever it is changed or rescheduled, or that it was deleted. It cannot be "
        "resumed: read the tasks again after a reconnect. Changes in quick succession are delivered "
        "once; while Redis is down, only changes by firing are delivered."
    )
    async def task_changed(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only this task.")] = UNSET,
    ) -> AsyncGenerator[TaskChange, None]:
        """Return the changes from the moment of the subscription on."""
        task = ids.parse(given_id) if (given_id := given_or_none(task_id)) is not None else None
        changes = info.context.services.tail.changes
        return cast("AsyncGenerator[TaskChange, None]", task_source_events(changes, task))


async def run_source_events(
    tail: Tail, position: int, gap: Gap | None, task_id: UUID | None
) -> AsyncGenerator[list[SourceEvent], None]:
    """Yield the gap, if there is one, and then every event."""
    if gap is not None:
        yield [gap_source(gap)]
    async with aclosing(tail.follow(position, task_id=task_id)) as following:
        async for item in following:
            yield [gap_source(item)] if isinstance(item, Gap) else [event_source(event) for event in item]


async def task_source_events(changes: TaskChangeFeed, task_id: UUID | None) -> AsyncGenerator[list[SourceEvent], None]:
    """Yield every task that has changed."""
    async with aclosing(changes.follow(task_id)) as following:
        async for changed in following:
            yield [change_source(change) for change in changed]


def event_source(event: Event) -> SourceEvent:
    """Return the source event of a run event."""
    return SourceEvent(("event", event.seq), lambda _: RunEvent.of(event), event.seq)


def gap_source(gap: Gap) -> SourceEvent:
    """Return the source event of a gap."""
    return SourceEvent(("gap", gap), lambda _: RunEventsGap.of(gap), gap.seq)


def change_source(change: Change) -> SourceEvent:
    """Return the source event of a changed task, which shows the task in its state after the change."""

    async def task(context: Context) -> Task | DeletedTask:
        row = await context.tasks.load(change.task_id)
        return Task.of(row) if row else DeletedTask(task_id=strawberry.ID(str(change.task_id)))

    return SourceEvent(("task", change), task)
