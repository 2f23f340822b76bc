"""`duetime runs watch`: every change of a run once, also over a connection that breaks."""

import asyncio
import json
import signal
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from db.settings import DatabaseSettings
from graphql_api import cursors
from jobs.settings import JobsSettings
from tests.commands.conftest import Service
from tests.support.command import ENDS_WITHIN, duetime_in_process, duetime_started
from tests.support.engine import opened
from tests.support.graphql import serving
from tests.support.history import append_events
from tests.support.proxy import running_proxy
from tests.support.waiting import wait_until


class Watching:
    """A running `duetime runs watch --json`, and what it has printed."""

    def __init__(self, service: Service, url: str, *arguments: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        self.process = service.started("runs", "watch", "--json", *arguments, DUETIME_URL=url)
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

    def has_ended(self, run_id: str) -> bool:
        """Say whether the command has printed how the run ended."""
        return any(event["runId"] == run_id and event["type"] == "SUCCEEDED" for event in self.events)

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

    async def ran() -> str:
        """Run the task, and return the run's id after the run has ended."""
        [run] = json.loads(await asyncio.to_thread(service.output, "tasks", "run", "watched", "--wait", "--json"))
        return str(run["id"])

    async with running_proxy(int(service.url.rsplit(":", 1)[1])) as proxy:
        watching = Watching(service, f"http://127.0.0.1:{proxy.port}", "--task", "watched")
        try:
            # The command subscribes after it has found the task and the newest cursor, which may be amid a run.
            while not watching.events:
                await ran()
            run_ids = [await ran()]
            await wait_until(lambda: watching.has_ended(run_ids[-1]), what="the command prints what happens")
            proxy.stall()
            proxy.cut()
            await wait_until(lambda: "trying again in" in watching.errors, what="the connection is lost")
            run_ids.append(await ran())
            proxy.flow()
            await wait_until(lambda: watching.has_ended(run_ids[-1]), what="the stream goes on")
        finally:
            status = watching.stop()
    assert status == 130
    cursors = [event["cursor"] for event in watching.events]
    assert len(set(cursors)) == len(cursors)
    told = [(event["runId"], event["type"]) for event in watching.events]
    expected = [(run_id, kind) for run_id in run_ids for kind in ("STARTED", "SUCCEEDED")]
    assert told[-len(expected) :] == expected
    assert watching.events[-1]["run"]["task"]["externalId"] == "watched"
    assert watching.errors.count("\n") == watching.errors.count("trying again in")


def test_a_cursor_of_something_else_is_refused(service: Service) -> None:
    """The command does not try again, because that would not help."""
    result = service.run("runs", "watch", "--after", "nonsense")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "The cursor cannot be used" in result.stderr


async def test_a_gap_is_told_where_events_were_removed(
    database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """It is an object of its own in JSON, and goes to stderr beside the lines for people."""
    task_id, run_id = uuid4(), uuid4()
    async with opened(database) as engine:
        await append_events(engine, 10, task_id=task_id, run_id=run_id)
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM run_events WHERE seq <= 5"))
    watch = ("runs", "watch", "--after", cursors.of_event(0), "--limit")
    # An API that has just started has nothing in memory.
    async with serving(database, jobs_settings) as api:
        environment = {"DUETIME_URL": api.url, "XDG_CONFIG_HOME": str(tmp_path)}
        told = await asyncio.to_thread(duetime_in_process, *watch, "1", cwd=tmp_path, environment=environment)
        with duetime_started(*watch, "2", "--json", cwd=tmp_path, environment=environment) as process:
            assert process.stdout is not None
            gap = json.loads(await asyncio.to_thread(process.stdout.readline))
            await append_events(api.engine, 1, task_id=task_id, run_id=run_id)
            await api.services.queue.poke()
            [event] = map(json.loads, await asyncio.to_thread(process.stdout.readlines))
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == "duetime: The events after this cursor are no longer kept; read the present state\n"
    assert (gap["__typename"], gap["message"]) == ("RunEventsGap", told.stderr[len("duetime: ") : -1])
    assert (event["__typename"], event["taskId"]) == ("RunEvent", str(task_id))
    assert process.returncode == 0
