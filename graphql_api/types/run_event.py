"""The events that subscribers receive."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from db.states import RunEventType, RunState
from graphql_api import cursors
from graphql_api.context import Info
from graphql_api.events.tail import Event, Gap
from graphql_api.types.run import Run
from graphql_api.types.scalars import Milliseconds


@strawberry.type(description="A change of a run.")
class RunEvent:
    """One transition of a run."""

    cursor: str = strawberry.field(description="The cursor of the event, for `after`.")
    type: RunEventType = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When it happened.")
    task_id: strawberry.ID = strawberry.field(description="The task of the run.")
    run_id: strawberry.ID = strawberry.field(description="The run.")
    state: RunState = strawberry.field(description="The state of the run after the event.")
    attempt: int = strawberry.field(
        description="Number of the attempt that the event concerns; 0 before the first attempt."
    )
    status_code: int | None = strawberry.field(description="The status of the attempt's response.")
    error_message: str | None = strawberry.field(description="Why the attempt had no response.")
    duration_ms: Milliseconds | None = strawberry.field(description="Duration of the attempt.")
    of_run: strawberry.Private[UUID]

    @staticmethod
    def of(row: Event) -> "RunEvent":
        """Return an event from its row."""
        return RunEvent(
            cursor=cursors.of_event(row.seq),
            type=RunEventType(row.type),
            at=row.at,
            task_id=strawberry.ID(str(row.task_id)),
            run_id=strawberry.ID(str(row.run_id)),
            state=RunState(row.state),
            attempt=row.attempt,
            status_code=row.status_code,
            error_message=row.error_message,
            duration_ms=row.duration_ms,
            of_run=row.run_id,
        )

    @strawberry.field(
        description="The run in its state when the event is sent, never older than the event; null if it was deleted."
    )
    async def run(self, info: Info) -> Run | None:
        """Return the run as it is after the event was committed."""
        row = await info.context.runs.load(self.of_run)
        return Run.of(row) if row else None


@strawberry.type(
    description="Events are missing here, because they are no longer kept or because the subscriber was too slow."
    " Read the current state from `runs`; the events that follow are newer than this cursor."
)
class RunEventsGap:
    """Events that were not delivered."""

    cursor: str = strawberry.field(description="The cursor at which the stream continues, for `after`.")
    message: str = strawberry.field(description="Why there is a gap.")

    @staticmethod
    def of(gap: Gap) -> "RunEventsGap":
        """Return a gap of the tail."""
        return RunEventsGap(cursor=cursors.of_event(gap.seq), message=gap.message)


RunEventMessage = Annotated[
    RunEvent | RunEventsGap,
    strawberry.union("RunEventMessage", description="A change of a run, or a gap."),
]
