"""The part of the root type of queries that shows how the service and its runs fare."""

import strawberry

from graphql_api.context import Info
from graphql_api.types import service
from graphql_api.types.service import Health, Worker


@strawberry.type
class StatisticsQueries:
    """What can be read."""

    @strawberry.field(description="Returns whether the service works, from checks made for this request.")
    async def health(self, info: Info) -> Health:
        """Return the health of the service."""
        return await service.read_health(info)

    @strawberry.field(description="Lists the workers, also one that was lost a moment ago.")
    async def workers(self, info: Info) -> list[Worker]:
        """Return all workers."""
        return await service.read_workers(info)
