"""Metrics: as JSON with the old service's names, or for Prometheus, by `Accept`."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Self

from prometheus_client import exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import process_reports
from db.connection import CONNECTION_ERRORS
from db.engine.rollups import LATENESS_BOUNDS_MS
from db.models import utc_now
from db.reads import metrics
from db.reads.metrics import Overview, Present
from graphql_api.content_negotiation import JSON, preferred
from graphql_api.context import Services
from graphql_api.middleware.authentication import scoped
from graphql_api.responses import ResponseBody, json_answer
from graphql_api.server_checks import redis_answers
from jobs.process_metrics import reported

logger = logging.getLogger(__name__)

READ_WITHIN = timedelta(seconds=3)
"""Prometheus waits for ten seconds by default."""
TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"
OFFERED = (JSON, OPENMETRICS, TEXT)
"""In the order of preference, which decides between types that a client accepts equally."""


async def show(request: Request) -> Response:
    """Return the metrics as JSON, unless the client prefers another type."""
    services: Services = request.app.state.services
    chosen = preferred(request.headers.get("accept", "*/*"), OFFERED)
    if chosen == JSON:
        async with services.engine.connect() as connection:
            overview = await metrics.overview(connection, now=utc_now())
        return varying(json_answer(Metrics.of(overview).json_object()))
    found, redis_is_up = await asyncio.gather(read(services), redis_answers(services))
    numbers = Scrape(found, redis_is_up=redis_is_up)
    if chosen == OPENMETRICS:
        body = openmetrics.generate_latest(numbers)  # type: ignore[no-untyped-call]
        answer = Response(body, media_type=openmetrics.CONTENT_TYPE_LATEST)
    else:
        answer = Response(exposition.generate_latest(numbers), media_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)
    return varying(answer)


async def read(services: Services) -> "Found | None":
    """Return what Postgres has, or None when it does not answer in time."""
    now = utc_now()
    try:
        async with asyncio.timeout(READ_WITHIN.total_seconds()), services.engine.connect() as connection:
            return Found(
                overview=await metrics.overview(connection, now=now),
                present=await metrics.present(connection, now=now),
                lateness=await metrics.lateness(connection),
                reports=await process_reports.recent(connection),
            )
    except CONNECTION_ERRORS as error:
        logger.warning("Metrics cannot be read.", extra={"action": "metrics_failed", "error": repr(error)})
        return None


def varying(answer: Response) -> Response:
    """Return the response, marked as one of several representations (RFC 9110, section 12.5.5)."""
    answer.headers["vary"] = "Accept"
    return answer


class Metrics(ResponseBody):
    """Counts since the first run, by the old service's names."""

    total_tasks_executed: int = Field(description="Runs that have ended after an attempt.", ge=0)
    successful_tasks: int = Field(description="Runs that succeeded.", ge=0)
    failed_tasks: int = Field(description="All other runs.", ge=0)
    success_rate_percent: float = Field(description="Share of runs that succeeded; 0 without any run.", ge=0, le=100)
    average_execution_ms: int = Field(
        description="Average duration of last attempts, in whole milliseconds; 0 without any run.", ge=0
    )
    tasks_per_minute: float = Field(description="Runs that ended in the last minute.", ge=0)

    @classmethod
    def of(cls, overview: Overview) -> Self:
        """Return the counts as they are shown."""
        return cls(
            total_tasks_executed=overview.total,
            successful_tasks=overview.succeeded,
            failed_tasks=overview.failed,
            success_rate_percent=round((overview.success_rate or 0) * 100, 2),
            average_execution_ms=round(overview.average_duration_ms or 0),
            tasks_per_minute=float(overview.in_last_minute),
        )


class Found(NamedTuple):
    """What a scrape reads from Postgres."""

    overview: Overview
    present: Present
    lateness: Sequence[int]
    reports: Sequence[str]


@dataclass(frozen=True, slots=True)
class Scrape(Collector):
    """All metrics for Prometheus, which computes rates itself. `found` is None while Postgres is down."""

    found: Found | None
    redis_is_up: bool

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its help text."""
        yield GaugeMetricFamily(
            "duetime_postgres_up", "Whether Postgres answers this API process.", value=self.found is not None
        )
        yield GaugeMetricFamily("duetime_redis_up", "Whether Redis answers this API process.", value=self.redis_is_up)
        if self.found is not None:
            yield from RunMetrics(self.found.overview, self.found.lateness).collect()
            yield from waiting(self.found)
            yield from reported(self.found.reports)


def waiting(found: Found) -> Iterator[Metric]:
    """Yield what waits now, and since when."""
    overview, present = found.overview, found.present
    for name, words, value in (
        ("duetime_queue_depth", "Runs that are due and wait for a worker.", overview.queue_depth),
        ("duetime_oldest_due_age_seconds", "How long a task has been due; 0 while none is.", present.oldest_due_age),
        ("duetime_notifications_pending", "Notifications that wait to be delivered.", present.pending_deliveries),
        ("duetime_workers", "Workers that are alive.", overview.workers),
    ):
        yield GaugeMetricFamily(name, words, value=value)
    if present.last_sweep_age is not None:
        yield GaugeMetricFamily(
            "duetime_last_sweep_age_seconds", "Time since the last sweep of any worker.", value=present.last_sweep_age
        )
    leases = GaugeMetricFamily(
        "duetime_worker_lease_age_seconds", "Time since the worker renewed its lease.", labels=["process"]
    )
    for worker_id, age in present.lease_ages.items():
        leases.add_metric([process_reports.process_name("worker", worker_id)], age)
    yield leases


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """The counts of runs since the first one."""

    overview: Overview
    lateness: Sequence[int]

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its help text."""
        overview = self.overview
        runs = CounterMetricFamily("duetime_runs", "Runs that have ended after an attempt.", labels=["outcome"])
        runs.add_metric(["succeeded"], overview.succeeded)
        runs.add_metric(["failed"], overview.failed)
        yield runs
        yield SummaryMetricFamily(
            "duetime_run_duration_seconds",
            "How long the last attempts of ended runs took.",
            count_value=overview.timed,
            sum_value=overview.duration_ms / 1000,
        )
        yield HistogramMetricFamily(
            "duetime_run_lateness_seconds",
            "How long after they were due runs began their first attempts.",
            buckets=self.buckets(),
            sum_value=overview.lateness_us / 1_000_000,
        )

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts up to each bound, as Prometheus expects them."""
        counts = self.lateness or [0] * (len(LATENESS_BOUNDS_MS) + 1)
        bounds = [*(repr(bound / 1000) for bound in LATENESS_BOUNDS_MS), "+Inf"]
        total, found = 0, []
        for bound, number in zip(bounds, counts, strict=True):
            total += number
            found.append((bound, float(total)))
        return found


ROUTES = [Route("/metrics", scoped(show), methods=["GET"])]
