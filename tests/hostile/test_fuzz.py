"""Random documents, requests and WebSockets, against one API process that requires no keys.

The seed is printed. `make fuzz SECONDS=600 SEED=7` runs it for longer, or once more.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom

import httpx
import psutil
import pytest

from db.settings import DatabaseSettings
from tests.support.engine import every, opened, save
from tests.support.fuzz import KNOWN, Fuzzer
from tests.support.history import HOUR, ago, run_of
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.waiting import wait_until

SECONDS = int(os.environ.get("DUETIME_TEST_FUZZ_SECONDS") or 15)
SEED = int(os.environ.get("DUETIME_TEST_FUZZ_SEED") or SystemRandom().randrange(1_000_000))
CLIENTS = 6
STARTS_WITHIN = 60
ANSWERS_WITHIN = 1
"""Seconds after which a client goes away without an answer. What is cut off gets none."""
IDLE = 0.1
"""Seconds without a further byte after which a client goes away: a subscription has no end."""
AT_MOST = 2**20
"""Bytes that a client reads at most."""
LIVE_WITHIN = 0.5
"""Seconds of the process's CPU within which it says that it is alive, so that other programs make no difference."""
LIVE_WITHIN_AT_ALL = 15
GROWTH = 200 * 2**20
"""Bytes by which the process may grow."""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
INTERNAL = re.compile(rb'"code": ?"INTERNAL"|HTTP/1\.1 500 ')


@pytest.fixture
async def process(
    database: DatabaseSettings, redis_url: str, tmp_path: Path
) -> AsyncIterator[tuple[ServiceProcess, int]]:
    """Run an API in a process of its own, and return it with its port."""
    port = free_port()
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "PORT": str(port)}
    part = ServiceProcess("api", environment=environment, cwd=tmp_path, name="api")
    tasks = [every("http://127.0.0.1:1/", HOUR, ago(-1), id=known) for known in KNOWN]
    runs = [run_of(task, scheduled_for=ago(hours)) for task in tasks for hours in range(3)]
    async with opened(database) as engine:
        await save(engine, *tasks)
        await save(engine, *runs)
    part.start()

    async def is_up() -> bool:
        assert part.alive, part.log_tail()
        with suppress(OSError):
            return b" 200 " in await answer(
                port, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
        return False

    try:
        await wait_until(is_up, what="the API is up", within=STARTS_WITHIN)
        yield part, port
    finally:
        if part.alive:
            await part.stop()


async def answer(port: int, *sent: bytes) -> bytes:
    """Send bytes one after another, and return what comes until the server closes the connection or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        for data in sent:
            writer.write(data)
            with suppress(TimeoutError):
                # The server closes the connection when it has read enough, and the rest finds nobody.
                async with asyncio.timeout(ANSWERS_WITHIN):
                    received += await reader.read(AT_MOST)
        while len(received) < AT_MOST:
            async with asyncio.timeout(IDLE):
                data = await reader.read(AT_MOST)
            if not data:
                break
            received += data
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return received


async def fuzz(port: int, fuzzer: Fuzzer, *, until: float) -> int:
    """Be one client after another until the time is over, and return how many."""
    clients = 0
    while time.monotonic() < until:
        sent = (fuzzer.request(),) if fuzzer.chance(0.6) else (fuzzer.handshake(), fuzzer.frames())
        received = await answer(port, *sent)
        assert not INTERNAL.search(received), f"sent: {b''.join(sent)!r}\nreceived: {received!r}"
        clients += 1
    return clients


async def watch(part: ServiceProcess, port: int, *, until: float) -> None:
    """Ask all the time whether the process is alive. Fail when it is not, or too slow twice in a row, or too large."""
    process, slow, first = psutil.Process(part.pid), 0, part.memory
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LIVE_WITHIN_AT_ALL, verify=False) as http:
        while time.monotonic() < until:
            before = sum(process.cpu_times()[:2])
            assert (await http.get("/health/live")).status_code == 200
            used = sum(process.cpu_times()[:2]) - before
            slow = slow + 1 if used > LIVE_WITHIN else 0
            assert slow < 2, f"/health/live took {used:.2f} s of CPU"
            assert part.memory - first < GROWTH
            await asyncio.sleep(0.1)


@pytest.mark.timeout(SECONDS + 120)
async def test_whatever_clients_send(process: tuple[ServiceProcess, int], capsys: pytest.CaptureFixture[str]) -> None:
    """The process lives, stays responsive and small, and never answers with an internal error."""
    part, port = process

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"  {line}")  # noqa: T201 (the seed must be known even if the run hangs or is ended)

    tell(f"\n  random clients for {SECONDS} s: make fuzz SECONDS={SECONDS} SEED={SEED}")
    until = time.monotonic() + SECONDS
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(part, port, until=until))
            fuzzing = [
                group.create_task(fuzz(port, Fuzzer(Random(f"{SEED} {number}")), until=until))
                for number in range(CLIENTS)
            ]
        tell(f"{sum(task.result() for task in fuzzing)} clients")
        assert part.alive, part.log_tail()
        assert not (found := part.tracebacks()), found[0]
    except BaseException:
        tell(f"it was SEED={SEED}")
        raise
