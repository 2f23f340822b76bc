"""The watchdog of the embedded servers, and how they are started under it."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
import pytest_asyncio

from duetime.errors import CannotStart
from duetime.local_stack import watchdog
from duetime.local_stack.guarded_server import GuardedServer, start_guarded_server, wait_for_server

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUNS = "echo > READY; while :; do sleep 0.02; done"
"""Says that it is ready, which READY stands for, and runs until it is stopped."""


@pytest.fixture
def signals_restored() -> Iterator[None]:
    """Undo at the end what the watchdog changes for its process."""
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


@pytest.mark.usefixtures("signals_restored")
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("echo > READY; exit 3", 3),
        ("echo > READY; kill -KILL $$", 128 + signal.SIGKILL),
        (f"trap 'exit 7' INT; {RUNS}", 7),
        (f"trap '' INT; trap 'exit 8' TERM; {RUNS}", 8),
        (f"trap '' INT TERM; {RUNS}", 128 + signal.SIGKILL),
    ],
    ids=["ends", "is killed", "stops", "needs another signal", "ignores all signals"],
)
def test_a_server_is_stopped_at_the_end_of_the_pipe(
    script: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signals follow one another until the server has ended. The watchdog ends with its status."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    read_end, write_end = os.pipe()
    configuration = {
        "command": ["/bin/sh", "-c", script.replace("READY", str(ready))],
        "pipe": read_end,
        "inherited": [],
        "stop": [["SIGINT", 0.2], ["SIGTERM", 0.2]],
        "user": None,
        "group": None,
    }
    monkeypatch.setattr(sys, "argv", ["watchdog.py", json.dumps(configuration)])

    def end_when_ready() -> None:
        ready.read_text()
        if RUNS in script:
            os.write(write_end, b"what is written there means nothing")
            os.close(write_end)

    owner = Thread(target=end_when_ready)
    owner.start()
    assert watchdog.main() == status
    owner.join()
    if RUNS not in script:
        os.close(write_end)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[GuardedServer]:
    """Run a server that is never ready, under the watchdog."""
    with (tmp_path / "lock").open("wb") as lock:
        server = await start_guarded_server(
            ["/bin/sh", "-c", "read word; echo $word; sleep 60 & wait"],
            stop=[("SIGTERM", 5)],
            user=None,
            log=tmp_path / "log",
            lock=lock.fileno(),
            stdin="hello\n",
        )
        try:
            yield server
        finally:
            server.kill()
            server.kill()
            await server.wait()


async def test_a_server_is_stopped_without_waiting(running: GuardedServer) -> None:
    """It has ended a little later."""
    running.kill()
    assert await running.wait() == 128 + signal.SIGTERM


async def test_a_server_that_is_not_ready_in_time_is_stopped(running: GuardedServer, tmp_path: Path) -> None:
    """The error names the log. The server has received what was written to it."""

    async def said() -> bool:
        return (tmp_path / "log").read_text() == "hello\n"

    await wait_for_server(running, said, within=timedelta(seconds=10), name="it", log=tmp_path / "log")

    async def never() -> bool:
        return False

    with pytest.raises(CannotStart, match=r"^it was not ready within 0 s; see the end of .*log$"):
        await wait_for_server(running, never, within=timedelta(milliseconds=50), name="it", log=tmp_path / "log")
    assert running.process.returncode is not None


async def test_a_server_that_ends_while_it_is_waited_for(running: GuardedServer, tmp_path: Path) -> None:
    """Its status is told. Whatever goes wrong while the server is waited for, it is stopped."""

    async def fails() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        await wait_for_server(running, fails, within=timedelta(seconds=10), name="it", log=tmp_path / "log")
    status = running.process.returncode

    async def never() -> bool:
        return False

    with pytest.raises(CannotStart, match=f"^it ended during startup with status {status}; see the end of"):
        await wait_for_server(running, never, within=timedelta(seconds=10), name="it", log=tmp_path / "log")


async def test_a_watchdog_that_cannot_start_leaves_no_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends of its pipe are closed."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    ends: list[int] = []

    def noted_pipe() -> tuple[int, int]:
        ends.extend(pipe := os_pipe())
        return pipe

    os_pipe = os.pipe
    monkeypatch.setattr(os, "pipe", noted_pipe)
    with (tmp_path / "lock").open("wb") as lock, pytest.raises(FileNotFoundError):
        await start_guarded_server(["x"], stop=[], user=None, log=tmp_path / "log", lock=lock.fileno())
    for end in ends[:2]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
