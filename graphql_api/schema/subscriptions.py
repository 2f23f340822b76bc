"""What can be watched.

To Strawberry a subscription yields what its field shows. Here it yields happenings, in batches, and the schema has that
made of them by `sharing`, once for all.
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
from graphql_api.types.run_event import RunEvent, RunEventMessage, RunEventsGap
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import DeletedTask, Task

TaskChange = Annotated[
    Task | DeletedTask, strawberry.union("TaskChange", description="A task as it is now, or that it was deleted.")
]


@strawberry.type(description="What can be watched.")
class Subscription:
    """The root of subscriptions."""

    @strawberry.subscription(
        description="Changes of runs, live, in the order in which they were committed. With `after`, the cursor of an "
        "event that the caller has seen, first everything since, so that a reconnecting client misses nothing and sees "
        "nothing twice. A cursor is valid with or without taskId. If events since `after` are no longer kept, the "
        "first message is a RunEventsGap, and the caller reads the present state from `runs`."
    )
    async def run_events(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this task only.")] = UNSET,
        after: Annotated[
            str | None, strawberry.argument(description="The cursor of the last event seen; by default the newest.")
        ] = UNSET,
    ) -> AsyncGenerator[RunEventMessage, None]:
        """What is wrong with the arguments is told before anything is sent."""
        task = ids.parse(wanted) if (wanted := given_or_none(task_id)) is not None else None
        seen = cursors.seq_of(cursor) if (cursor := given_or_none(after)) is not None else None
        tail = info.context.services.tail
        try:
            position, gap = await tail.position_after(seen)
        except UnknownPosition:
            raise invalid_cursor("it is newer than every event") from None
        return cast("AsyncGenerator[RunEventMessage, None]", run_happenings(tail, position, gap, task))

    @strawberry.subscription(
        description="A task whenever it was changed or its next instant moved, or that it was deleted. Not resumable: "
        "read again after a reconnection. Changes that follow each other closely are told once; while Redis is away "
        "only what comes of firing is told."
    )
    async def task_changed(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this task only.")] = UNSET,
    ) -> AsyncGenerator[TaskChange, None]:
        """From the moment of the subscription on."""
        task = ids.parse(wanted) if (wanted := given_or_none(task_id)) is not None else None
        changes = info.context.services.tail.changes
        return cast("AsyncGenerator[TaskChange, None]", task_happenings(changes, task))


async def run_happenings(
    tail: Tail, position: int, gap: Gap | None, task_id: UUID | None
) -> AsyncGenerator[list[SourceEvent], None]:
    """The gap, if there is one, and then every event."""
    if gap is not None:
        yield [gap_happening(gap)]
    async with aclosing(tail.follow(position, task_id=task_id)) as following:
        async for told in following:
            yield [gap_happening(told)] if isinstance(told, Gap) else [event_happening(event) for event in told]


async def task_happenings(changes: TaskChangeFeed, task_id: UUID | None) -> AsyncGenerator[list[SourceEvent], None]:
    """Every task that has changed."""
    async with aclosing(changes.follow(task_id)) as following:
        async for changed in following:
            yield [change_happening(change) for change in changed]


def event_happening(event: Event) -> SourceEvent:
    """An event."""
    return SourceEvent(("event", event.seq), lambda _: RunEvent.of(event))


def gap_happening(gap: Gap) -> SourceEvent:
    """A gap."""
    return SourceEvent(("gap", gap), lambda _: RunEventsGap.of(gap))


def change_happening(change: Change) -> SourceEvent:
    """A task as it is when this is told, after the change."""

    async def task(context: Context) -> Task | DeletedTask:
        row = await context.tasks.load(change.task_id)
        return Task.of(row) if row else DeletedTask(id=strawberry.ID(str(change.task_id)))

    return SourceEvent(("task", change), task)
