"""Counts of runs, and the current state of the service."""

from datetime import timedelta

import strawberry

from db.models import utc_now
from db.reads import metrics
from graphql_api.context import Info
from graphql_api.types.scalars import Count, Milliseconds

RECENT = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)


@strawberry.type(
    description="Counts since the first run, including runs that are no longer kept. A run counts once it has "
    "ended after an attempt."
)
class Metrics:
    """The root of metrics."""

    total_runs: Count = strawberry.field(description="Number of all runs.")
    succeeded_runs: Count = strawberry.field(description="Number of runs that SUCCEEDED.")
    failed_runs: Count = strawberry.field(
        description="Number of all other runs: FAILED, UNKNOWN, or CANCELLED after an attempt."
    )
    success_rate_percent: float | None = strawberry.field(
        description="Percentage of runs that succeeded; null without any run."
    )
    average_duration_ms: Milliseconds | None = strawberry.field(
        description="Average duration of last attempts; null without any run."
    )
    runs_per_minute: float = strawberry.field(description="Number of runs that ended in the last minute.")
    lateness_p50_ms: Milliseconds | None = strawberry.field(
        description="Median lateness of the runs of the last hour, estimated within a quarter of its value; null "
        "without any run."
    )
    lateness_p99_ms: Milliseconds | None = strawberry.field(
        description="99th percentile of the lateness of the runs of the last hour, estimated in the same way."
    )
    queue_depth: int = strawberry.field(description="Number of runs that are due and wait for a worker.")
    workers: int = strawberry.field(description="Number of workers that are alive.")


async def read(info: Info) -> Metrics:
    """Return the metrics of this moment."""
    now = utc_now()
    async with info.context.services.engine.connect() as connection:
        found = await metrics.overview(connection, now=now)
        counts = await metrics.lateness(connection, since=now - RECENT)
    return Metrics(
        total_runs=Count(found.total),
        succeeded_runs=Count(found.succeeded),
        failed_runs=Count(found.failed),
        success_rate_percent=None if found.success_rate is None else found.success_rate * 100,
        average_duration_ms=None
        if found.average_duration_ms is None
        else Milliseconds(round(found.average_duration_ms)),
        runs_per_minute=float(found.in_last_minute),
        lateness_p50_ms=milliseconds(metrics.percentile(counts, 0.5)),
        lateness_p99_ms=milliseconds(metrics.percentile(counts, 0.99)),
        queue_depth=found.queue_depth,
        workers=found.workers,
    )


def milliseconds(duration: timedelta | None) -> Milliseconds | None:
    """Return a duration in milliseconds."""
    return None if duration is None else Milliseconds(round(duration / MILLISECOND))
