"""The part of the root types that concerns flow limits. All of it needs an admin key."""

from typing import Annotated

import strawberry

from db import models
from db.models import utc_now
from db.tasks import flow_limits as stored
from graphql_api import ids
from graphql_api.context import Info
from graphql_api.schema.admin import admin_session, admin_transaction
from graphql_api.types.flow_limit import (
    CreateFlowLimitInput,
    DeletedFlowLimit,
    DeleteFlowLimitResult,
    FlowLimit,
    FlowLimitResult,
    UpdateFlowLimitInput,
    shown,
)
from graphql_api.types.node import Id
from jobs.tasks import flow_limits


@strawberry.type
class FlowLimitQueries:
    """What can be read."""

    @strawberry.field(description="Lists all flow limits: those of hosts, then those of flow keys. Needs an admin key.")
    async def flow_limits(self, info: Info) -> list[FlowLimit]:
        """Return all limits."""
        async with admin_session(info) as session:
            return await shown(session, await stored.all_limits(session))


@strawberry.type
class FlowLimitMutations:
    """What can be changed."""

    @strawberry.mutation(
        description="Creates a flow limit, which takes effect at once, or within a second while Redis is down. Runs "
        "that have started also count. Needs an admin key."
    )
    async def create_flow_limit(
        self,
        info: Info,
        input: Annotated[CreateFlowLimitInput, strawberry.argument(description="The limit.")],  # noqa: A002
    ) -> FlowLimitResult:
        """Create a limit, or return every problem at once."""
        async with admin_transaction(info) as work:
            row = await flow_limits.create_flow_limit(work, input.draft(), now=utc_now())
        return await one(info, row)

    @strawberry.mutation(
        description="Changes a flow limit, also for runs that already wait for it. Needs an admin key."
    )
    async def update_flow_limit(
        self,
        info: Info,
        id: Id,  # noqa: A002
        input: Annotated[UpdateFlowLimitInput, strawberry.argument(description="What to change.")],  # noqa: A002
    ) -> FlowLimitResult:
        """Change a limit, or return every problem at once."""
        async with admin_transaction(info) as work:
            row = await flow_limits.update_flow_limit(work, ids.parse(id), input.draft(), now=utc_now())
        return await one(info, row)

    @strawberry.mutation(
        description="Deletes a flow limit. The runs that wait for it start at once. Needs an admin key."
    )
    async def delete_flow_limit(self, info: Info, id: Id) -> DeleteFlowLimitResult:  # noqa: A002
        """Delete a limit."""
        async with admin_transaction(info) as work:
            limit_id = ids.parse(id)
            await flow_limits.delete_flow_limit(work, limit_id)
        return DeletedFlowLimit(flow_limit_id=strawberry.ID(str(limit_id)))


async def one(info: Info, row: models.FlowLimit) -> FlowLimit:
    """Return a limit that was created or changed."""
    async with info.context.services.session() as session:
        [limit] = await shown(session, [row])
    return limit
