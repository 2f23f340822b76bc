"""The state of the service: its health, and its workers."""

import asyncio
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from typing import Any

import strawberry

from db.models import utc_now
from db.reads import metrics
from db.reads.health import ServiceState
from db.reads.workers import workers
from graphql_api.context import Info
from graphql_api.server_checks import redis_answers, service_state_of
from graphql_api.types.enums import describe
from graphql_api.types.metrics import milliseconds
from graphql_api.types.scalars import Milliseconds

VERSION = version("duetime")
OVERDUE = timedelta(seconds=10)
"""How long a sweep may be away, and a task due and unclaimed, while all is well."""
RECENT = timedelta(minutes=5)


class HealthStatus(StrEnum):
    """Whether the service works."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


describe(
    HealthStatus,
    "Whether the service works.",
    HEALTHY="Both servers answer, workers are alive, and nothing is overdue.",
    DEGRADED="Both servers answer, but no worker is alive, or the last sweep ended, or a task became due and is "
    f"unclaimed, more than {OVERDUE.seconds} s ago.",
    UNHEALTHY="Postgres or Redis cannot be reached.",
)


@strawberry.type(description="Whether the service works, checked for this request.")
class Health:
    """The health of the service."""

    status: HealthStatus = strawberry.field(description="Whether the service works.")
    postgres: bool = strawberry.field(description="Whether Postgres answers.")
    redis: bool = strawberry.field(description="Whether Redis answers.")
    workers: int = strawberry.field(description="Number of workers that are alive.")
    oldest_due_age_ms: Milliseconds | None = strawberry.field(
        description="How long the oldest due task has been unclaimed; null if no task is."
    )
    last_sweep_age_ms: Milliseconds | None = strawberry.field(
        description="Time since the last sweep ended; a sweep looks for overdue tasks every two seconds. null before "
        "the first."
    )
    lateness_p99_ms: Milliseconds | None = strawberry.field(
        description="99th percentile of the lateness of the runs that ended in the last 5 minutes, estimated within a "
        "quarter of its value; null without any run."
    )
    now: datetime = strawberry.field(
        description="The current time by the database's clock, which all processes of Duetime follow."
    )
    version: str = strawberry.field(description="The version of the responding API process.")


@strawberry.type(description="A worker process that renewed its lease within the last minute, or holds runs.")
class Worker:
    """A worker."""

    id: strawberry.ID = strawberry.field(description="The worker's id, a UUID, which changes with each restart.")
    host: str | None = strawberry.field(description="The name of its host.")
    started_at: datetime = strawberry.field(description="When it acquired its lease.")
    last_seen_at: datetime = strawberry.field(description="When it last renewed its lease, which it does each second.")
    alive: bool = strawberry.field(description="Whether it holds its lease, which ends 5 s after a renewal.")
    slots: int | None = strawberry.field(description="How many attempts it makes at the same time.")
    running_runs: int = strawberry.field(description="Number of runs whose attempts it is making.")
    version: str | None = strawberry.field(
        description="Its version of Duetime; null for an older version that does not record it."
    )

    @staticmethod
    def of(row: Any) -> "Worker":
        """Return a worker from its row."""
        return Worker(
            id=strawberry.ID(str(row.id)),
            host=row.host,
            started_at=row.started_at,
            last_seen_at=row.renewed_at,
            alive=row.alive,
            slots=row.slots,
            running_runs=row.running,
            version=row.version,
        )


async def read_workers(info: Info) -> list[Worker]:
    """Return all workers."""
    async with info.context.services.reading() as connection:
        return [Worker.of(row) for row in await workers(connection)]


async def read_health(info: Info) -> Health:
    """Return the health of the service. It does not fail while Postgres is away."""
    services = info.context.services
    state, redis = await asyncio.gather(service_state_of(services), redis_answers(services))
    now, late = utc_now(), None
    if state is not None:
        async with services.reading() as connection:
            late = metrics.percentile(await metrics.lateness(connection, since=now - RECENT), 0.99)
    return Health(
        status=status_of(state, redis=redis),
        postgres=state is not None,
        redis=redis,
        workers=0 if state is None else state.workers,
        oldest_due_age_ms=None if state is None else milliseconds(state.since_due),
        last_sweep_age_ms=None if state is None else milliseconds(state.since_sweep),
        lateness_p99_ms=milliseconds(late),
        now=now,
        version=VERSION,
    )


def status_of(state: ServiceState | None, *, redis: bool) -> HealthStatus:
    """Return what the checks add up to."""
    if state is None or not redis:
        return HealthStatus.UNHEALTHY
    is_swept = state.since_sweep is not None and state.since_sweep <= OVERDUE
    is_behind = state.since_due is not None and state.since_due > OVERDUE
    return HealthStatus.HEALTHY if state.workers and is_swept and not is_behind else HealthStatus.DEGRADED
