"""The forecast of the load."""

from datetime import datetime, timedelta

import strawberry

from db.engine.forecast import HORIZON
from db.models import utc_now
from db.reads.forecast import forecast
from db.states import StatisticsWidth
from graphql_api.context import Info
from graphql_api.errors import invalid_range
from graphql_api.instants import write
from graphql_api.types.scalars import Count
from graphql_api.types.statistics import LENGTHS, bucket_starts, floor
from jobs.datetimes import UNIX_EPOCH, shifted

BY_DEFAULT = timedelta(hours=24)
MAX_HOSTS = 20


@strawberry.type(description="The calls that are due in a bucket.")
class LoadForecastBucket:
    """A bucket of the forecast."""

    from_: datetime = strawberry.field(name="from", description="The beginning, inclusive.")
    to: datetime = strawberry.field(description="The end, exclusive.")
    calls: Count = strawberry.field(description="Number of calls that are due, without retries and requested runs.")


@strawberry.type(description="The calls that are due at a host in the whole period.")
class HostForecast:
    """A host of the forecast."""

    host: str = strawberry.field(description="The host and port of the calls.")
    calls: Count = strawberry.field(description="Number of calls that are due.")


@strawberry.type(description="The calls that are due by the schedules of all tasks that are not paused.")
class LoadForecast:
    """The forecast."""

    buckets: list[LoadForecastBucket] = strawberry.field(
        description="The buckets, oldest first, empty ones included. The hour of `computedAt` counts only calls that "
        "were due then and later."
    )
    hosts: list[HostForecast] = strawberry.field(description=f"The {MAX_HOSTS} busiest hosts, busiest first.")
    computed_at: datetime = strawberry.field(
        description="When a worker computed this: within seconds after a change, or minutes with very many tasks. "
        "Before the first computation, this is 1970."
    )
    calls: Count = strawberry.field(description="Number of calls in all buckets.")


async def load_forecast(
    info: Info, *, since: datetime | None, until: datetime | None, bucket: StatisticsWidth
) -> LoadForecast:
    """Return the forecast. Raises GraphQL's INVALID_RANGE and LIMIT_EXCEEDED."""
    now = utc_now()
    since = now if since is None else since
    until = shifted(since, BY_DEFAULT) if until is None else until
    if bucket is StatisticsWidth.MINUTE:
        raise invalid_range("The forecast is kept by hours; use the bucket HOUR or DAY")
    starts = list(bucket_starts(since, until, bucket))
    length, last = LENGTHS[bucket], floor(now, StatisticsWidth.HOUR) + HORIZON
    if until > last:
        raise invalid_range(
            f"to is {write(until)}, but the forecast goes {HORIZON // timedelta(hours=1)} hours ahead, to {write(last)}"
        )
    async with info.context.services.reading() as connection:
        found = await forecast(connection, since=starts[0], until=starts[-1] + length, bucket=bucket, hosts=MAX_HOSTS)
    buckets = [
        LoadForecastBucket(from_=start, to=start + length, calls=Count(found.buckets.get(start, 0))) for start in starts
    ]
    return LoadForecast(
        buckets=buckets,
        hosts=[HostForecast(host=host, calls=Count(calls)) for host, calls in found.hosts],
        computed_at=found.computed_at or UNIX_EPOCH,
        calls=Count(sum(found.buckets.values())),
    )
