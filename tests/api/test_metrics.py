"""Metrics: counted when runs end, and shown as JSON, for Prometheus, and by GraphQL."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, text

from db.connection import autocommit
from db.engine import rollups
from db.engine.rollups import BUCKETS, LATENESS_BOUNDS_MS
from db.models import RunRollup, utc_now
from db.reads.metrics import percentile
from db.settings import DatabaseSettings
from db.states import RunState, TaskStatus
from graphql_api import metrics
from graphql_api.content_negotiation import preferred
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, save, soon, working
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, run_of
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

MINUTE = timedelta(minutes=1)
NOTHING = {
    "total_tasks_executed": 0,
    "successful_tasks": 0,
    "failed_tasks": 0,
    "success_rate_percent": 0,
    "average_execution_ms": 0,
    "tasks_per_minute": 0,
}
QUERY = """{ metrics {
    totalRuns succeededRuns failedRuns successRatePercent averageDurationMs runsPerMinute latenessP50Ms latenessP99Ms
    queueDepth workers
} }"""


async def shown(api: Api, path: str = "/metrics") -> dict[str, Any]:
    """Return the metrics as the old service showed them."""
    answer = await api.http.get(path)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def counts_of_runs(api: Api) -> list[str]:
    """Return the lines about runs as Prometheus reads them."""
    answer = await api.http.get("/metrics", headers={"accept": "text/plain"})
    return [line for line in answer.text.splitlines() if line.startswith("duetime_run")]


def rollup(minute: datetime, **columns: Any) -> dict[str, Any]:
    """Return a worker's minute in which one run succeeded, 3 ms late, after 40 ms."""
    lateness = [0] * BUCKETS
    lateness[5] = 1
    defaults: dict[str, Any] = {
        "minute": minute.replace(second=0, microsecond=0),
        "worker_id": uuid4(),
        "succeeded": 1,
        "failed": 0,
        "timed": 1,
        "duration_ms": 40,
        "lateness_us": 3_000,
        "lateness": lateness,
        "per_second": [1] + [0] * 59,
    }
    return defaults | columns


async def test_nothing_yet(api: Api) -> None:
    """Without runs, both addresses show zeros, and GraphQL shows null where no number exists."""
    for path in ("/metrics", "/api/v1/metrics"):
        assert await shown(api, path) == NOTHING
    found = (await api.data(QUERY))["metrics"]
    assert found == {
        "totalRuns": 0,
        "succeededRuns": 0,
        "failedRuns": 0,
        "successRatePercent": None,
        "averageDurationMs": None,
        "runsPerMinute": 0,
        "latenessP50Ms": None,
        "latenessP99Ms": None,
        "queueDepth": 0,
        "workers": 0,
    }


