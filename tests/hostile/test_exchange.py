"""What a target sends at the wrong moment is never taken as the response to a call, and never harms another call."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from aiohttp.connector import Connection

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import RunState
from jobs.http.client import SEND_TRIES, HttpCaller
from jobs.http.compat import StrictConnector, StrictRequest
from jobs.http.resolver import checked_socket
from jobs.settings import JobsSettings
from tests.support.calls import STRAY, UNASKED, call, is_answer_to, local_caller
from tests.support.certificates import certificate
from tests.support.engine import one_off, opened, runs_of, save, working
from tests.support.raw_target import RawTarget, Request, Respond, answer, raw_target
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_loops
PAYLOADS = (None, '{"n": 1}')


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    """Open the connections of a worker that may call this machine."""
    async with local_caller() as running:
        yield running


def later(writer: asyncio.StreamWriter, seconds: float, data: bytes) -> None:
    """Send bytes after a delay, unless the connection has ended by then."""

    def send() -> None:
        if not writer.is_closing():
            writer.write(data)

    asyncio.get_running_loop().call_later(seconds, send)


GAP = 0.3
MOMENTS = (0, 0.001, 0.05, 0.2, 0.5, 1, 1.7, 2.5, 3.5, 4.5)
"""Seconds between a response and the stray bytes on the same connection."""


async def test_every_run_has_a_request_of_its_own_and_shows_its_response(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Tasks in a row, with and without a payload, call hosts that each send stray bytes once, at different moments."""
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(opened(database))
        await stack.enter_async_context(working(database, jobs_settings))
        start = utc_now() + timedelta(seconds=0.8)
        rows: list[tuple[RawTarget, list[Task]]] = []
        for moment, stray in zip(MOMENTS, cycle(UNASKED.values()), strict=False):
            target = await stack.enter_async_context(raw_target(sends_once(stray, after=moment)))
            seconds = (0, *(moment + GAP * number for number in range(1, 5)))
            rows.append(
                (target, [task(target, start + timedelta(seconds=at), place) for place, at in enumerate(seconds)])
            )
        await save(engine, *(each for _, tasks in rows for each in tasks))
        for target, tasks in rows:
            for each in tasks:
                ended = partial(runs_of, engine, each.id, at_least=1)
                [run] = await wait_until(ended, what="the run has ended", within=20)
                assert (run.state, run.response_body) == (RunState.SUCCEEDED, f"answer to {run.id}"), run.error_message
                assert target.keys.count(str(run.id)) == 1
            assert len(target.requests) == len(tasks)


def sends_once(stray: bytes, *, after: float) -> Respond:
    """Return the behaviour of a target that sends stray bytes after its first response."""
    pending = [stray]

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(request))
        if pending:
            later(writer, after, pending.pop())

    return respond


def task(target: RawTarget, at: datetime, place: int) -> Task:
    """Return a task that calls the target once; every second one has a payload."""
    request: dict[str, Any] = {"method": "POST", "payload": {"n": place}} if place % 2 else {"method": "GET"}
    return one_off(target.url, at, max_attempts=1, **request)


