"""Measures what is shown of the newest days over 90 days of history and over two, in turn, and the forecast of 100,000
tasks.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from db.connection import autocommit, open_engine
from db.engine.statistics import (
    ALL_TASKS,
    DURATION_PLACE,
    HOURS_KEPT,
    LATENESS_PLACE,
    MINUTES_KEPT,
    MINUTES_OF_ALL_KEPT,
)
from db.maintenance import partitions
from db.settings import DatabaseSettings
from jobs.maintenance.forecast import Forecaster
from tests.bench.fill import EMPTY, another_database, execute
from tests.bench.filters import REQUESTS, once, took
from tests.bench.line import Line, median
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port
from tests.support.history import fill

FEW_DAYS = 2
MANY_DAYS = 90
RUNS_PER_DAY = 10_000
STRETCHED = 86_400_000 // RUNS_PER_DAY - 1
FORECAST_TASKS = 100_000
FORECAST_BUDGET_MS = 300
FORGET = "TRUNCATE run_statistics, load_forecast, task_troubles"
TASKS = """
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, tags)
SELECT gen_random_uuid(), 'task ' || n, 'interval', 60000, now(), 'GET', 'http://host' || n % 5 || '.example/',
       'host' || n % 5 || '.example:80', CASE WHEN n % 5 = 0 THEN ARRAY['rare'] ELSE '{}' END
FROM generate_series(1, 500) n
"""
# What the counting leaves of a day, as if its runs had been spread over it, and added up as far as its age wants.
STATISTICS = f"""
INSERT INTO run_statistics (task_id, start, width, places, numbers)
SELECT k.task_id, date_trunc(k.width, d.day + (r.finished_at - d.day) * {STRETCHED}, 'UTC'), k.width,
       ARRAY[0, {LATENESS_PLACE + 5}, {LATENESS_PLACE + 9}, {DURATION_PLACE + 15}, {DURATION_PLACE + 20}],
       ARRAY[count(*), count(*) / 2, (count(*) + 1) / 2, count(*) / 2, (count(*) + 1) / 2]
FROM (SELECT CAST(:day AS timestamptz) AS day) AS d
JOIN finished_runs r ON r.scheduled_for >= d.day AND r.scheduled_for < d.day + interval '1 day'
CROSS JOIN LATERAL (
    VALUES (r.task_id, CAST(:width AS text)), (CAST('{ALL_TASKS}' AS uuid), CAST(:width_of_all AS text))
) AS k (task_id, width)
GROUP BY 1, 2, 3
"""
SCHEDULES = f"""
INSERT INTO tasks (id, name, trigger_type, every_ms, cron_expr, start_at, method, url, host, next_run, due_at)
SELECT gen_random_uuid(), 'task ' || n, CASE WHEN n % 2 = 0 THEN 'interval' ELSE 'cron' END,
       CASE WHEN n % 2 = 0 THEN (n % 60 + 1) * 60000 END,
       CASE WHEN n % 2 = 1 THEN n % 60 || ' ' || CASE n % 4 WHEN 1 THEN '*' ELSE n % 24 || '' END || ' * * *' END, at,
       'GET', 'http://host' || n % 1000 || '.example/', 'host' || n % 1000 || '.example:80', at, at
FROM generate_series(1, {FORECAST_TASKS}) n,
     LATERAL (SELECT CASE n % 2
         WHEN 0 THEN date_trunc('minute', now()) + (n % 7919 + 1) * interval '11 milliseconds'
         ELSE date_trunc('hour', now()) + interval '1 hour' + n % 60 * interval '1 minute'
     END AS at) a
"""
FIGURES = "runs succeeded failed latenessP50Ms latenessP99Ms durationP50Ms durationP95Ms"
QUERY = f"""query ($from: DateTime!, $to: DateTime!, $bucket: StatisticsBucket!, $filter: StatisticsFilter) {{
    runStatistics(from: $from, to: $to, bucket: $bucket, filter: $filter) {{ from {FIGURES} }}
}}"""
OF_TASKS = f"""query ($from: DateTime!, $to: DateTime!) {{
    tasks(first: 50) {{ nodes {{ statistics(from: $from, to: $to) {{ {FIGURES} }} }} }}
}}"""
ATTENTION = "{ attention { reason message task { name } } }"
TROUBLES = """
INSERT INTO task_troubles (task_id, kind, since, runs, run_id)
SELECT r.task_id, 'failing', max(r.finished_at), 1, max(CAST(r.id AS text))::uuid FROM finished_runs r
WHERE r.scheduled_for >= :day GROUP BY r.task_id LIMIT 50
"""
RECENT = "{ tasks(first: 50) { nodes { recentRuns(last: 30) { id state } } } }"
FORECAST = "{ loadForecast { computedAt calls buckets { from calls } hosts { host calls } } }"


async def statistics_lines(servers: Servers) -> list[Line]:
    """Return the lines for what is shown of the newest days, by history, and the line for the forecast."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with served(servers, midnight, days=FEW_DAYS) as few, served(servers, midnight, days=MANY_DAYS) as many:
        for http in (few, many):
            for body in bodies(midnight).values():
                await took(http, "POST", "/graphql", body)  # the first requests of a process take longer
        lines = [await by_history(what, body, few, many) for what, body in bodies(midnight).items()]
    return [*lines, await forecast_line(servers)]


