"""Targets that are not allowed are not called, neither directly, nor by a name that changes its address, nor by
redirect.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from db.models import Task
from db.settings import DatabaseSettings
from db.states import RunState
from jobs.clock import Clock
from jobs.http.body import NO_CONTENT
from jobs.http.client import HttpCaller, Response
from jobs.http.request import Action
from jobs.http.targets import EgressPolicy, parse_rules
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.certificates import certificate
from tests.support.engine import one_off, opened, runs_of, save, soon, working
from tests.support.graphql import serving
from tests.support.hostile_urls import NAMES, addresses, forms
from tests.support.names import NameServer, name_server
from tests.support.target import CannedResponse, Target, running_target
from tests.support.waiting import wait_until

CREATE = """
mutation ($inputs: [CreateTaskInput!]!) {
  createTasks(inputs: $inputs) { __typename ... on Task { id } ... on InvalidInput { problems { path message } } }
}
"""
PUBLIC = ["93.184.215.14"]
SECRET = {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Api-Key": "secret", "X-Mine": "secret"}


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    """Run a name server with hostile names."""
    async with name_server() as server:
        for name, meant in NAMES.items():
            server.means(name, meant)
        server.means("localhost", ["127.0.0.1", "::1"])
        yield server


@pytest.fixture
def blocking(redis_url: str) -> JobsSettings:
    """Return the settings of a service that allows no further targets."""
    return JobsSettings.model_construct(redis_url=redis_url)


def port_of(target: Target) -> int:
    """Return the port on which the target would notice a call."""
    return int(target.url.rpartition(":")[2])


def wanted(url: str) -> dict[str, Any]:
    """Return a task that calls the URL later."""
    return {"name": "hostile", "trigger": {"oneOff": {"at": "2999-01-01T00:00:00Z"}}, "action": {"url": url}}


async def test_a_task_that_calls_inside_is_not_saved(
    database: DatabaseSettings, blocking: JobsSettings, target: Target, names: NameServer
) -> None:
    """A task that calls an internal address is refused at its URL, and the message does not reveal the addresses of a
    name.
    """
    port = port_of(target)
    urls = [*addresses(port), *forms(port)]
    assert len(addresses(port)) >= 60
    async with serving(database, blocking, lookup=names.lookup) as api:
        data = await api.data(CREATE, inputs=[wanted(url) for url in urls])
    answers = dict(zip(urls, data["createTasks"], strict=True))
    assert [url for url, answer in answers.items() if answer["__typename"] != "InvalidInput"] == []
    assert {problem["path"][-1] for answer in answers.values() for problem in answer["problems"]} == {"url"}
    [problem] = answers[f"http://private.example:{port}/"]["problems"]
    assert problem["message"] == (
        "resolves to an address that tasks may not call; public addresses are allowed, and what this service's "
        f"setting DUETIME_TARGETS_ALLOWED lists, such as private.example:{port}"
    )
    async with opened(database) as engine, engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(Task)) == 0


async def test_a_name_without_addresses_is_saved(
    database: DatabaseSettings, blocking: JobsSettings, names: NameServer
) -> None:
    """A name without addresses is saved, because it may have some when the task is due; so is a public one."""
    names.means("public.example", PUBLIC)
    async with serving(database, blocking, lookup=names.lookup) as api:
        inputs = [wanted("https://none.example/"), wanted("https://public.example/"), wanted("http://93.184.215.14/")]
        data = await api.data(CREATE, inputs=inputs)
    assert [answer["__typename"] for answer in data["createTasks"]] == ["Task"] * 3


async def test_rest_refuses_too(database: DatabaseSettings, blocking: JobsSettings, target: Target) -> None:
    """REST refuses such URLs in its own words, for a new task and for a new URL; an unchanged URL stays."""
    async with serving(database, blocking) as api:
        [task_id] = await save(api.engine, one_off(f"{target.url}/old", datetime.now(UTC) + timedelta(days=1)))
        action = {"method": "GET", "url": f"{target.url}/new"}
        body = {"name": "n", "trigger": {"type": "one-off", "datetime": "2999-01-01T00:00:00Z"}, "action": action}
        made = await api.http.post("/api/v1/tasks", json=body)
        changed = await api.http.put(f"/api/v1/tasks/{task_id}", json={"action": action})
        kept = await api.http.put(f"/api/v1/tasks/{task_id}", json={"action": {**action, "url": f"{target.url}/old"}})
    assert (made.status_code, changed.status_code, kept.status_code) == (400, 400, 200)
    assert "action.url: resolves to an address that tasks may not call" in made.json()["error"]


async def test_a_run_that_calls_inside_fails_at_once(
    database: DatabaseSettings, blocking: JobsSettings, target: Target, names: NameServer
) -> None:
    """However such a task came to be saved, its run has one attempt and a clear message, and nothing arrives."""
    urls = addresses(port_of(target))
    async with opened(database) as engine, working(database, blocking, lookup=names.lookup):
        at = soon()
        ids = await save(engine, *(one_off(url, at, host=f"host-{place}") for place, url in enumerate(urls)))
        for task_id, url in zip(ids, urls, strict=True):
            [run] = await wait_until(partial(runs_of, engine, task_id, at_least=1), what=url)
            assert (run.state, run.attempt, run.status_code) == (RunState.FAILED, 1, None), url
            assert run.error_message is not None
            assert run.error_message.startswith(("the target is not allowed: calls to ", "the URL cannot be called: "))
    assert target.calls == []


async def test_a_name_that_changes_its_meaning(
    database: DatabaseSettings, blocking: JobsSettings, target: Target, names: NameServer
) -> None:
    """A name that is public when the task is saved and internal when it is due is refused."""
    port = port_of(target)
    names.means("rebind.example", PUBLIC, ["127.0.0.1"])
    async with (
        serving(database, blocking, lookup=names.lookup) as api,
        working(database, blocking, lookup=names.lookup),
    ):
        at = soon()
        task = wanted(f"http://rebind.example:{port}/") | {"trigger": {"oneOff": {"at": at.isoformat()}}}
        [made] = (await api.data(CREATE, inputs=[task]))["createTasks"]
        assert made["__typename"] == "Task"
        [run] = await wait_until(lambda: runs_of(api.engine, made["id"], at_least=1), what="the run has ended")
    assert (run.state, run.attempt) == (RunState.FAILED, 1)
    assert run.error_message == f"the target is not allowed: calls to rebind.example:{port} are blocked here"
    assert names.asked["rebind.example"] == 2
    assert target.calls == []


async def get(
    url: str,
    names: NameServer,
    *,
    allowed: str,
    redirects: int = 0,
    headers: dict[str, str] | None = None,
    secret: Sequence[str] = (),
) -> Response:
    """Call a URL as a worker does; `secret` are the names of headers whose values were encrypted."""
    policy = EgressPolicy(allowed=parse_rules(allowed))
    action = Action(
        method="GET",
        url=url,
        headers=headers or {},
        content=NO_CONTENT,
        timeout=timedelta(seconds=10),
        redirects=redirects,
        secret_names=secret,
    )
    async with HttpCaller(clock=Clock(), policy=policy, lookup=names.lookup) as caller:
        return await caller.call(action, headers={"Idempotency-Key": "the run"})


async def test_the_connection_goes_to_what_was_checked(target: Target, names: NameServer) -> None:
    """A name is resolved once for a connection, and not again after the check."""
    port = port_of(target)
    names.means("changing.example", ["127.0.0.1"], ["127.0.0.2"])
    answer = await get(f"http://changing.example:{port}/", names, allowed="127.0.0.1")
    assert (answer.status_code, names.asked["changing.example"]) == (200, 1)
    [call] = target.calls
    assert call.headers["host"] == f"changing.example:{port}"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0x7f000001", "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "localhost", "loopback.example"],
)
async def test_what_is_allowed_is_called(target: Target, names: NameServer, host: str) -> None:
    """Allowed targets are called, however they are spelled, so the refusals above were no accident."""
    answer = await get(f"http://{host}:{port_of(target)}/", names, allowed=LOOPBACK)
    assert answer.status_code == 200, answer


async def test_a_name_may_be_allowed_on_a_port(target: Target, names: NameServer) -> None:
    """A name that is allowed on a port may have any address; its other ports, and the address itself, stay blocked."""
    port = port_of(target)
    allowed = f"loopback.example:{port}"
    assert (await get(f"http://loopback.example:{port}/", names, allowed=allowed)).status_code == 200
    assert (await get("http://loopback.example:1/", names, allowed=allowed)).refused
    assert (await get(f"http://127.0.0.1:{port}/", names, allowed=allowed)).refused


async def test_a_refusal_does_not_tell_what_listens(target: Target, names: NameServer) -> None:
    """Refusals have the same words and take the same time, whether the port is open or not."""
    port = port_of(target)
    refusals = [await get(f"http://127.0.0.1:{each}/", names, allowed="10.0.0.0/8") for each in (port, 1)]
    assert [refusal.error for refusal in refusals] == [
        f"the target is not allowed: calls to 127.0.0.1:{each} are blocked here" for each in (port, 1)
    ]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/inside",
        "http://0x7f000002:{port}/inside",
        "http://private.example:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "//169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://user@127.0.0.1:{port}/",
    ],
)
async def test_each_hop_of_a_redirect_is_checked(target: Target, names: NameServer, location: str) -> None:
    """An allowed target cannot redirect a call to one that is not allowed."""
    port = port_of(target)
    away = target.responds("/away", CannedResponse(status=302, headers={"Location": location.format(port=port)}))
    answer = await get(away, names, allowed="127.0.0.1", redirects=5)
    assert answer.refused
    assert [call.path for call in target.calls] == ["/away"]


async def test_redirects_are_followed_as_often_as_wished(target: Target, names: NameServer) -> None:
    """The last response counts. By default, no redirects are followed."""
    around = target.responds("/around", CannedResponse(status=302, headers={"Location": "/around"}))
    for redirects in (0, 3):
        answer = await get(around, names, allowed=LOOPBACK, redirects=redirects)
        assert answer.status_code == 302
    assert len(target.calls) == 1 + 4


async def test_credentials_stay_with_their_origin(target: Target, names: NameServer) -> None:
    """Another port is another origin. Duetime's own headers go along, and nothing replaces a secret one."""
    agent = {"User-Agent": "secret", "Accept-Encoding": "identity"}
    async with running_target() as other:
        away = target.responds("/away", CannedResponse(status=307, headers={"Location": f"{other.url}/there"}))
        await get(away, names, allowed=LOOPBACK, redirects=1, headers=SECRET | agent, secret=[*agent])
        [first], [second] = target.calls, other.calls
    for name, value in (SECRET | agent).items():
        assert first.headers[name.lower()] == value
        assert name.lower() not in second.headers
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "the run"


async def test_cookies_are_not_kept(target: Target, names: NameServer) -> None:
    """Cookies are kept neither for the next hop nor for the next call."""
    headers = {"Location": "/there", "Set-Cookie": "session=1; Path=/"}
    away = target.responds("/away", CannedResponse(status=302, headers=headers))
    for _ in range(2):
        assert (await get(away, names, allowed=LOOPBACK, redirects=1)).status_code == 200
    assert not any("cookie" in call.headers for call in target.calls)


async def test_proxies_of_the_environment_are_ignored(
    target: Target, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies from the environment are ignored, because they would connect to unchecked addresses."""
    async with running_target() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await get(f"{target.url}/", names, allowed=LOOPBACK)).status_code == 200
        assert proxy.calls == []


async def test_tls_knows_the_name(names: NameServer, tmp_path: Path) -> None:
    """The connection goes to an address, and the certificate is verified for the name that led to it."""
    server_names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate("loopback.example", folder=tmp_path))
    context.sni_callback = lambda _socket, name, _context: server_names.append(name)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await get(f"https://loopback.example:{port}/", names, allowed=LOOPBACK)
    assert server_names == ["loopback.example"]
    # Nobody vouches for this certificate.
    assert "certificate verify failed" in (answer.error or "")
