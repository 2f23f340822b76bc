"""Metrics of processes: each reports its own, and every API process shows those of all."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from sqlalchemy import text

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, every, one_off, opened, save, soon, working
from tests.support.graphql import serving
from tests.support.history import HOUR, ago, run_of
from tests.support.promtool import (
    ALERTS,
    DOCS,
    constant,
    dashboard_expressions,
    firing,
    growing,
    metrics_in,
    needs_promtool,
)
from tests.support.proxy import running_proxy
from tests.support.scrape import Scrape, scrape
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

OF_EVERY_PROCESS = {
    "duetime_process_start_time_seconds",
    "duetime_event_loop_lag_seconds_bucket",
    "duetime_postgres_pool_in_use",
    "duetime_postgres_pool_size",
    "duetime_notifications_total",
}
OF_WORKERS = OF_EVERY_PROCESS | {
    "duetime_claims_total",
    "duetime_claim_batch_size_bucket",
    "duetime_result_batch_size_bucket",
    "duetime_rescued_runs_total",
    "duetime_flow_waits_total",
    "duetime_slots",
    "duetime_slots_in_use",
    "duetime_worker_lease_age_seconds",
}
OF_APIS = OF_EVERY_PROCESS | {"duetime_event_lag_seconds_bucket"}


async def test_any_api_process_shows_the_metrics_of_all(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers and two API processes appear once each, with what they did, whichever API process is scraped."""
    monkeypatch.setattr("jobs.maintenance.reporting.REPORTED_EVERY", timedelta(milliseconds=200))
    async with (
        serving(database, jobs_settings) as api,
        serving(database, jobs_settings) as other,
        working(database, jobs_settings),
        working(database, jobs_settings),
    ):
        lost = every(target.url, HOUR, ago(-1))
        await save(api.engine, *(one_off(target.url, soon()) for _ in range(5)), lost)
        await save(api.engine, run_of(lost, scheduled_for=ago(1), state=RunState.RUNNING, worker_id=uuid4()))

        async def complete() -> Scrape | None:
            found = await scrape(api)
            done = (
                sum(found.values("duetime_result_batch_size_sum")) >= 6
                and sum(found.values("duetime_rescued_runs_total")) == 1
                and len(found.processes("worker")) == len(found.processes("api")) == 2
                and all(found.values("duetime_event_lag_seconds_count"))
            )
            return found if done else None

        found = await wait_until(complete, what="all processes have reported what they did", within=30)
        assert found is not None
        again = await scrape(other)
        answer = await other.http.get("/metrics", headers={"accept": "application/openmetrics-text"})
        assert list(openmetrics.text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]
    assert again.processes("worker") == found.processes("worker")
    for name in found.processes("worker"):
        assert {sample.name for sample in found.samples if sample.labels.get("process") == name} >= OF_WORKERS
        assert found.values("duetime_slots", process=name) == [jobs_settings.slots]
    for name in found.processes("api"):
        assert {sample.name for sample in found.samples if sample.labels.get("process") == name} >= OF_APIS
    assert sum(found.values("duetime_claim_batch_size_sum")) >= 6
    assert all(0 <= age < 5 for age in found.values("duetime_worker_lease_age_seconds"))
    assert found.values("duetime_postgres_up") == found.values("duetime_redis_up") == [1]
    assert found.values("duetime_oldest_due_age_seconds") == [0]
    [sweep] = found.values("duetime_last_sweep_age_seconds")
    assert 0 <= sweep < 5
    shown = metrics_in("\n".join(dashboard_expressions())) | metrics_in(ALERTS.read_text("utf-8"))
    assert shown <= found.names
    guide = metrics_in((DOCS / "operate.md").read_text("utf-8"))
    assert {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in found.names} <= guide
    # Two counters of one process never appear twice, which Prometheus would refuse.
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in found.samples]
    assert len(series) == len(set(series))


@needs_promtool
async def test_without_workers_redis_and_then_postgres(
    database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """A scrape says what is away: what is due waits, Redis does not answer, and at last Postgres does not either.

    Real scrapes raise the alerts about that.
    """
    away = jobs_settings.model_copy(update={"redis_url": UNREACHABLE_REDIS})
    async with running_proxy(database.url().port or 5432) as proxy:
        url = database.url().set(port=proxy.port).render_as_string(hide_password=False)
        async with serving(DatabaseSettings(database_url=url), away) as api, opened(database) as engine:
            await save(engine, every("http://a/", HOUR, ago(30)))
            found = await scrape(api)
            assert found.values("duetime_redis_up") == found.values("duetime_workers") == [0]
            assert found.values("duetime_postgres_up") == found.values("duetime_queue_depth") == [1]
            [age] = found.values("duetime_oldest_due_age_seconds")
            assert age >= timedelta(hours=30).total_seconds()

            alerts = {"DuetimeNoWorkers", "DuetimeRedisAway", "DuetimeQueue", "DuetimeOverdue"}
            assert firing(constant(found), alerts, folder=tmp_path) == ""

            # A process that has not reported lately is not shown.
            async def reported() -> bool:
                return bool((await scrape(api)).processes("api"))

            await wait_until(reported, what="the API has reported")
            async with engine.begin() as connection:
                await connection.execute(text("UPDATE process_reports SET reported_at = reported_at - interval '16 s'"))
            assert not (await scrape(api)).processes("api")
            proxy.stall()
            found = await scrape(api)
            assert found.names == {"duetime_postgres_up", "duetime_redis_up"}
            assert found.values("duetime_postgres_up") == [0]
            assert firing(constant(found), {"DuetimeAway", "DuetimeRedisAway"}, folder=tmp_path) == ""


@needs_promtool
async def test_calls_that_fail_are_lost_and_wait(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real scrapes raise the alerts of a worker with too few slots, whose calls fail, beside one that was lost."""
    monkeypatch.setattr("jobs.maintenance.reporting.REPORTED_EVERY", timedelta(milliseconds=200))
    few = jobs_settings.model_copy(update={"slots": 2})
    slow = target.responds("/slow", CannedResponse(status=500, delay=timedelta(milliseconds=400)))
    async with serving(database, jobs_settings) as api, working(database, few):

        async def works() -> Scrape | None:
            found = await scrape(api)
            return found if found.values("duetime_slots") == [2] else None

        before = await wait_until(works, what="the worker has reported")
        lost = every(slow, HOUR, ago(-1))
        await save(api.engine, *(one_off(slow, soon(), max_attempts=1) for _ in range(20)), lost)
        await save(api.engine, run_of(lost, scheduled_for=ago(1), state=RunState.RUNNING, worker_id=uuid4()))

        async def is_behind() -> Scrape | None:
            found = await scrape(api)
            late = sum(found.values("duetime_run_lateness_seconds_bucket", le="+Inf"))
            in_time = sum(found.values("duetime_run_lateness_seconds_bucket", le="1.0"))
            behind = (
                late > in_time
                and found.values("duetime_slots_in_use") == [2]
                and found.values("duetime_rescued_runs_total") == [1]
                and found.values("duetime_queue_depth") > [0]
            )
            return found if behind else None

        after = await wait_until(is_behind, what="runs wait for the worker")
    assert before is not None
    assert after is not None
    alerts = {"DuetimeFailures", "DuetimeWorkersLost", "DuetimeSlots", "DuetimeLate", "DuetimeQueue"}
    # How busy the machine is besides says nothing about these.
    series = {
        name: values
        for name, values in growing(before, after).items()
        if not name.startswith(("duetime_event_loop_lag", "duetime_event_lag", "duetime_postgres_pool"))
    }
    assert firing(series, alerts, folder=tmp_path) == ""
