"""The part of the root type of queries that shows how the service and its runs fare."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from db.engine.forecast import HORIZON, HOUR
from db.states import StatisticsWidth
from graphql_api.context import Info
from graphql_api.types import forecast, service, statistics
from graphql_api.types.attention import AttentionItem, read_attention
from graphql_api.types.connections import MAX_SIZE
from graphql_api.types.forecast import LoadForecast
from graphql_api.types.scalars import given_or_none
from graphql_api.types.service import Health, Worker
from graphql_api.types.statistics import MAX_BUCKETS, RunStatistics, StatisticsFilterInput


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

    @strawberry.field(
        description="Returns counts of the runs that ended, for each bucket that overlaps the period, oldest first, "
        f"empty ones included; at most {MAX_BUCKETS:,}."
    )
    async def run_statistics(
        self,
        info: Info,
        from_: Annotated[datetime, strawberry.argument(name="from", description="The beginning, inclusive.")],
        to: Annotated[datetime, strawberry.argument(description="The end, exclusive.")],
        bucket: Annotated[
            StatisticsWidth, strawberry.argument(description="The length of a bucket.")
        ] = StatisticsWidth.HOUR,
        filter: Annotated[  # noqa: A002
            StatisticsFilterInput | None, strawberry.argument(description="Selects tasks; by default all.")
        ] = UNSET,
    ) -> list[RunStatistics]:
        """Return the statistics of each bucket."""
        return await statistics.run_statistics(info, since=from_, until=to, bucket=bucket, given=given_or_none(filter))

    @strawberry.field(
        description="Returns how many calls are due in each bucket that overlaps the period, and at which hosts, from "
        f"what a worker has computed. It looks up to {HORIZON // HOUR} hours ahead, by HOUR or DAY."
    )
    async def load_forecast(
        self,
        info: Info,
        from_: Annotated[
            datetime | None, strawberry.argument(name="from", description="The beginning; by default now.")
        ] = UNSET,
        to: Annotated[
            datetime | None, strawberry.argument(description="The end; by default 24 hours after the beginning.")
        ] = UNSET,
        bucket: Annotated[
            StatisticsWidth, strawberry.argument(description="The length of a bucket.")
        ] = StatisticsWidth.HOUR,
    ) -> LoadForecast:
        """Return the forecast."""
        return await forecast.load_forecast(info, since=given_or_none(from_), until=given_or_none(to), bucket=bucket)

    @strawberry.field(
        description="Lists tasks that need attention: by the worst reason (PAUSED_BY_FAILURES, ABSENT, FAILING, LATE), "
        "then the oldest first."
    )
    async def attention(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description=f"Number of tasks; 1 to {MAX_SIZE}.")] = 50,
    ) -> list[AttentionItem]:
        """Return the tasks that need attention."""
        return await read_attention(info, first=first)
