"""An attempt shows the redirects that it followed, and its errors speak of the call."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs.clock import Clock
from jobs.http.body import NO_CONTENT
from jobs.http.client import HttpCaller, Response
from jobs.http.request import Action
from jobs.http.targets import EgressPolicy, parse_rules
from jobs.settings import LOOPBACK
from tests.support.certificates import certificate
from tests.support.engine import runs_of
from tests.support.graphql import Api
from tests.support.raw_target import Request, raw_target
from tests.support.waiting import wait_until

CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename ... on Task { id } } }"
START = "mutation ($id: ID!) { runTask(id: $id) { __typename } }"
RUN = """query ($id: ID!) { run(id: $id) { state statusCode errorMessage responseBody responseTruncated
    responseHeadersTruncated
    attempts { statusCode errorMessage responseError resent redirects { status url method } } } }"""
SECRET = "a-secret-of-the-task"


async def shown(service: Api, **action: Any) -> dict[str, Any]:
    """Return what the API shows of the run of a task with this action, with a secret header and one attempt."""
    action["headers"] = [{"name": "Authorization", "value": SECRET}]
    task: dict[str, Any] = {"name": "n", "trigger": {"oneOff": {"at": "2999-01-01T00:00:00Z"}}}
    task |= {"retry": {"maxAttempts": 1}, "action": action}
    made = (await service.data(CREATE, input=task))["createTask"]
    await service.data(START, id=made["id"])
    [run] = await wait_until(
        partial(runs_of, service.engine, made["id"], at_least=1), what="the run has ended", within=30
    )
    found: dict[str, Any] = (await service.data(RUN, id=str(run.id)))["run"]
    return found


def leads(places: dict[str, tuple[int, str]]) -> Any:
    """Return the behaviour of a target that redirects from some paths."""

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        status, location = places.get(request.path, (200, ""))
        field = f"Location: {location}\r\n" if location else ""
        writer.write(f"HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n{field}\r\n".encode())

    return respond


async def test_an_attempt_shows_its_redirects(service: Api) -> None:
    """Each has its status, where it led, and the method used there; secrets are masked, and long URLs are cut."""
    long = "/c?" + "x" * 7_000
    places = {
        "/": (302, f"/a?token={SECRET}#part"),
        f"/a?token={SECRET}": (307, "b"),
        "/b": (303, long),
    }
    async with raw_target(leads(places)) as target:
        run = await shown(service, url=target.url, method="POST", payload=1, redirects=3)
        assert [request.method for request in target.requests] == ["POST", "GET", "GET", "GET"]
        assert target.requests[-1].path == long
    [attempt] = run["attempts"]
    whole = f"{target.url}{long[1:]}"
    assert (run["state"], attempt["statusCode"]) == ("SUCCEEDED", 200)
    assert attempt["redirects"] == [
        {"status": 302, "url": f"{target.url}a?token=********", "method": "GET"},
        {"status": 307, "url": f"{target.url}b", "method": "GET"},
        {"status": 303, "url": f"{whole[:2_000]}… ({len(whole):,} characters)", "method": "GET"},
    ]


@pytest.mark.parametrize(
    ("redirects", "followed", "message"),
    [
        (0, 0, "the target answered 302; the task follows no redirects (redirects: 0)"),
        (2, 2, "the target answered 302; it redirects further than the task allows (redirects: 2)"),
    ],
)
async def test_a_redirect_that_is_not_followed_says_so(
    service: Api, redirects: int, followed: int, message: str
) -> None:
    """The last answer counts, and the redirects before it are shown."""
    async with raw_target(leads({"/": (302, "/")})) as target:
        run = await shown(service, url=target.url, redirects=redirects)
    [attempt] = run["attempts"]
    assert (run["state"], run["statusCode"], run["errorMessage"]) == ("FAILED", 302, message)
    assert attempt["errorMessage"] == message
    assert attempt["redirects"] == followed * [{"status": 302, "url": target.url, "method": "GET"}]


async def test_a_redirect_to_nobody_keeps_what_led_there(service: Api) -> None:
    """The target of the redirect cannot be reached, so there is no status, and the error names that target."""
    closed = unused_port()
    async with raw_target(leads({"/": (301, f"http://127.0.0.1:{closed}/")})) as target:
        run = await shown(service, url=target.url, redirects=1)
    [attempt] = run["attempts"]
    assert (run["statusCode"], run["errorMessage"]) == (
        None,
        f"could not connect to 127.0.0.1:{closed}: connection refused",
    )
    assert attempt["redirects"] == [{"status": 301, "url": f"http://127.0.0.1:{closed}/", "method": "GET"}]


async def test_headers_that_are_left_out_are_marked(service: Api) -> None:
    """Smaller headers behind a large one are kept, and a success may have an error of its body."""

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        large = "x" * 40_000
        writer.write(f"HTTP/1.1 200 OK\r\nX: {large}\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok".encode())

    async with raw_target(respond) as target:
        run = await shown(service, url=target.url)
    [attempt] = run["attempts"]
    assert (run["state"], run["responseBody"], run["errorMessage"]) == ("SUCCEEDED", "ok", None)
    assert run["responseHeadersTruncated"]
    assert attempt["responseError"] == "the body is not compressed as its Content-Encoding says"


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


async def lookup(host: str, _: int) -> Sequence[str]:
    """Resolve the names of this test."""
    if host == "slow.example":
        await asyncio.sleep(20)
    if host == "none.example":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ["127.0.0.1"]


async def get(url: str, *, within: timedelta = timedelta(seconds=20)) -> Response:
    """Call a URL."""
    policy = EgressPolicy(allowed=parse_rules(LOOPBACK))
    action = Action(method="GET", url=url, headers={}, content=NO_CONTENT, timeout=within, redirects=0)
    async with HttpCaller(clock=Clock(), policy=policy, lookup=lookup) as caller:
        return await caller.call(action, headers={})


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "loopback.example"])
async def test_a_refused_connection(scheme: str, host: str) -> None:
    """The error says so, and nothing of addresses that only a name led to."""
    port = unused_port()
    assert (await get(f"{scheme}://{host}:{port}/")).error == f"could not connect to {host}:{port}: connection refused"


async def test_a_name_that_does_not_resolve() -> None:
    """The error names it."""
    problem = "the name does not resolve to an address"
    assert (await get("http://none.example/")).error == f"could not connect to none.example:80: {problem}"
    assert (await get("https://none.example/")).error == f"could not connect to none.example:443: {problem}"


async def test_a_connection_that_takes_too_long() -> None:
    """The error says that the target was not even reached."""
    response = await get("http://slow.example/", within=timedelta(seconds=0.2))
    assert response.error == "could not connect to slow.example:80 within 0.2 s"


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """The reason is the one that TLS gives."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate("loopback.example", folder=tmp_path))
    async with raw_target(lambda *_: None, tls=context) as target:
        response = await get(f"https://loopback.example:{target.port}/")
    assert response.error is not None
    assert response.error.startswith(
        f"could not connect to loopback.example:{target.port}: certificate verify failed: self"
    )


async def test_a_target_without_tls() -> None:
    """A target that speaks HTTP where HTTPS is expected, and one that ends the connection in the handshake."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.close()

    expected = {speak: "the TLS handshake failed (", hang_up: "the target closed the connection"}
    for behaviour, problem in expected.items():
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            error = (await get(f"https://127.0.0.1:{port}/")).error
        assert error is not None
        assert error.startswith(f"could not connect to 127.0.0.1:{port}: {problem}"), error
