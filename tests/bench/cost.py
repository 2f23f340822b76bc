"""What a run costs where: CPU time of the worker, of Postgres and of Redis, and bytes of Postgres's log.

Run it as `python -m tests.bench.cost RUNS`. The runs are one-off tasks that are all due at once, so that claims and
outcomes are written in batches, and then tasks that are due one by one, so that each has statements of its own.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from datetime import timedelta

import psutil
from redis.asyncio import Redis
from sqlalchemy import text

from db.models import utc_now
from tests.bench.fill import EMPTY, execute
from tests.bench.rounds import Servers, bench_servers, module

LEAD = timedelta(seconds=3)
APART = timedelta(milliseconds=20)
FILL = """
INSERT INTO tasks (id, name, trigger_type, trigger_time, method, url, host, next_run, due_at, redirects)
SELECT gen_random_uuid(), 'task ' || n, 'one-off', due, 'GET', CAST(:url AS text) || '/' || n, :host, due, due, 0
FROM generate_series(1, CAST(:number AS int)) n,
     LATERAL (SELECT CAST(:first AS timestamptz) + n * CAST(:apart AS interval) AS due) d
"""
ENDED = text("SELECT count(*) FROM task_results WHERE finished_at IS NOT NULL")
WRITTEN = text("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bigint), pg_backend_pid()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What has been used so far, in microseconds and bytes."""

    worker_us: float
    postgres_us: float
    redis_us: float
    wal_bytes: float

    def since(self, before: "Cost", *, runs: int) -> "Cost":
        """Return what each of the runs has used since then."""
        return Cost(
            **{each.name: (getattr(self, each.name) - getattr(before, each.name)) / runs for each in fields(Cost)}
        )


def cpu_us(*processes: psutil.Process) -> float:
    """Return the CPU time of processes."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times) * 1e6


async def used(servers: Servers, worker: int, redis: Redis) -> Cost:
    """Return what has been used so far by the worker and by both servers, with all of Postgres's processes."""
    async with servers.engine.connect() as connection:
        written, backend = (await connection.execute(WRITTEN)).one()
    postmaster = psutil.Process(backend).parent()
    assert postmaster is not None
    # A process that has ended counts with its parent.
    ended = postmaster.cpu_times()
    return Cost(
        worker_us=cpu_us(psutil.Process(worker)),
        postgres_us=cpu_us(postmaster, *postmaster.children()) + (ended.children_user + ended.children_system) * 1e6,
        redis_us=cpu_us(psutil.Process((await redis.info("server"))["process_id"])),
        wal_bytes=written,
    )


async def cost_of(servers: Servers, runs: int, *, apart: timedelta) -> Cost:
    """Return what each of the runs costs that are due so far apart."""
    await execute(servers, EMPTY)
    host = servers.target_url.removeprefix("http://")
    async with AsyncExitStack() as running:
        worker = await running.enter_async_context(module("duetime", "worker", environment=servers.environment))
        redis = await running.enter_async_context(Redis.from_url(servers.redis_url))
        await asyncio.sleep(LEAD.total_seconds())
        values = {"url": servers.target_url, "host": host, "number": runs, "apart": apart, "first": utc_now() + LEAD}
        await execute(servers, FILL, values=values)
        before = await used(servers, worker.pid, redis)
        while True:
            async with servers.engine.connect() as connection:
                if (await connection.execute(ENDED)).scalar_one() >= runs:
                    break
            await asyncio.sleep(0.5)
        return (await used(servers, worker.pid, redis)).since(before, runs=runs)


async def main(runs: int) -> None:
    """Print a Markdown table."""
    async with bench_servers() as servers:
        costs = [await cost_of(servers, runs, apart=apart) for apart in (timedelta(), APART)]
    together, apart = costs
    print(f"| each of {runs:,} runs | all due at once | one every 20 ms |\n| --- | --- | --- |")  # noqa: T201
    for name, words in (
        ("worker_us", "CPU of the worker, µs"),
        ("postgres_us", "CPU of Postgres, µs"),
        ("redis_us", "CPU of Redis, µs"),
        ("wal_bytes", "Postgres's log (WAL), bytes"),
    ):
        print(f"| {words} | {getattr(together, name):,.0f} | {getattr(apart, name):,.0f} |")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost", description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=2_000)
    asyncio.run(main(parser.parse_args().runs))
