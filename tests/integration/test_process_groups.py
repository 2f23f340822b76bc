"""`duetime api --processes N` and `duetime worker --processes N`: one command, one port, several processes."""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.queue import EVENTS_CHANNEL
from tests.support import command as commands
from tests.support import forked
from tests.support.command import clean_environment, duetime_in_process
from tests.support.engine import one_off, opened, save
from tests.support.forked import ForkedProcess
from tests.support.history import append_events
from tests.support.ports import free_port
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until
from tests.support.watchers import watching

PROCESSES = 2
WITHIN = 60
SUBSCRIBERS = 12
WATCH = "subscription { runEvents { ... on RunEvent { attempt } } }"
STARTED = text("SELECT count(DISTINCT worker_id) FROM task_results WHERE state = 'running'")
UNFINISHED = text("SELECT count(*) FROM tasks WHERE status <> 'completed'")


@pytest.fixture
def measured(measured_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the commands, since this process only watches them."""
    for name, value in measured_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(commands, "KEPT", (*commands.KEPT, *measured_environment))


class Group:
    """A running command with several processes."""

    def __init__(self, process: "ForkedProcess | subprocess.Popen[bytes]", log: Path, port: int) -> None:
        self.process = process
        self.log = log
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def children(self) -> list[psutil.Process]:
        """Return the processes that do the work."""
        return psutil.Process(self.process.pid).children()

    def lines(self, action: str) -> list[str]:
        """Return the lines of the log with an action."""
        return [line for line in self.log.read_text().splitlines() if f"action={action}" in line.split()]

    def end(self) -> int:
        """Ask it to stop, and return its exit status, once none of its processes is left."""
        children = self.children
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WITHIN)
        assert not any(child.is_running() for child in children)
        return status


@asynccontextmanager
async def running(
    command: str, database: DatabaseSettings, redis_url: str, folder: Path, **settings: str
) -> AsyncIterator[Group]:
    """Run several processes of a command, with further settings, until the block ends."""
    port, log = free_port(), folder / "log"
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "PORT": str(port), **settings}
    with log.open("wb") as output:
        process = forked.start(
            *(command, "--processes", str(PROCESSES)),
            environment=clean_environment(environment),
            cwd=folder,
            output=output,
        )
    group = Group(process, log, port)
    try:
        await wait_until(lambda: len(group.children) == PROCESSES, what="both processes run", within=WITHIN)
        yield group
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(WITHIN)


async def status_of(group: Group) -> int | None:
    """Return the status of a request on a connection of its own, or None without a response."""
    async with httpx.AsyncClient(verify=False, timeout=10) as http:
        try:
            return (await http.get(f"{group.url}/health/live")).status_code
        except httpx.TransportError:
            return None


async def connections(group: Group) -> Counter[int]:
    """Return how many connections of clients each process has accepted."""
    return Counter(
        child.pid
        for child in group.children
        for connection in child.net_connections("tcp")
        if connection.laddr.port == group.port and connection.status == psutil.CONN_ESTABLISHED
    )


async def ready(group: Group) -> None:
    """Wait until each process has accepted a connection."""
    async with AsyncExitStack() as opened_connections:

        async def both() -> bool:
            for _ in range(4):
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", group.port)
                except OSError:
                    return False
                opened_connections.callback(writer.close)
            return len(await connections(group)) == PROCESSES

        await wait_until(both, what="both processes accept connections", within=WITHIN)


@pytest.mark.usefixtures("measured")
async def test_api_processes(database: DatabaseSettings, redis_url: str, tmp_path: Path) -> None:
    """They serve subscribers and requests together, are replaced when they are killed, and stop together."""
    async with running("api", database, redis_url, tmp_path) as group:
        await ready(group)
        await subscribers_of_every_process_receive_each_event(group, database, redis_url)
        await requests_go_on_while_a_process_is_killed_and_replaced(group)
        await a_stopping_group_finishes_its_requests(group)
        assert await status_of(group) is None


async def requests_go_on_while_a_process_is_killed_and_replaced(group: Group) -> None:
    """At most the request that the killed process was answering is lost. The log has one line."""
    killed = group.children[0]
    killed.kill()
    statuses = [await status_of(group) for _ in range(40)]
    assert statuses.count(200) >= 39
    await wait_until(
        lambda: len(group.children) == PROCESSES and killed not in group.children,
        what="it is replaced",
        within=WITHIN,
    )
    await ready(group)
    [line] = group.lines("process_ended")
    assert "program=api-1 status=-9" in line


async def a_stopping_group_finishes_its_requests(group: Group) -> None:
    """A request whose body is still on its way when the group is stopped gets its response. No process is left."""
    children = group.children
    body = json.dumps({"query": "{ __typename }"}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    streams = [await asyncio.open_connection("127.0.0.1", group.port) for _ in range(10)]
    for _, writer in streams:
        writer.write(f"{head}\r\n\r\n".encode() + body[:5])

    async def all_accepted() -> bool:
        return (await connections(group)).total() >= len(streams)

    await wait_until(all_accepted, what="all requests have begun", within=WITHIN)
    group.process.send_signal(signal.SIGTERM)
    await wait_until(lambda: group.lines("stopping") != [], what="it stops", within=WITHIN)
    for reader, writer in streams:
        writer.write(body[5:])
        answer = await asyncio.wait_for(reader.read(), WITHIN)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        writer.close()
    assert group.process.wait(WITHIN) == 0
    assert not any(child.is_running() for child in children)


async def subscribers_of_every_process_receive_each_event(
    group: Group, database: DatabaseSettings, redis_url: str
) -> None:
    """Whichever process a subscriber is connected to, it receives all events, once and in their order."""
    async with watching(group.port, SUBSCRIBERS) as watchers, opened(database) as engine:
        assert len(await connections(group)) == PROCESSES
        for watcher in watchers:
            watcher.send({"type": "connection_init"})
        await wait_until(lambda: all(w.frames == 1 for w in watchers), what="all are accepted", within=WITHIN)
        for watcher in watchers:
            watcher.send({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        async with Redis.from_url(redis_url) as redis:

            async def send(number: int) -> None:
                await append_events(engine, number, task_id=uuid4(), run_id=uuid4())
                await redis.publish(EVENTS_CHANNEL, b"")

            async def all_subscribed() -> bool:
                await send(1)
                return all(watcher.frames > 1 for watcher in watchers)

            await wait_until(all_subscribed, what="all subscriptions stand", within=WITHIN)
            await send(50)
        last = b'{"attempt":50}'
        await wait_until(lambda: all(last in w.texts[-1] for w in watchers), what="all have all", within=WITHIN)
        for watcher in watchers:
            attempts = [json.loads(each)["payload"]["data"]["runEvents"]["attempt"] for each in watcher.texts[-50:]]
            assert attempts == list(range(1, 51))


@pytest.mark.usefixtures("measured")
async def test_no_run_is_lost_or_doubled_when_a_worker_process_is_killed(
    database: DatabaseSettings, redis_url: str, tmp_path: Path, target: Target
) -> None:
    """The other process makes the calls of the killed one again, under the same key, and a new one joins it.

    Either process has slots for half of the calls that are due at the same time.
    """
    async with (
        running("worker", database, redis_url, tmp_path, DUETIME_SLOTS="5") as group,
        opened(database) as engine,
    ):
        count = text("SELECT count(*) FROM workers")

        async def number(statement: object) -> int:
            async with engine.connect() as connection:
                found: int = (await connection.execute(statement)).scalar_one()  # type: ignore[call-overload]
                return found

        async def both_live() -> bool:
            return await number(count) == PROCESSES

        await wait_until(both_live, what="both workers have a lease", within=WITHIN)
        due = utc_now() + timedelta(seconds=1)
        slow = CannedResponse(delay=timedelta(seconds=0.5))
        urls = [target.responds(f"/{n}", slow) for n in range(40)]
        step = timedelta(milliseconds=50)
        await save(engine, *(one_off(url, due + n * step, name=url) for n, url in enumerate(urls)))

        async def both_work() -> bool:
            return await number(STARTED) == PROCESSES

        await wait_until(both_work, what="both workers make calls", within=WITHIN)
        group.children[0].kill()

        async def all_done() -> bool:
            return await number(UNFINISHED) == 0

        await wait_until(all_done, what="all tasks are completed", within=WITHIN)
        async with engine.connect() as connection:
            rows = (await connection.execute(text("SELECT id, task_id, state FROM task_results"))).all()
        assert Counter(row.state for row in rows) == {"succeeded": len(urls)}
        assert len({row.task_id for row in rows}) == len(urls)
        for n in range(len(urls)):
            keys = {call.headers["idempotency-key"] for call in target.calls_of(f"/{n}")}
            assert len(keys) == 1, keys
        assert len(group.lines("process_ended")) == 1
        assert group.end() == 0


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_wrong_number_of_processes_is_refused(command: str, tmp_path: Path) -> None:
    """The error says which numbers would be right, for the option and for the setting."""
    for number in ("0", "65", "٣"):
        refused = duetime_in_process(command, "--processes", number, cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-1].endswith(f"{number!r} must be a whole number from 1 to 64")
    variable = f"DUETIME_{command.upper()}_PROCESSES"
    refused = duetime_in_process(command, cwd=tmp_path, environment={variable: "0"})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"duetime: {variable}=0: must be a whole number from 1 to 64")
    assert refused.stderr.count("\n") == 1


def test_a_group_that_cannot_start_says_so_once(tmp_path: Path) -> None:
    """What is wrong with the settings or the servers is one line, as for one process."""
    environment = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "DUETIME_WAIT_SECONDS": "0"}
    for command in ("api", "worker"):
        settings = environment | {"REDIS_URL": "redis://127.0.0.1:1", "PORT": str(free_port())}
        refused = duetime_in_process(command, "--processes", "3", cwd=tmp_path, environment=settings)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("duetime: ")
        assert refused.stderr.count("duetime: ") == 1
