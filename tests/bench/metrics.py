"""How long metrics, health and a page of results take when the history is long.

Run it as `python -m tests.bench.metrics RUNS`. It inserts that many runs and their rollups: two hours of minutes of ten
workers, and the sum of everything before. The figures are medians of requests to a running API.
"""

import argparse
import asyncio
import statistics
import time

import httpx
from sqlalchemy import text

from db.engine.rollups import BUCKETS, NOBODY, OLD_MINUTES
from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.bench.rounds import bench_servers
from tests.support.graphql import serving

WORKERS = 10
TASKS = 1_000
REQUESTS = 30

MAKE_TASKS = f"""
INSERT INTO tasks (id, name, trigger_type, cron_expr, method, url, status)
SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 'task ' || n, 'cron', '0 9 * * *', 'GET', 'http://localhost/',
       'cancelled'
FROM generate_series(1, {TASKS}) n
"""
# Ids begin with the milliseconds of the instant, as those of real runs do.
MAKE_RUNS = f"""
INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, attempt, run_at, finished_at, status_code, success,
                          response_body, duration_ms)
SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || lpad(to_hex(n), 20, '0') AS uuid),
       CAST(lpad(to_hex(n % {TASKS} + 1), 32, '0') AS uuid), CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'succeeded' END,
       at, at, 1, at, at + interval '40 ms', 200, n % 10 <> 0, 'ok', 40
FROM (
    SELECT n, now() - n * interval '0.25 seconds' AS at
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n
) AS runs
"""
MAKE_ROLLUPS = f"""
INSERT INTO run_rollups (minute, worker_id, succeeded, failed, timed, duration_ms, lateness_us, lateness, per_second)
SELECT minute, CAST(lpad(to_hex(worker), 32, '0') AS uuid), 216, 24, 240, 9600, 480000,
       array_fill(3, ARRAY[{BUCKETS}]), array_fill(4, ARRAY[60])
FROM generate_series(date_trunc('minute', now()) - interval '2 hours', now(), interval '1 minute') minute,
     generate_series(1, {WORKERS}) worker
UNION ALL
SELECT '{OLD_MINUTES.isoformat()}', '{NOBODY}', 9000000, 1000000, 10000000, 400000000, 20000000000,
       array_fill(100000, ARRAY[{BUCKETS}]), '{{}}'
"""
BATCH = 500_000


async def median(http: httpx.AsyncClient, path: str, **headers: str) -> float:
    """Return the median duration of a request, in milliseconds."""
    took = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        answer = await http.get(path, headers=headers)
        took.append((time.perf_counter() - begun) * 1_000)
        assert answer.status_code == 200
    return statistics.median(took)


async def main(runs: int) -> None:
    """Print a Markdown table."""
    async with bench_servers() as servers:
        async with servers.engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text(MAKE_TASKS))
            for first in range(1, runs + 1, BATCH):
                await connection.execute(text(MAKE_RUNS), {"first": first, "last": min(first + BATCH - 1, runs)})
            await connection.execute(text(MAKE_ROLLUPS))
        async with servers.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("SET statement_timeout = 0"))
            await connection.execute(text("VACUUM (ANALYZE) task_results"))
            await connection.execute(text("VACUUM (ANALYZE) run_rollups"))
        database = DatabaseSettings.model_construct(database_url=servers.environment["DATABASE_URL"])
        jobs = JobsSettings.model_construct(redis_url=servers.redis_url)
        async with serving(database, jobs) as api:
            print(f"| with {runs:,} runs kept | median |\n| --- | --- |")  # noqa: T201
            for name, path, accept in (
                ("`/metrics` as JSON", "/metrics", "application/json"),
                ("`/metrics` for Prometheus", "/metrics", "text/plain"),
                ("`/health`", "/health", "*/*"),
                ("`/api/v1/results`, the first page", "/api/v1/results", "*/*"),
                ("`/api/v1/tasks/{id}/results`, the first page", f"/api/v1/tasks/{1:032x}/results", "*/*"),
            ):
                print(f"| {name} | {await median(api.http, path, accept=accept):.1f} ms |")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.metrics", description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=10_000_000)
    asyncio.run(main(parser.parse_args().runs))
