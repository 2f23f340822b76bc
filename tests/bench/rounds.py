"""One round of each measurement: real servers, a real worker process, and a target in its own process."""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psutil
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import open_engine
from db.migrations import migrate
from db.models import Task
from db.settings import DatabaseSettings
from db.states import TriggerType
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.stack import local_stack
from duetime.settings import DuetimeSettings
from tests.support.history import fill
from tests.support.servers import data_folder

CONCURRENCY = 100
"""Number of calls that the bare loop makes at once."""
AHEAD = timedelta(seconds=5)
"""How long before the first instant tasks are made, so that making them is over by then."""
WITHIN = timedelta(seconds=60)
CROWDED_HOST = "crowded.example:80"
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Lateness:
    """The time from when calls were due to when the target received them, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, late: Sequence[float]) -> "Lateness":
        """Return the lateness for a list of seconds. Fail if a call was early."""
        assert min(late) >= 0, f"a call came {-min(late) * 1000:.3f} ms early"
        hundredths = statistics.quantiles(late, n=100, method="inclusive")
        return cls(p50=hundredths[49] * 1000, p99=hundredths[98] * 1000)


@dataclass(frozen=True, slots=True)
class Throughput:
    """The rate and CPU time of tasks that are all due at once, and of the bare loop."""

    rate: float
    cpu_us: float
    bare_rate: float
    bare_cpu_us: float


@dataclass(frozen=True, slots=True)
class NewDay:
    """The rate of tasks that are all due at once, on a new day whose tables autovacuum has not analysed, and after."""

    rate: float
    analysed_rate: float


@dataclass(frozen=True, slots=True)
class Herd:
    """The lateness of tasks that are all due at once, and the time that the bare loop needs for as many calls."""

    late: Lateness
    bare_ms: float


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The lateness of tasks that are due one after another, and of timers that make the calls themselves."""

    late: Lateness
    timers_late: Lateness


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs during the whole measurement."""

    engine: AsyncEngine
    redis_url: str
    target_url: str
    environment: dict[str, str]


@asynccontextmanager
async def module(
    name: str, *arguments: str, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m name` until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def bench_servers() -> AsyncIterator[Servers]:
    """Run the local stack on disk, with a migrated database, and a target. Its data is removed afterwards."""
    async with AsyncExitStack() as running:
        path = running.enter_context(data_folder(on_disk=True))
        data = await running.enter_async_context(open_data_folder(path))
        stack = await running.enter_async_context(
            local_stack(data, DuetimeSettings(data_dir=path), postgres=True, valkey=True)
        )
        assert stack.owner_url is not None
        assert stack.redis_url is not None
        environment = os.environ | {
            "DATABASE_URL": stack.owner_url,
            "REDIS_URL": stack.redis_url,
            "DUETIME_TARGETS_ALLOWED": "127.0.0.0/8",
        }
        engine = open_engine(
            DatabaseSettings(database_url=stack.owner_url).url(), pool_size=2, application_name="duetime bench"
        )
        running.push_async_callback(engine.dispose)
        await migrate(engine)
        target = await running.enter_async_context(module("tests.bench.target"))
        assert target.stdout is not None
        port = int(await target.stdout.readline())
        yield Servers(engine, stack.redis_url, f"http://127.0.0.1:{port}", environment)


class Bench:
    """The measurements, one round at a time."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def throughput(self, count: int) -> Throughput:
        """Measure `count` tasks that are due at once, from that instant until the last result is stored."""
        bare_seconds, bare_cpu = await self._bare(count)
        async with module("duetime", "worker", environment=self._servers.environment) as worker:
            await self._empty()
            due = await self._make_tasks([datetime.now(UTC) + AHEAD] * count)
            usage = psutil.Process(worker.pid)
            await asyncio.sleep((due[0] - datetime.now(UTC)).total_seconds() - 0.2)
            before = usage.cpu_times()
            seconds = (await self._all_finished(count) - due[0]).total_seconds()
            after = usage.cpu_times()
        await self._arrivals(due[0], count)
        cpu = after.user + after.system - before.user - before.system
        return Throughput(count / seconds, cpu / count * 1e6, count / bare_seconds, bare_cpu / count * 1e6)

    async def drain(self, count: int) -> float:
        """Return the runs per second of `count` tasks that are due at once, as `throughput` measures them."""
        async with module("duetime", "worker", environment=self._servers.environment):
            await self._empty()
            due = await self._make_tasks([datetime.now(UTC) + AHEAD] * count)
            seconds = (await self._all_finished(count) - due[0]).total_seconds()
        await self._arrivals(due[0], count)
        return count / seconds

    async def new_day(self, count: int, *, runs: int) -> NewDay:
        """Measure `count` tasks that are due at once, by a worker that started before the day's first `runs` runs."""
        await self._empty()
        await self._autovacuum("off")
        rates = []
        async with module("duetime", "worker", environment=self._servers.environment):
            await asyncio.sleep(AHEAD.total_seconds())
            await self._make_tasks([datetime.now(UTC) + timedelta(days=1)])
            async with self._servers.engine.begin() as connection:
                await fill(connection, runs, first=datetime.now(UTC).replace(hour=0, minute=0, second=0))
            for analysed in (False, True):
                async with self._servers.engine.begin() as connection:
                    await connection.execute(text("TRUNCATE run_events"))
                    if analysed:
                        await connection.execute(text("ANALYZE"))
                due = await self._make_tasks([datetime.now(UTC) + AHEAD] * count)
                rates.append(count / (await self._all_finished(count) - due[0]).total_seconds())
                await self._arrivals(due[0], count)
        await self._autovacuum("on")
        return NewDay(*rates)

    async def herd(self, count: int) -> Herd:
        """Measure how late each call of `count` tasks is that are due at once."""
        bare_seconds, _ = await self._bare(count)
        async with module("duetime", "worker", environment=self._servers.environment):
            await self._empty()
            due = await self._make_tasks([datetime.now(UTC) + AHEAD] * count)
            await self._all_finished(count)
        return Herd(Lateness.of(await self._arrivals(due[0], count)), bare_seconds * 1000)

    async def dispatch(self, count: int, seconds: int) -> Dispatch:
        """Measure `count` calls at equal intervals over `seconds`, first as tasks, then by timers that make them."""
        ours = await self.spread(count, seconds)
        start = datetime.now(UTC) + AHEAD
        due = [start + timedelta(seconds=seconds * n / count) for n in range(count)]
        arguments = (self._servers.target_url, str(start.timestamp()), str(count), str(seconds))
        async with module("tests.bench.timers", *arguments) as process:
            assert await process.wait() == 0
        return Dispatch(ours, Lateness.of(await self._arrivals_each(due)))

    async def spread(self, count: int, seconds: int) -> Lateness:
        """Return the lateness of `count` tasks that are due one after another, at equal intervals over `seconds`."""
        async with module("duetime", "worker", environment=self._servers.environment):
            await self._empty()
            start = datetime.now(UTC) + AHEAD
            due = await self._make_tasks([start + timedelta(seconds=seconds * n / count) for n in range(count)])
            await self._all_finished(count)
        return Lateness.of(await self._arrivals_each(due))

    async def mixed(self, count: int, seconds: int, *, hosts: int, crowded: int) -> tuple[Lateness, float]:
        """Measure `count` calls of many hosts, and `crowded` of a further one among them, all over `seconds`.

        Return the lateness of the former, and the calls per second of the latter.
        """
        async with module("duetime", "worker", environment=self._servers.environment):
            await self._empty()
            start = datetime.now(UTC) + AHEAD
            calls = sorted(
                [(seconds * n / count, f"host-{n % hosts}.example:80") for n in range(count)]
                + [(seconds * n / crowded, CROWDED_HOST) for n in range(crowded)]
            )
            due = [start + timedelta(seconds=offset) for offset, _ in calls]
            await self._make_tasks(due, hosts=[host for _, host in calls])
            await self._all_finished(count + crowded)
        late, arrived_at = [], []
        for arrived, path in await self._log():
            if calls[int(path[1:])][1] == CROWDED_HOST:
                arrived_at.append(arrived)
            else:
                late.append(arrived - due[int(path[1:])].timestamp())
        return Lateness.of(late), (crowded - 1) / (max(arrived_at) - min(arrived_at))

    async def _bare(self, count: int) -> tuple[float, float]:
        """Return the seconds and CPU seconds that the bare loop needs for `count` calls."""
        url = self._servers.target_url + "/bare"
        async with module("tests.bench.bare_loop", url, str(count), str(CONCURRENCY)) as process:
            output, _ = await process.communicate()
        took = json.loads(output)
        await self._log()
        return took["seconds"], took["cpu_seconds"]

    async def _empty(self) -> None:
        """Remove all tasks and runs. What Postgres knows about the tables goes with them."""
        async with self._servers.engine.begin() as connection:
            await connection.execute(text("TRUNCATE tasks, task_results, run_events CASCADE"))

    async def _autovacuum(self, setting: str) -> None:
        """Turn autovacuum on or off for the tables that a worker writes."""
        async with self._servers.engine.begin() as connection:
            found = await connection.execute(
                text(
                    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(tasks|run_events|task_results_)'"
                )
            )
            for table in found.scalars().all():
                await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = {setting})"))

    async def _make_tasks(self, due: list[datetime], *, hosts: Sequence[str] | None = None) -> list[datetime]:
        """Create a one-off task for each instant, which calls the path with its number.

        All calls go to the target, whatever `hosts` says that they do.
        """
        host = self._servers.target_url.removeprefix("http://")
        async with self._servers.engine.begin() as connection:
            await connection.execute(
                insert(Task),
                [
                    {
                        "id": uuid4(),
                        "name": f"task {number}",
                        "trigger_type": TriggerType.ONE_OFF,
                        "trigger_time": instant,
                        "next_run": instant,
                        "due_at": instant,
                        "method": "GET",
                        "url": f"{self._servers.target_url}/{number}",
                        "host": host if hosts is None else hosts[number],
                        "redirects": 0,
                    }
                    for number, instant in enumerate(due)
                ],
            )
        assert datetime.now(UTC) < due[0] - timedelta(seconds=1), "the tasks were made too slowly"
        return due

    async def _all_finished(self, count: int) -> datetime:
        """Wait until all runs have succeeded and are stored, and return when the last of them was."""
        deadline = asyncio.get_running_loop().time() + WITHIN.total_seconds()
        while True:
            async with self._servers.engine.connect() as connection:
                done, last = (
                    await connection.execute(text("SELECT count(*), max(at) FROM run_events WHERE type = 'succeeded'"))
                ).one()
            if done == count:
                moment: datetime = last
                return moment
            assert asyncio.get_running_loop().time() < deadline, f"only {done} of {count} runs succeeded"
            await asyncio.sleep(0.1)

    async def _log(self) -> list[tuple[float, str]]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(self._servers.target_url + "/arrivals")
        arrivals: list[tuple[float, str]] = answer.json()
        return arrivals

    async def _arrivals(self, due: datetime, count: int) -> list[float]:
        """Return how late each call was, in seconds. Fail unless each came once."""
        arrivals = await self._log()
        assert len(arrivals) == len({path for _, path in arrivals}) == count
        return [arrived - due.timestamp() for arrived, _ in arrivals]

    async def _arrivals_each(self, due: Sequence[datetime]) -> list[float]:
        """Return how late each call was by its own instant, in seconds. Fail unless each came once."""
        arrivals = await self._log()
        assert len(arrivals) == len({path for _, path in arrivals}) == len(due)
        return [arrived - due[int(path[1:])].timestamp() for arrived, path in arrivals]
