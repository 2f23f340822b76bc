"""What anyone who can reach the port can cause without a key, and what they cannot."""

import asyncio
import logging
import re
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from websockets.exceptions import InvalidStatus

from db.settings import DatabaseSettings
from db.states import KeyScope
from duetime.logs import LIMITED, MOST, LineFormatter, RepetitionLimit, log_ignored
from graphql_api.middleware import api_keys
from graphql_api.middleware.api_keys import FAILURES
from graphql_api.settings import ApiSettings
from jobs.security.api_keys import PREFIX, RANDOM_BYTES
from jobs.settings import JobsSettings
from tests.support.engine import every, save
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago
from tests.support.keys import bearer, guarded, make_key
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.rest import CRON, error
from tests.support.waiting import wait_for, wait_until

MANY = 60
STARTS_WITHIN = 60
UPGRADE = b"GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
HANDSHAKE = (
    UPGRADE + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
NONSENSE = {
    "no HTTP": b"\x16\x03\x01\r\n\r\n",
    "an unknown upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
    "half a handshake": UPGRADE + b"\r\n",
    "no text": HANDSHAKE + b"\x81\x81\0\0\0\0\xff",
    "an unknown frame": HANDSHAKE + b"\x83\x80\0\0\0\0",
    "two messages that are no JSON": HANDSHAKE + b"\x81\x81\0\0\0\0a" * 2,
    "two messages after one end": HANDSHAKE + b"\x81\x82\0\0\0\0{}" * 2,
    "a binary message": HANDSHAKE + b"\x82\x80\0\0\0\0",
}


@pytest.fixture
async def process(
    database: DatabaseSettings, redis_url: str, tmp_path: Path
) -> AsyncIterator[tuple[ServiceProcess, str]]:
    """Run an API that requires keys in a process of its own, with its address."""
    port = free_port()
    environment = {
        "DATABASE_URL": str(database.database_url),
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DUETIME_AUTH": "keys",
    }
    part = ServiceProcess("api", environment=environment, cwd=tmp_path, name="api")
    url = f"http://127.0.0.1:{port}"
    part.start()
    try:
        async with httpx.AsyncClient(base_url=url, verify=False) as http:

            async def is_up() -> bool:
                assert part.alive, part.log_tail()
                try:
                    return (await http.get("/health/live")).status_code == 200
                except httpx.TransportError:
                    return False

            await wait_until(is_up, what="the API is up", within=STARTS_WITHIN)
        yield part, url
    finally:
        if part.alive:
            await part.stop()


@pytest.fixture
async def guarded_api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that requires keys."""
    async with guarded(database, jobs_settings) as running:
        yield running


async def send(url: str, request: bytes) -> None:
    """Send a request, or frames after a handshake, and wait for the answer."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            if request.startswith(HANDSHAKE):
                writer.write(HANDSHAKE)
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(request.removeprefix(HANDSHAKE))
            assert await reader.read(2**16)
    finally:
        writer.transport.abort()


async def test_nonsense_writes_few_lines(process: tuple[ServiceProcess, str]) -> None:
    """However often the same nonsense comes, the log has a few lines about it, and how many more there were."""
    part, url = process
    for sent in NONSENSE.values():
        await asyncio.gather(*(send(url, sent) for _ in range(MANY)))
    async with httpx.AsyncClient(base_url=url, verify=False) as http:
        answers = [http.get("/api/v1/tasks", headers=bearer(wrong_key())) for _ in range(MANY)]
        assert {answer.status_code for answer in await asyncio.gather(*answers)} <= {401, 429}
    await part.stop()
    log = part.log.read_text()
    assert len([line for line in log.splitlines() if "action=key_refused" in line]) == MOST
    left_out = {
        found["like"]: int(found["count"])
        for found in re.finditer(r'action=lines_left_out count=(?P<count>\d+) .*like="(?P<like>[^"]+)"', log)
    }
    assert left_out == dict.fromkeys(
        ("A key was refused.", "Invalid HTTP request received.", "Unsupported upgrade request."), MANY - MOST
    )
    assert "Traceback" not in log
    assert len(log.splitlines()) < 5 * MOST


def test_lines_that_are_limited() -> None:
    """The limit holds for each place in the code of what clients cause, but not for what a response refers to."""
    limit = RepetitionLimit(most=2, within=timedelta(milliseconds=200))
    written: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        """Keeps what it would write."""

        def emit(self, record: logging.LogRecord) -> None:
            written.append(record)

    handler = Handler()
    handler.addFilter(limit)
    root, of_clients = logging.getLogger(), logging.getLogger("graphql_api.somewhere")
    root.addHandler(handler)
    try:
        for number in range(5):
            of_clients.warning("first %s", number)
            of_clients.warning("second", extra={"id": number})
            logging.getLogger("jobs.somewhere").warning("third")
        wait_for(lambda: any("left out" in record.msg for record in written), what="the rest is counted")
        of_clients.warning("first")
    finally:
        root.removeHandler(handler)
    counts = Counter(record.msg for record in written)
    [rest] = [record for record in written if record.msg.startswith("More lines")]
    assert (counts["first %s"], counts["second"], counts["third"], counts["first"]) == (2, 5, 5, 1)
    assert vars(rest)["count"] == 3
    assert vars(rest)["like"] == "first 4"


def test_exceptions_that_python_ignores(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are lines of the log like others, and limited like those."""

    class Failing:
        """Fails when nobody uses it any more."""

        def __del__(self) -> None:
            raise KeyError("x")

    monkeypatch.setattr(sys, "unraisablehook", log_ignored)
    Failing()
    [record] = caplog.records
    line = LineFormatter("api").format(record)
    assert "ERROR   api: Python has ignored an exception. action=exception_ignored error=KeyError('x')" in line
    assert record.name.partition(".")[0] in LIMITED


async def test_wrong_keys_lock_nobody_out(guarded_api: Api) -> None:
    """However many keys of an address are wrong, a key that nobody has used before is let in from there."""
    answers = await asyncio.gather(*(tasks(guarded_api, wrong_key()) for _ in range(3 * FAILURES)))
    assert Counter(answer.status_code for answer in answers)[429] >= FAILURES
    token = await make_key(guarded_api.engine, "new")
    assert (await tasks(guarded_api, token)).status_code == 200
    async with guarded_api.socket(begun=False) as client:
        await client.send({"type": "connection_init", "payload": bearer(token)})
        assert await client.receive() == {"type": "connection_ack"}
    refused = await tasks(guarded_api, wrong_key())
    assert error(refused, 429).startswith("Too many keys from 127.0.0.1 were refused; try again in")
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_wrong_keys_are_bounded_work_for_the_database(guarded_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are looked up together, on one connection; meanwhile a valid key gets in."""
    monkeypatch.setattr(api_keys, "DELAY", timedelta())
    token = await make_key(guarded_api.engine, "good")
    with database_work(guarded_api) as work:
        flood = asyncio.gather(*(tasks(guarded_api, wrong_key()) for _ in range(200)))
        assert (await tasks(guarded_api, token)).status_code == 200
        answers = await flood
    assert {answer.status_code for answer in answers} == {401, 429}
    # The others are for the tasks, for events, and for what the API does at intervals.
    assert work.most_connections <= 8
    assert work.statements < 40


async def test_what_cannot_be_a_key_is_no_work_for_the_database(guarded_api: Api) -> None:
    """A key has a form, which is checked first."""
    wrong = ["x", "duetime_", "duetime_" + "a" * 42, "duetime_" + "a" * 44, "Duetime_" + "a" * 43, "a" * 10_000]
    with database_work(guarded_api) as work:
        assert {(await tasks(guarded_api, key)).status_code for key in wrong} == {401}
    assert work.statements == 0


async def test_delayed_answers_are_few(guarded_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further answer is not delayed, so nobody collects delayed ones."""
    monkeypatch.setattr(api_keys, "MAX_DELAYED", 5)
    monkeypatch.setattr(api_keys, "DELAY", timedelta(seconds=600))
    for _ in range(FAILURES):
        assert (await tasks(guarded_api, wrong_key())).status_code == 401
    waiting = [asyncio.create_task(tasks(guarded_api, wrong_key())) for _ in range(20)]
    await wait_until(lambda: sum(task.done() for task in waiting) == 15, what="all but a few are answered")
    assert {task.result().status_code for task in waiting if task.done()} == {429}
    assert (await tasks(guarded_api, await make_key(guarded_api.engine, "good"))).status_code == 200
    for task in [*waiting, *guarded_api.server.server_state.tasks]:
        task.cancel()


async def test_a_key_that_is_being_changed_stops_no_other(guarded_api: Api) -> None:
    """The use of a key is not recorded while a transaction holds its row, and nobody waits for that transaction."""
    busy, other = await make_key(guarded_api.engine, "busy"), await make_key(guarded_api.engine, "other")
    async with guarded_api.engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM api_keys WHERE name = 'busy' FOR UPDATE"))
        for token in (busy, other):
            assert (await tasks(guarded_api, token)).status_code == 200


async def test_health_names_no_task(guarded_api: Api) -> None:
    """Without a key that may read, health has ages and counts only; with one it names the overdue task."""
    task = every("http://a/", HOUR, ago(1))
    await save(guarded_api.engine, task)
    token = await make_key(guarded_api.engine, "reader", scope=KeyScope.READ)
    for path in ("/health", "/api/v1/health"):
        for headers in ({}, bearer(wrong_key()), {"authorization": "Basic YTpi"}):
            answer = await guarded_api.http.get(path, headers=headers)
            assert answer.status_code == 200
            assert str(task.id) not in answer.text
            found = answer.json()
            ages = {name: value for name, value in found.items() if not isinstance(value, str)}
            assert ages.keys() == {"workers", "last_sweep_age_ms", "oldest_due_age_ms"}
            assert found["oldest_due_age_ms"] >= HOUR // timedelta(milliseconds=1)
        named = (await guarded_api.http.get(path, headers=bearer(token))).json()
        assert named["oldest_due_task"]["id"] == str(task.id)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_pages_from_elsewhere_may_not_ask_by_simple_requests(api: Api, site: str) -> None:
    """Without keys, an image, a script, a link or a form of another page runs no query, although it has no Origin."""
    sent = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    link = sent | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}
    query = {"query": "{ tasks { totalCount } }"}
    answers = [
        await api.http.get("/graphql", params=query, headers=sent),
        await api.http.get("/graphql", params=query, headers=sent | {"accept": "text/event-stream"}),
        await api.http.get("/graphql", params=query, headers=link),
        await api.http.get("/graphql", headers=link | {"accept": "application/json"}),
        await api.http.get("/graphql", headers=link | {"sec-fetch-dest": "iframe"}),
        await api.http.get("/api/v1/tasks", headers=sent),
        await api.http.get("/api/v1/tasks", headers=link),
        await api.http.get("/health", headers=link),
        await api.http.post("/api/v1/tasks", json=CRON, headers=link),
        await api.http.post("/graphql", json=query, headers=sent),
        await api.http.get("/", headers=sent),
        # A page that may speak for this origin is not on another site.
        await api.http.get("/graphql", params=query, headers=sent | {"origin": api.url}),
    ]
    for answer in answers:
        assert error(answer, 403).startswith(f"Pages from elsewhere may not ask (Sec-Fetch-Site: {site}); use keys")
    with pytest.raises(InvalidStatus) as refused:
        async with api.socket(headers=sent):
            pass
    assert refused.value.response.status_code == 403


async def test_links_lead_to_pages(api: Api) -> None:
    """A link on another page may open Duetime's own pages, and these may ask, as may the user and programs."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/", "/graphql", "/swagger", "/swagger/", "/swagger/index.html"):
        answer = await api.http.get(path, headers=link | html)
        assert answer.status_code in {200, 307, 404}, path
        assert "may not ask" not in answer.text
    for site in ({"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}):
        assert (await api.http.get("/api/v1/tasks", headers=site)).status_code == 200
        async with api.socket(headers=site):
            pass


async def test_pages_of_named_origins_and_requests_with_keys(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A named origin asks by CORS. Where keys are required, no browser sends one by itself, so any site may."""
    named, elsewhere = "https://app.example.com", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    async with serving(database, jobs_settings, settings=ApiSettings.model_construct(cors_origins=named)) as api:
        answer = await api.http.get("/api/v1/tasks", headers=elsewhere | {"origin": named})
        assert answer.status_code == 200
        assert (await api.http.get("/api/v1/tasks", headers=elsewhere)).status_code == 403
    async with guarded(database, jobs_settings) as api:
        token = await make_key(api.engine, "good")
        assert (await api.http.get("/api/v1/tasks", headers=elsewhere | bearer(token))).status_code == 200


def wrong_key() -> str:
    """Return a key that has the right form, and that nobody has."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


async def tasks(api: Api, token: str) -> httpx.Response:
    """Ask for the tasks with a key."""
    return await api.http.get("/api/v1/tasks", headers=bearer(token))


@dataclass(slots=True)
class Work:
    """What the API made the database do."""

    statements: int = 0
    connections: int = 0
    most_connections: int = 0


@contextmanager
def database_work(api: Api) -> Iterator[Work]:
    """Count the statements about keys, and the connections in use, while the block lasts."""
    work = Work()

    def executed(*arguments: Any) -> None:
        work.statements += "api_keys" in arguments[2]

    def checked_out(*_: Any) -> None:
        work.connections += 1
        work.most_connections = max(work.most_connections, work.connections)

    def checked_in(*_: Any) -> None:
        work.connections -= 1

    engine = api.services.engine.sync_engine
    listeners = [
        (engine, "before_cursor_execute", executed),
        (engine, "checkout", checked_out),
        (engine, "checkin", checked_in),
    ]
    for listener in listeners:
        event.listen(*listener)
    try:
        yield work
    finally:
        for listener in listeners:
            event.remove(*listener)
