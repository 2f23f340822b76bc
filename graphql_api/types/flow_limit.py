"""Flow limits, as admin keys see them, and what a run waits for."""

from collections import Counter
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import UNSET

from db import models
from db.engine import flow
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.scalars import given_or_none
from jobs.engine import flow_limits
from jobs.tasks.flow_limits import LEAST_RATE, MAX_BURST, MAX_CONCURRENT, MAX_RATE, FlowLimitDraft

HOST = (
    "A host, such as api.example.com, or with a leading *. all its subdomains together, at any depth. With a port it "
    "applies only to that port. Case does not matter, and international names may be written in Unicode or IDNA."
)
FLOW_KEY = "The flowKey of tasks, exactly."
MOST_AT_ONCE = f"How many calls may run at the same time; 1 to {MAX_CONCURRENT:,}."
RATE = f"How many calls may start per second; {LEAST_RATE} to {MAX_RATE:,.0f}, so that 0.5 is one in two seconds."
BURST = f"How many calls may start together after an idle period; 1 to {MAX_BURST:,}."


@strawberry.type(description="What a flow limit applies to: exactly one of these.")
class FlowLimitKey:
    """The key of a limit."""

    host: str | None = strawberry.field(description="A host, or a pattern such as *.example.com; either with a port.")
    flow_key: str | None = strawberry.field(description="The flowKey of tasks.")


@strawberry.type(
    description="A limit on calls, which all workers share. If several apply to a call, it waits for all of them."
)
class FlowLimit:
    """A limit."""

    id: strawberry.ID = strawberry.field(description="The limit's id, a UUID.")
    key: FlowLimitKey = strawberry.field(description="What the limit applies to.")
    max_concurrent: int | None = strawberry.field(
        description="How many calls may run at the same time; null for any number."
    )
    rate_per_second: float | None = strawberry.field(
        description="How many calls may start per second; null for any number."
    )
    burst: int | None = strawberry.field(
        description="How many calls may start together after an idle period; null without a rate."
    )
    waiting_runs: int = strawberry.field(description="Number of runs that wait for this limit.")
    running_runs: int = strawberry.field(description="Number of runs that are RUNNING and count for this limit.")
    created_at: datetime = strawberry.field(description="When the limit was created.")
    updated_at: datetime = strawberry.field(description="When the limit was last changed.")


async def shown(session: AsyncSession, rows: list[models.FlowLimit]) -> list[FlowLimit]:
    """Return limits with the runs that wait for them and those that they count."""
    connection = await session.connection()
    waiting = await flow.waiting(connection)
    limits = flow_limits.FlowLimits(flow_limits.FlowLimit.of(row) for row in rows)
    running: Counter[UUID] = Counter()
    for host, flow_key, count in await flow.running(connection):
        running.update({limit.id: count for limit in limits.of_call(host, flow_key)})
    return [
        FlowLimit(
            id=strawberry.ID(str(row.id)),
            key=FlowLimitKey(host=row.host, flow_key=row.flow_key),
            max_concurrent=row.max_concurrent,
            rate_per_second=row.rate_per_second,
            burst=row.burst,
            waiting_runs=waiting.get(row.id, 0),
            running_runs=running[row.id],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


@strawberry.input(one_of=True, description="What a flow limit applies to: exactly one of these.")
class FlowLimitKeyInput:
    """The key of a limit to create."""

    host: str | None = strawberry.field(default=UNSET, description=HOST)
    flow_key: str | None = strawberry.field(default=UNSET, description=FLOW_KEY)


@strawberry.input(description="A flow limit to create: a number of calls at the same time, a rate, or both.")
class CreateFlowLimitInput:
    """A limit to create."""

    key: FlowLimitKeyInput = strawberry.field(description="What the limit applies to.")
    max_concurrent: int | None = strawberry.field(default=UNSET, description=MOST_AT_ONCE)
    rate_per_second: float | None = strawberry.field(default=UNSET, description=RATE)
    burst: int | None = strawberry.field(default=UNSET, description=f"{BURST} It needs a rate; by default it is 1.")

    def draft(self) -> FlowLimitDraft:
        """Return the limit as the use cases take it."""
        return FlowLimitDraft(
            host=given_or_none(self.key.host),
            flow_key=given_or_none(self.key.flow_key),
            max_concurrent=given_or_none(self.max_concurrent),
            rate_per_second=given_or_none(self.rate_per_second),
            burst=given_or_none(self.burst),
        )


@strawberry.input(
    description="What to change in a flow limit. An absent or null member leaves the old value, and 0 removes it. The "
    "key of a limit cannot be changed."
)
class UpdateFlowLimitInput:
    """What to change in a limit."""

    max_concurrent: int | None = strawberry.field(default=UNSET, description=MOST_AT_ONCE)
    rate_per_second: float | None = strawberry.field(default=UNSET, description=RATE)
    burst: int | None = strawberry.field(default=UNSET, description=f"{BURST} It needs a rate.")

    def draft(self) -> FlowLimitDraft:
        """Return the update as the use cases take it."""
        return FlowLimitDraft(
            max_concurrent=given_or_none(self.max_concurrent),
            rate_per_second=given_or_none(self.rate_per_second),
            burst=given_or_none(self.burst),
        )


@strawberry.type(description="A deleted flow limit.")
class DeletedFlowLimit:
    """A limit that was deleted."""

    flow_limit_id: strawberry.ID = strawberry.field(description="The id of the deleted limit.")


FlowLimitResult = Annotated[
    FlowLimit | InvalidInput | NotFound | Conflict,
    strawberry.union("FlowLimitResult", description="The flow limit, or why it was not created or changed."),
]
DeleteFlowLimitResult = Annotated[
    DeletedFlowLimit | NotFound,
    strawberry.union("DeleteFlowLimitResult", description="The deleted flow limit, or why it was not deleted."),
]