@asynccontextmanager
async def served(servers: Servers, midnight: datetime, *, days: int) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an API whose database has so many days of history."""
    async with another_database(servers, f"statistics_of_{days}") as its:
        await execute(its, TASKS)
        for day in range(1, days + 1):
            await fill_day(its, midnight - timedelta(days=day))
        await execute(its, TROUBLES, values={"day": midnight - timedelta(days=1)})
        await execute(its, "VACUUM ANALYZE")
        async with api(its) as http:
            yield http


@asynccontextmanager
async def api(servers: Servers) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an API that runs until the block ends."""
    port = free_port()
    async with (
        module("duetime", "api", environment=servers.environment | {"PORT": str(port)}),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        await answers(port)
        yield http


async def by_history(what: str, body: dict[str, object], few: httpx.AsyncClient, many: httpx.AsyncClient) -> Line:
    """Return the line for a request, which is sent in turn to an API with few days of history and one with many."""
    pairs = [[await once(http, "POST", "/graphql", body) for http in (few, many)] for _ in range(REQUESTS)]
    of_few, of_many = map(median, zip(*pairs, strict=True))
    return Line(
        f"{what}, {MANY_DAYS} days of {RUNS_PER_DAY:,} runs kept",
        f"{of_many:.1f} ms",
        f"{of_few:.1f} ms ({FEW_DAYS} days)",
        of_many / of_few,
        "at most 1.3",
    )


async def forecast_line(servers: Servers) -> Line:
    """Return the line for the forecast of many tasks, against the time that it may take."""
    await execute(servers, EMPTY, FORGET, SCHEDULES, "VACUUM ANALYZE")
    seconds = await compute(servers)
    async with api(servers) as http:
        asked = await took(http, "POST", "/graphql", {"query": FORECAST})
    what = f"`loadForecast` over 24 hours of {FORECAST_TASKS:,} tasks, which a worker computes in {seconds:.1f} s"
    budget = f"{FORECAST_BUDGET_MS} ms (what is allowed)"
    return Line(what, f"{asked:.1f} ms", budget, asked / FORECAST_BUDGET_MS, "at most 1")


def bodies(midnight: datetime) -> dict[str, dict[str, object]]:
    """Return the requests to measure, by what they show."""
    day = {"from": (midnight - timedelta(days=1)).isoformat(), "to": midnight.isoformat(), "bucket": "HOUR"}

    def body(filters: dict[str, object] | None) -> dict[str, object]:
        return {"query": QUERY, "variables": {**day, "filter": filters}}

    return {
        "`runStatistics` of a day by hours, all tasks": body(None),
        "`runStatistics` of a day by hours, 100 tasks of a tag": body({"tags": ["rare"]}),
        "`runStatistics` of a day by hours, 100 tasks of a host": body({"host": "host1.example"}),
        "50 tasks with `statistics` of a day": {"query": OF_TASKS, "variables": {"from": day["from"], "to": day["to"]}},
        "50 tasks with `recentRuns(last: 30)`": {"query": RECENT},
        "50 tasks that need `attention`": {"query": ATTENTION},
    }


async def fill_day(servers: Servers, day: datetime) -> None:
    """Insert the runs of a day and what was counted of them."""
    age = datetime.now(UTC) - day
    width = "minute" if age < MINUTES_KEPT else "hour" if age < HOURS_KEPT else "day"
    width_of_all = "minute" if age < MINUTES_OF_ALL_KEPT else "hour"
    async with servers.engine.begin() as connection:
        await partitions.make(connection, day.date())
        await fill(connection, RUNS_PER_DAY, first=day)
    await execute(servers, STATISTICS, values={"day": day, "width": width, "width_of_all": width_of_all})


async def compute(servers: Servers) -> float:
    """Compute the forecast as a worker does, and return the seconds that it took."""
    url = DatabaseSettings.model_construct(database_url=servers.environment["DATABASE_URL"]).url()
    engine = open_engine(url, pool_size=2, application_name="duetime bench", plans_once=True)
    try:
        async with autocommit(engine).connect():
            begun = time.perf_counter()
        await Forecaster(engine).compute(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
        return time.perf_counter() - begun
    finally:
        await engine.dispose()
