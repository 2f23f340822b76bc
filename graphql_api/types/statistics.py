"""Statistics of runs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import strawberry
from strawberry import UNSET

from db.engine.statistics import HOURS_KEPT, KEPT, MINUTES_KEPT, MINUTES_OF_ALL_KEPT
from db.models import utc_now
from db.reads import statistics
from db.reads.statistics import Statistics, StatisticsFilter
from db.states import StatisticsWidth
from graphql_api import ids
from graphql_api.context import Info
from graphql_api.errors import invalid_range, limit_exceeded
from graphql_api.instants import write
from graphql_api.types.enums import describe
from graphql_api.types.metrics import milliseconds
from graphql_api.types.scalars import Count, Milliseconds, given_or_none
from jobs.datetimes import shifted

MAX_BUCKETS = 1_500
LENGTHS = {
    StatisticsWidth.MINUTE: timedelta(minutes=1),
    StatisticsWidth.HOUR: timedelta(hours=1),
    StatisticsWidth.DAY: timedelta(days=1),
}
KEPT_OF_ALL = {StatisticsWidth.MINUTE: MINUTES_OF_ALL_KEPT, StatisticsWidth.HOUR: KEPT, StatisticsWidth.DAY: KEPT}
KEPT_OF_TASKS = {StatisticsWidth.MINUTE: MINUTES_KEPT, StatisticsWidth.HOUR: HOURS_KEPT, StatisticsWidth.DAY: KEPT}
BY_DEFAULT = timedelta(days=7)

describe(
    StatisticsWidth,
    "The length of a bucket, which begins at a whole minute, hour or day in UTC.",
    name="StatisticsBucket",
    MINUTE=f"A minute. Kept for {MINUTES_OF_ALL_KEPT.days} days, and with a filter for {MINUTES_KEPT.days} days.",
    HOUR=f"An hour. Kept for {KEPT.days} days, and with a filter for {HOURS_KEPT.days} days.",
    DAY=f"A day. Kept for {KEPT.days} days.",
)


@strawberry.input(
    name="StatisticsFilter",
    description="Selects the runs of tasks by the current state of the tasks; without a filter, the runs of tasks that "
    "were "
    "deleted count as well. An absent or null member, or an empty list, selects all.",
)
class StatisticsFilterInput:
    """A filter of statistics."""

    task_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Of this task.")
    tags: list[str] | None = strawberry.field(default=UNSET, description="Of tasks with all of these tags.")
    host: str | None = strawberry.field(
        default=UNSET,
        description="Of tasks that call this host, at any port, or at the one of `host:port`; case does not matter.",
    )


@strawberry.type(
    description="Counts of the runs that ended in a period, including runs that are no longer kept. They are "
    "up to date. Percentiles are estimated within a quarter of their value."
)
class RunStatistics:
    """Statistics of a stretch of time."""

    from_: datetime = strawberry.field(name="from", description="The beginning, inclusive.")
    to: datetime = strawberry.field(description="The end, exclusive.")
    runs: Count = strawberry.field(description="Number of runs that ended.")
    succeeded: Count = strawberry.field(description="Number of runs that SUCCEEDED.")
    failed: Count = strawberry.field(description="Number of runs that FAILED.")
    cancelled: Count = strawberry.field(description="Number of runs that were CANCELLED.")
    skipped: Count = strawberry.field(description="Number of runs that were SKIPPED.")
    missed: Count = strawberry.field(description="Number of runs that were MISSED.")
    unknown: Count = strawberry.field(description="Number of runs that ended as UNKNOWN.")
    success_rate_percent: float | None = strawberry.field(
        description="Percentage of runs that SUCCEEDED, of those that SUCCEEDED, FAILED or ended as UNKNOWN; null if "
        "there are none of these."
    )
    lateness_p50_ms: Milliseconds | None = strawberry.field(
        description="Median lateness; null if no run had an attempt."
    )
    lateness_p99_ms: Milliseconds | None = strawberry.field(description="99th percentile of the lateness.")
    duration_p50_ms: Milliseconds | None = strawberry.field(
        description="Median duration of last attempts; null without an attempt."
    )
    duration_p95_ms: Milliseconds | None = strawberry.field(
        description="95th percentile of the duration of last attempts."
    )

    @staticmethod
    def of(found: Statistics | None, *, since: datetime, until: datetime) -> "RunStatistics":
        """Return the statistics of [since, until); None stands for no runs."""
        found = found or Statistics()
        counts = {str(state): Count(number) for state, number in found.outcomes.items()}
        rate = found.success_rate
        return RunStatistics(
            from_=since,
            to=until,
            runs=Count(found.runs),
            **counts,
            success_rate_percent=None if rate is None else rate * 100,
            lateness_p50_ms=milliseconds(found.lateness_of(0.5)),
            lateness_p99_ms=milliseconds(found.lateness_of(0.99)),
            duration_p50_ms=milliseconds(found.duration_of(0.5)),
            duration_p95_ms=milliseconds(found.duration_of(0.95)),
        )


async def run_statistics(
    info: Info, *, since: datetime, until: datetime, bucket: StatisticsWidth, given: StatisticsFilterInput | None
) -> list[RunStatistics]:
    """Return the statistics of each bucket. Raises GraphQL's INVALID_RANGE, LIMIT_EXCEEDED and INVALID_ID."""
    starts = list(bucket_starts(since, until, bucket))
    filters = filter_of_statistics(given)
    kept = (KEPT_OF_ALL if filters == StatisticsFilter() else KEPT_OF_TASKS)[bucket]
    if bucket is not StatisticsWidth.DAY and utc_now() - since > kept:
        fits = StatisticsWidth.HOUR if bucket is StatisticsWidth.MINUTE else StatisticsWidth.DAY
        raise invalid_range(
            f"from is {write(since)}, but statistics by {bucket.name} are kept for {kept.days} days here; use "
            f"{fits.name}, or a later from"
        )
    ends = [shifted(start, LENGTHS[bucket]) for start in starts]
    async with info.context.services.reading() as connection:
        found = await statistics.by_bucket(connection, filters, since=starts[0], until=ends[-1], bucket=bucket)
    return [RunStatistics.of(found.get(start), since=start, until=end) for start, end in zip(starts, ends, strict=True)]