@pytest.mark.parametrize("payload", PAYLOADS, ids=["no payload", "payload"])
@pytest.mark.parametrize("unasked", UNASKED)
@pytest.mark.parametrize("is_read", [False, True], ids=["in the kernel", "received"])
async def test_bytes_on_an_idle_connection_end_it(
    caller: HttpCaller, *, unasked: str, payload: str | None, is_read: bool
) -> None:
    """The next call goes over a new connection, even if the caller had no time to read the bytes before it."""
    writers: list[asyncio.StreamWriter] = []

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer(request))

    async with raw_target(respond) as target:
        assert is_answer_to(await call(caller, target, "first"), "first")
        writers[0].write(UNASKED[unasked])
        if is_read:
            await wait_until(lambda: target.ended == [0], what="the connection has ended", within=2)
        for key in ("second", "third"):
            assert is_answer_to(await call(caller, target, key, payload=payload), key)
        assert target.keys == ["first", "second", "third"]
        assert [request.connection for request in target.requests] == [0, 1, 1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_connections_with_tls_are_kept_while_they_are_clean(
    caller: HttpCaller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Messages of TLS itself leave a connection usable; bytes without a request end it."""
    path = certificate("target.example", folder=tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    trusting.check_hostname = False
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    writers: list[asyncio.StreamWriter] = []

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer(request))

    async with raw_target(respond, tls=context) as target:
        for key in ("first", "second", "third"):
            assert is_answer_to(await call(caller, target, key, payload="1"), key)
        writers[0].write(STRAY)
        for key in ("fourth", "fifth"):
            assert is_answer_to(await call(caller, target, key, payload="1"), key)
        assert [request.connection for request in target.requests] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("is_read", [False, True], ids=["in the kernel", "received"])
@pytest.mark.parametrize("payload", PAYLOADS, ids=["no payload", "payload"])
async def test_bytes_between_handing_out_and_sending(
    caller: HttpCaller, monkeypatch: pytest.MonkeyPatch, *, payload: str | None, is_read: bool
) -> None:
    """A response that was complete before the request was written is not its response: the call uses a new connection.

    The stray response arrives while the request waits for its turn to be written.
    """
    writers: list[asyncio.StreamWriter] = []

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer(request))

    name = "send" if payload is None else "write_bytes"
    original = getattr(StrictRequest, name)

    async def sent_late(request: StrictRequest, *arguments: Any) -> Any:
        if len(writers) == 1:
            writers[0].write(STRAY)
            writers.append(writers[0])
            if is_read:
                await asyncio.sleep(0.05)
        return await original(request, *arguments)

    async with raw_target(respond) as target:
        assert is_answer_to(await call(caller, target, "first"), "first")
        monkeypatch.setattr(StrictRequest, name, sent_late)
        for key in ("second", "third"):
            assert is_answer_to(await call(caller, target, key, payload=payload), key)
        assert target.keys == ["first", "second", "third"]
        assert [request.connection for request in target.requests] == [0, 1, 1]


@pytest.mark.parametrize("payload", PAYLOADS, ids=["no payload", "payload"])
async def test_a_target_that_speaks_first_gets_no_request(
    caller: HttpCaller, monkeypatch: pytest.MonkeyPatch, payload: str | None
) -> None:
    """What a target sends on a new connection before the request is no response either, and the failure says so."""
    name = "send" if payload is None else "write_bytes"
    original, connect = getattr(StrictRequest, name), StrictConnector.connect
    tries = 0

    async def counted(connector: StrictConnector, *arguments: Any, **options: Any) -> Connection:
        nonlocal tries
        tries += 1
        return await connect(connector, *arguments, **options)

    async def sent_late(request: StrictRequest, *arguments: Any) -> Any:
        # On uvloop, the greeting may have been read before, and then the request does not come as far as this.
        await wait_until(lambda: target.opened == tries, what="the target has accepted the connection")
        return await original(request, *arguments)

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with raw_target(respond, greeting=STRAY) as target:
        monkeypatch.setattr(StrictRequest, name, sent_late)
        monkeypatch.setattr(StrictConnector, "connect", counted)
        response = await call(caller, target, "first", payload=payload)
        assert response.status_code is None
        assert (
            response.error == "the request was not sent: the connection ended, or the target sent something, before it"
        )
        assert target.requests == []
        assert tries == SEND_TRIES


@pytest.mark.parametrize("size", [50_000, 250_000])
async def test_an_early_response_ends_the_connection(
    caller: HttpCaller, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A response that arrives before the whole body is sent counts, and the connection is not used again."""

    def with_small_buffer(*arguments: Any) -> socket.socket:
        made = checked_socket(*arguments)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return made

    monkeypatch.setattr("jobs.http.transport.checked_socket", with_small_buffer)
    async with raw_target(lambda request, writer: writer.write(answer(request)), reads_body=False) as target:
        for key in ("first", "second"):
            assert is_answer_to(await call(caller, target, key, payload=f'"{"x" * size}"'), key)
        assert [request.connection for request in target.requests] == [0, 1]
        await wait_until(lambda: sorted(target.ended) == [0, 1], what="both connections have ended", within=2)
