"""Measures what idle processes cost, how soon a second start is ready, what an installation downloads, and what another
API process adds.
"""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import httpx
import psutil

from tests.bench.line import Line, median
from tests.bench.rounds import Servers, module
from tests.bench.subscribers import answers, free_port
from tests.support.command import duetime_up
from tests.support.rest import CRON
from tests.support.servers import data_folder

IDLE_SECONDS = 20
SETTLES_SECONDS = 5
CREATED = 1_000
CLIENTS = 20
WARM_UP = 10
ROUNDS = 3
REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
MAX_MEGABYTES = 60
CORES = 4
"""With fewer, clients and Postgres have the cores that a second process would use."""


async def idle_lines(servers: Servers) -> list[Line]:
    """Return the lines for an API and a worker that have nothing to do: their CPU time, as a share of a core, and how
    often they wake up.

    On a virtual machine, a wake-up can take several times as long in one hour as in another. The poll, which runs at
    the same time, shows that.
    """
    port = free_port()
    async with AsyncExitStack() as running:
        environment = servers.environment | {"PORT": str(port)}
        postgres = environment["DATABASE_URL"].replace("+asyncpg", "")
        poll = await running.enter_async_context(
            module("tests.bench.bare_poll", postgres, environment["REDIS_URL"], environment=environment)
        )
        pids = [
            (await running.enter_async_context(module("duetime", command, environment=environment))).pid
            for command in ("api", "worker")
        ]
        await answers(port)
        await asyncio.sleep(SETTLES_SECONDS)
        before, bare_before = Usage.of(pids), Usage.of([poll.pid])
        await asyncio.sleep(IDLE_SECONDS)
        ours, bare = Usage.of(pids).since(before), Usage.of([poll.pid]).since(bare_before)
    polled = "a process that asks Postgres and Redis once a second"
    return [
        Line(
            "CPU of an idle API and worker",
            f"{ours.cpu_seconds:.2%}",
            f"{bare.cpu_seconds:.2%} ({polled})",
            100 * ours.cpu_seconds,
            "at most 2",
            unit=" % of a core",
        ),
        Line(
            "wake-ups of an idle API and worker",
            f"{ours.wake_ups:.0f}/s",
            f"{bare.wake_ups:.0f}/s ({polled})",
            ours.wake_ups / bare.wake_ups,
            "",
        ),
    ]


class Usage(NamedTuple):
    """The CPU seconds that processes have used, and how often they gave a core away and got it back; or each of these
    by the second.
    """

    cpu_seconds: float
    wake_ups: float

    @classmethod
    def of(cls, pids: list[int]) -> Self:
        """Return what the processes have used since they began."""
        processes = [psutil.Process(pid) for pid in pids]
        times = [process.cpu_times() for process in processes]
        return cls(
            sum(each.user + each.system for each in times),
            sum(process.num_ctx_switches().voluntary for process in processes),
        )

    def since(self, earlier: Self) -> "Usage":
        """Return what was used since an earlier reading, by the second."""
        return Usage(*((now - then) / IDLE_SECONDS for now, then in zip(self, earlier, strict=True)))


async def start_lines(_servers: Servers) -> list[Line]:
    """Return the lines for a start of `duetime up`, which `make run` runs, on an existing data folder, and for what the
    first installation downloads.
    """
    with data_folder(on_disk=True) as data:
        seconds = [await asyncio.to_thread(start, data) for _ in range(2)]
    fresh, warm = seconds
    megabytes = await asyncio.to_thread(downloaded_megabytes)
    return [
        Line("`make run`, started again", f"{warm:.1f} s", f"{fresh:.1f} s (the first start)", warm, "at most 3"),
        Line(
            "packages that an installation downloads, without those that build the pages",
            f"{megabytes:.0f} MB",
            f"{MAX_MEGABYTES} MB (what is allowed)",
            megabytes / MAX_MEGABYTES,
            "at most 1",
        ),
    ]


def downloaded_megabytes() -> float:
    """Return the size of the packages in requirements.txt, for this machine."""
    with TemporaryDirectory() as folder:
        options: list[str | Path] = ["--no-deps", "--require-hashes", "--requirement", REQUIREMENTS, "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "--quiet", "download", *options], check=True)
        return sum(package.stat().st_size for package in Path(folder).iterdir()) / 1e6


def start(data: Path) -> float:
    """Return how many seconds `duetime up` takes until it is ready."""
    begun = time.perf_counter()
    with duetime_up(data):
        return time.perf_counter() - begun


async def process_lines(servers: Servers) -> list[Line]:
    """Return the line for tasks that two API processes create, against one."""
    cores = os.cpu_count() or 1
    rates = [[await creations(servers, processes) for processes in (1, 2)] for _ in range(ROUNDS)]
    one, two = (median(rate) for rate in zip(*rates, strict=True))
    return [
        Line(
            f"tasks created per second by two API processes, on {cores} cores",
            f"{two:,.0f}/s",
            f"{one:,.0f}/s (one process)",
            median(pair[1] / pair[0] for pair in rates),
            "at least 1.7" if cores >= CORES else "",
        )
    ]


async def creations(servers: Servers, processes: int) -> float:
    """Return how many tasks so many API processes create in a second."""
    port = free_port()
    environment = servers.environment | {"PORT": str(port)}
    async with (
        module("duetime", "api", "--processes", str(processes), environment=environment),
        AsyncExitStack() as clients,
    ):
        await answers(port)
        https = [
            await clients.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
            for _ in range(CLIENTS)
        ]

        async def create(http: httpx.AsyncClient, count: int) -> None:
            for _ in range(count):
                answer = await http.post("/api/v1/tasks", json=CRON)
                assert answer.status_code == 201, answer.text

        await asyncio.gather(*(create(http, WARM_UP) for http in https))
        begun = time.perf_counter()
        await asyncio.gather(*(create(http, CREATED // CLIENTS) for http in https))
        return CREATED / (time.perf_counter() - begun)