async def test_what_ends_is_counted_once(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Each run counts once, when it has ended, by its last attempt. A restart changes nothing; all instances agree."""
    target.responds("/bad", CannedResponse(status=500))
    async with serving(database, jobs_settings) as api:
        at = soon()
        good = [one_off(f"{target.url}/{number}", at) for number in range(3)]
        bad = one_off(f"{target.url}/bad", at, max_attempts=2, initial_delay_ms=1)
        await save(api.engine, *good, bad)
        async with working(database, jobs_settings):

            async def ended() -> bool:
                counted = await shown(api)
                return bool(counted["total_tasks_executed"] == 4)

            await wait_until(ended, what="all have ended")
        counted = await shown(api)
        found = (await api.data(QUERY))["metrics"]
    assert counted.keys() == NOTHING.keys()
    assert [counted[name] for name in list(NOTHING)[:4]] == [4, 3, 1, 75]
    assert counted["tasks_per_minute"] == 4
    assert 0 < counted["average_execution_ms"] < 5_000
    assert isinstance(counted["average_execution_ms"], int)
    assert isinstance(counted["tasks_per_minute"], float)
    assert (found["totalRuns"], found["succeededRuns"], found["failedRuns"]) == (4, 3, 1)
    assert (found["successRatePercent"], found["runsPerMinute"]) == (75, 4)
    assert 0 <= found["latenessP50Ms"] <= found["latenessP99Ms"] < 5_000
    async with serving(database, jobs_settings) as again, serving(database, jobs_settings) as other:
        assert await shown(again) == await shown(other) == counted


async def test_what_ends_elsewhere_is_counted_as_well(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """A run that was lost, or cancelled after an attempt, counts as failed; a run without an attempt does not count."""
    async with serving(database, jobs_settings) as api:
        lost = every(target.url, HOUR, ago(-1), on_lost="fail")
        begun, never = (every(target.url, HOUR, ago(-1)) for _ in range(2))
        await save(api.engine, lost, begun, never)
        await save(
            api.engine,
            run_of(lost, scheduled_for=ago(1), state=RunState.RUNNING),
            run_of(begun, scheduled_for=ago(1), state=RunState.RETRYING, duration_ms=30),
            run_of(never, scheduled_for=ago(2), state=RunState.QUEUED),
            run_of(never, scheduled_for=ago(1), state=RunState.SKIPPED),
        )
        for task in (begun, never):
            await api.http.delete(f"/api/v1/tasks/{task.id}")
        assert (await shown(api))["failed_tasks"] == 1
        async with working(database, jobs_settings):

            async def rescued() -> bool:
                return bool((await shown(api))["failed_tasks"] == 2)

            await wait_until(rescued, what="the lost run is counted", within=15)
        counted = await shown(api)
        assert (counted["total_tasks_executed"], counted["successful_tasks"]) == (2, 0)
        assert counted["average_execution_ms"] == 30
        assert (await api.http.get("/api/v1/results")).json()["pagination"]["total"] == 2


async def test_the_last_minute(api: Api) -> None:
    """The last minute is exact to the second, across the minutes of the clock."""
    now = utc_now()
    this = now.replace(second=0, microsecond=0)
    seconds = [0] * 60
    before = list(seconds)
    for age in (0, 10, 30, 58):
        then = now - timedelta(seconds=age)
        (seconds if then >= this else before)[then.second] += 1
    for age in (70, 90):
        then = now - timedelta(seconds=age)
        if this - MINUTE <= then < this:
            before[then.second] += 1
    rows = [rollup(this, per_second=seconds), rollup(this - MINUTE, per_second=before), rollup(this - 2 * MINUTE)]
    async with api.engine.begin() as connection:
        await connection.execute(insert(RunRollup), rows)
    assert (await shown(api))["tasks_per_minute"] in {3, 4}


async def test_how_things_stand(api: Api) -> None:
    """The current state has the runs that are due and wait for a worker, and the workers."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None, "status": TaskStatus.COMPLETED}
    due, later = every("http://a/", HOUR, ago(1)), every("http://a/", HOUR, ago(-1))
    done = one_off("http://a/", ago(1), **ended)
    await save(api.engine, due, later, done)
    await save(
        api.engine,
        run_of(later, scheduled_for=ago(2), state=RunState.RETRYING, next_attempt_at=ago(1)),
        run_of(done, scheduled_for=ago(2), state=RunState.RETRYING, next_attempt_at=ago(-1)),
    )
    async with api.engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO workers (id, host, pid, slots) VALUES ('{uuid4()}', 'a', 1, 1)"))
    found = (await api.data(QUERY))["metrics"]
    assert (found["queueDepth"], found["workers"]) == (2, 1)


async def test_old_minutes_become_one_sum(api: Api) -> None:
    """Old minutes are added up a few at a time without changing a number; recent minutes stay separate."""
    now = utc_now()
    rows = [rollup(now - timedelta(days=2) - number * MINUTE) for number in range(25)] + [rollup(now)]
    async with api.engine.begin() as connection:
        await connection.execute(insert(RunRollup), rows)
    before = await shown(api)
    sums = await counts_of_runs(api)
    for left in (17, 7, 2, 2):
        async with autocommit(api.engine).connect() as connection:
            await rollups.compact(connection, before=now - timedelta(days=1), limit=10)
            counted = await connection.execute(text("SELECT count(*) FROM run_rollups"))
            assert counted.scalar_one() == left
        assert await shown(api) == before
        assert await counts_of_runs(api) == sums


async def test_prometheus(api: Api) -> None:
    """Prometheus's own parsers read both formats; counters end in _total."""
    async with api.engine.begin() as connection:
        await connection.execute(insert(RunRollup), [rollup(utc_now(), failed=2), rollup(utc_now())])
    for accept, content_type, parse in (
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", text_string_to_metric_families),
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            openmetrics.text_string_to_metric_families,
        ),
    ):
        answer = await api.http.get("/metrics", headers={"accept": accept})
        assert answer.headers["content-type"] == content_type
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        families = {family.name.removesuffix("_total"): family for family in parse(answer.text)}
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in families.values()
            for sample in family.samples
        }
        assert samples["duetime_runs_total", "succeeded"] == 2
        assert samples["duetime_runs_total", "failed"] == 2
        assert samples["duetime_run_duration_seconds_sum",] == 0.08
        assert samples["duetime_run_duration_seconds_count",] == 2
        assert samples["duetime_run_lateness_seconds_bucket", "+Inf"] == 2
        assert samples["duetime_run_lateness_seconds_sum",] == 0.006
        assert samples["duetime_queue_depth",] == samples["duetime_workers",] == 0
        assert all(family.documentation for family in families.values())


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("image/png", "application/json"),
        (";q=x, nonsense", "application/json"),
        ("text/plain", "text/plain"),
        ("text/*", "text/plain"),
        ("application/json;q=0.1, TEXT/PLAIN;q=0.2", "text/plain"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "application/openmetrics-text",
        ),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain"),
    ],
)
def test_what_is_preferred(accept: str, chosen: str) -> None:
    """JSON is chosen unless another type is preferred (RFC 9110, section 12.5.1)."""
    assert preferred(accept, metrics.OFFERED) == chosen


def test_percentiles_are_estimated_within_a_bucket() -> None:
    """Percentiles are estimated within a quarter of their value; without runs there are none."""
    assert percentile([], 0.5) is None
    assert percentile([0] * BUCKETS, 0.5) is None
    counts = [0] * BUCKETS
    late_ms = [3.0] * 98 + [700.0, 20_000.0]
    for late in late_ms:
        counts[sum(bound <= late for bound in LATENESS_BOUNDS_MS)] += 1
    half, most, all_ = (percentile(counts, part) for part in (0.5, 0.99, 1))
    assert half is not None
    assert most is not None
    assert all_ is not None
    assert abs(half / timedelta(milliseconds=3) - 1) < 0.27
    assert abs(most / timedelta(milliseconds=700) - 1) < 0.27
    assert abs(all_ / timedelta(seconds=20) - 1) < 0.27
    counts[-1] = 1_000
    assert percentile(counts, 0.9) == timedelta(seconds=10_000)


def test_bounds_are_sorted() -> None:
    """The bounds are sorted, as `width_bucket` requires."""
    assert sorted(set(LATENESS_BOUNDS_MS)) == list(LATENESS_BOUNDS_MS)
    assert datetime.now(UTC) > rollups.OLD_MINUTES
