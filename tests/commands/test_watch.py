"""`duetime runs watch`: every change of a run once, also over a connection that breaks."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from duetime.client.commands.runs import print_event
from tests.commands.conftest import Service
from tests.support.command import ENDS_WITHIN, clean_environment
from tests.support.proxy import running_proxy
from tests.support.waiting import wait_until


@contextmanager
def interrupts_handled() -> Iterator[None]:
    """Do not ignore interrupts until the block ends, as tests in the background do, whose processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Watching:
    """A running `duetime runs watch --json`, and what it has printed."""

    def __init__(self, service: Service, url: str, *arguments: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        with interrupts_handled():
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "duetime", "runs", "watch", "--json", *arguments],
                env=clean_environment(service.environment(DUETIME_URL=url)),
                cwd=service.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        self.readers = [threading.Thread(target=read) for read in (self.read, self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read(self) -> None:
        """Keep what the command prints."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.events.append(json.loads(line))

    def read_errors(self) -> None:
        """Keep what the command says on stderr."""
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.errors += line

    def stop(self) -> int:
        """End the command as Ctrl-C does, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(ENDS_WITHIN)
        for reader in self.readers:
            reader.join()
        return status


async def test_a_broken_connection_is_resumed_without_a_gap(service: Service) -> None:
    """What happened while there was no connection comes first, nothing comes twice, and Ctrl-C ends the command."""
    create = ("tasks", "create", "--name", "Watched", "--url", service.target, "--every", "24h")
    await asyncio.to_thread(service.output, *create, "--external-id", "watched")
    run = ("tasks", "run", "watched", "--wait")
    async with running_proxy(int(service.url.rsplit(":", 1)[1])) as proxy:
        watching = Watching(service, f"http://127.0.0.1:{proxy.port}", "--task", "watched")
        try:
            # The command subscribes after it has found the task and the newest cursor.
            while len(watching.events) < 2:
                await asyncio.to_thread(service.output, *run)
            proxy.stall()
            proxy.cut()
            await wait_until(lambda: "trying again in" in watching.errors, what="the connection is lost")
            before = len(watching.events)
            await asyncio.to_thread(service.output, *run)
            proxy.flow()
            await wait_until(lambda: len(watching.events) >= before + 2, what="the stream goes on")
        finally:
            status = watching.stop()
    assert status == 130
    types = [event["type"] for event in watching.events]
    cursors = [event["cursor"] for event in watching.events]
    assert len(set(cursors)) == len(cursors)
    assert types == ["STARTED", "SUCCEEDED"] * (len(types) // 2)
    assert watching.events[-1]["run"]["task"]["externalId"] == "watched"
    assert watching.errors.count("\n") == watching.errors.count("trying again in")


def test_a_cursor_of_something_else_is_refused(service: Service) -> None:
    """The command does not try again, because that would not help."""
    result = service.run("runs", "watch", "--after", "nonsense")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "The cursor cannot be used" in result.stderr


def test_a_gap_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no change of a run, so it is not among the lines of those."""
    print_event({"__typename": "RunEventsGap", "cursor": "c", "message": "Events are missing here"})
    assert capsys.readouterr() == ("", "duetime: Events are missing here\n")
