"""What can be watched."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from graphql_api import cursors, ids
from graphql_api.context import Information
from graphql_api.errors import invalid_cursor
from graphql_api.tail import Gap, Tail, UnknownPosition
from graphql_api.types.run_event import RunEvent, RunEventMessage, RunEventsGap
from graphql_api.types.scalars import given_or_none


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
        info: Information,
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
        return messages(tail, position, gap, task)


async def messages(
    tail: Tail, position: int, gap: Gap | None, task_id: UUID | None
) -> AsyncGenerator[RunEvent | RunEventsGap, None]:
    """The gap, if there is one, and then every event."""
    if gap is not None:
        yield RunEventsGap.of(gap)
    async with aclosing(tail.follow(position, task_id=task_id)) as following:
        async for event in following:
            yield RunEventsGap.of(event) if isinstance(event, Gap) else RunEvent.of(event)