def bucket_starts(since: datetime, until: datetime, bucket: StatisticsWidth) -> Iterator[datetime]:
    """Return the starts of the buckets that [since, until) touches.

    Raises GraphQL's INVALID_RANGE and LIMIT_EXCEEDED.
    """
    if since >= until:
        raise invalid_range(f"from is {write(since)}, which is not before to, {write(until)}")
    number, first = number_of(since, until, bucket), floor(since, bucket)
    if number > MAX_BUCKETS:
        fits = next((each for each in StatisticsWidth if number_of(since, until, each) <= MAX_BUCKETS), None)
        advice = f"use {fits.name}, or ask for a shorter time" if fits else "ask for a shorter time"
        raise limit_exceeded(
            f"There are {number:,} buckets of the length {bucket.name} from {write(since)} to {write(until)}; at most "
            f"{MAX_BUCKETS:,} are returned: {advice}"
        )
    return (first + place * LENGTHS[bucket] for place in range(number))


def number_of(since: datetime, until: datetime, bucket: StatisticsWidth) -> int:
    """Return how many buckets [since, until) touches."""
    return -((floor(since, bucket) - until) // LENGTHS[bucket])


def floor(moment: datetime, bucket: StatisticsWidth) -> datetime:
    """Return the start of the bucket of a moment."""
    start = moment.replace(second=0, microsecond=0)
    if bucket is StatisticsWidth.MINUTE:
        return start
    return start.replace(minute=0) if bucket is StatisticsWidth.HOUR else start.replace(hour=0, minute=0)


def ceiling(moment: datetime, bucket: StatisticsWidth) -> datetime:
    """Return the end of the bucket of a moment, or the moment itself at a start."""
    start = floor(moment, bucket)
    return start if start == moment else shifted(start, LENGTHS[bucket])


def kept_as(moment: datetime, *, now: datetime) -> StatisticsWidth:
    """Return how finely the runs of a task that ended at a moment are kept."""
    if now - moment <= MINUTES_KEPT:
        return StatisticsWidth.MINUTE
    return StatisticsWidth.HOUR if now - moment <= HOURS_KEPT else StatisticsWidth.DAY


async def task_statistics(info: Info, task_id: UUID, since: datetime | None, until: datetime | None) -> RunStatistics:
    """Return the statistics of one task, read together with those of other tasks. Raises GraphQL's INVALID_RANGE."""
    now = utc_now()
    until = now if until is None else until
    since = shifted(until, -BY_DEFAULT) if since is None else since
    if since >= until:
        raise invalid_range(f"from is {write(since)}, which is not before to, {write(until)}")
    since, until = floor(since, kept_as(since, now=now)), ceiling(until, kept_as(until, now=now))
    found = await info.context.task_statistics.load((task_id, since, until))
    return RunStatistics.of(found, since=since, until=until)


def filter_of_statistics(given: StatisticsFilterInput | None) -> StatisticsFilter:
    """Return the filter for the query. Raises GraphQL's INVALID_ID."""
    if not given:
        return StatisticsFilter()
    return StatisticsFilter(
        task_id=ids.parse(task_id) if (task_id := given_or_none(given.task_id)) is not None else None,
        tags=tuple(given.tags or ()),
        host=given_or_none(given.host) or None,
    )
