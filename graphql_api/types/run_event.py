"""What subscribers are told of runs."""

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


@strawberry.type(
    description="A change of a run. `run` is the run as it is when this is sent, never older than the event; null once "
    "deleted."
)
class RunEvent:
    """One transition."""

    cursor: str = strawberry.field(description="Where the event stands among all; for `after`.")
    type: RunEventType = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When it happened.")
    task_id: strawberry.ID = strawberry.field(description="The task of the run.")
    run_id: strawberry.ID = strawberry.field(description="The run.")
    state: RunState = strawberry.field(description="The run's state after it.")
    attempt: int = strawberry.field(description="The number of the attempt that it concerns; 0 before the first.")
    status_code: int | None = strawberry.field(description="The status of the attempt's answer.")
    error_message: str | None = strawberry.field(description="Why the attempt had no answer.")
    duration_ms: Milliseconds | None = strawberry.field(description="How long the attempt took.")
    of_run: strawberry.Private[UUID]

    @staticmethod
    def of(row: Event) -> "RunEvent":
        """An event from its row."""
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

    @strawberry.field(description="The run as it is when this is sent.")
    async def run(self, info: Info) -> Run | None:
        """Read after the event was committed."""
        row = await info.context.runs.load(self.of_run)
        return Run.of(row) if row else None


@strawberry.type(
    description="Events were left out, since they are no longer kept or the subscriber was too slow. Read the present "
    "state from `runs`; what follows is newer than this cursor."
)
class RunEventsGap:
    """Events that were not sent."""

    cursor: str = strawberry.field(description="Where the stream goes on; for `after`.")
    message: str = strawberry.field(description="Why there is a gap.")

    @staticmethod
    def of(gap: Gap) -> "RunEventsGap":
        """A gap as the tail tells it."""
        return RunEventsGap(cursor=cursors.of_event(gap.seq), message=gap.message)


RunEventMessage = Annotated[
    RunEvent | RunEventsGap,
    strawberry.union("RunEventMessage", description="A change of a run, or that some were left out."),
]
