"""What a target sends at the wrong moment is never taken as the response to a call, and never harms another call."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from aiohttp.connector import Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import RunState
from jobs.clock import Clock
from jobs.compat import MAX_INTERIM_RESPONSES, StrictConnector, StrictRequest, StrictResponseHandler
from jobs.http.body import NO_CONTENT, Content
from jobs.http.client import SEND_TRIES, HttpCaller, Response
from jobs.http.request import Action
from jobs.http.resolver import checked_socket
from jobs.http.targets import EgressPolicy, parse_rules
from jobs.http.transport import BUFFER_BYTES
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.certificates import certificate
from tests.support.engine import one_off, opened, runs_of, save, working
from tests.support.raw_target import RawTarget, Request, Respond, answer, raw_target
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_loops

STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Stray: yes\r\n\r\nstray"
UNASKED = {
    "a response": STRAY,
    "a timeout": b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 5\r\n\r\nstray",
    "an interim response": b"HTTP/1.1 103 Early Hints\r\nLink: </stray>\r\n\r\n",
    "the beginning of a response": b"HTTP/1.1 200 OK\r\nContent-Len",
    "a line break": b"\r\n",
    "bytes that are not HTTP": b"\x15\x03stray",
}
PAYLOADS = (None, '{"n": 1}')
ENOUGH = timedelta(seconds=20)


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    """Open the connections of a worker that may call this machine."""
    async with HttpCaller(clock=Clock(), policy=EgressPolicy(allowed=parse_rules(LOOPBACK))) as running:
        yield running


async def call(
    caller: HttpCaller, target: RawTarget, key: str, *, payload: str | None = None, method: str | None = None
) -> Response:
    """Call the target and return the response."""
    action = Action(
        method=method or ("GET" if payload is None else "POST"),
        url=target.url,
        headers={},
        content=NO_CONTENT if payload is None else Content(payload.encode(), "application/json"),
        timeout=ENOUGH,
        redirects=0,
    )
    return await caller.call(action, headers={"Idempotency-Key": key})


def is_answer_to(response: Response, key: str) -> bool:
    """Return whether this is the response to the call with that key."""
    return (response.status_code, response.body, response.error) == (200, f"answer to {key}", None)


def later(writer: asyncio.StreamWriter, seconds: float, data: bytes) -> None:
    """Send bytes after a delay, unless the connection has ended by then."""

    def send() -> None:
        if not writer.is_closing():
            writer.write(data)

    asyncio.get_running_loop().call_later(seconds, send)


PIECES = 100
"""Bytes of a response that arrive one by one."""
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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("unasked", UNASKED)
async def test_bytes_behind_a_response_end_the_connection(
    caller: HttpCaller, *, unasked: str, chunked: bool, method: str
) -> None:
    """The response itself stays whole, and the next call goes over a new connection."""

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        body = f"answer to {request.key}".encode()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        head = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
        writer.write(head + (b"" if request.method == "HEAD" else sent) + UNASKED[unasked])

    async with raw_target(respond) as target:
        for number in range(3):
            response = await call(caller, target, str(number), method=method)
            assert (response.status_code, response.error) == (200, None)
            assert response.body == (None if method == "HEAD" else f"answer to {number}")
        assert [request.connection for request in target.requests] == [0, 1, 2]


async def test_bytes_behind_a_large_response_end_the_connection(caller: HttpCaller) -> None:
    """The same holds when reading paused within the response because it is larger than the buffer."""
    body = b"x" * 300_000

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        end = b"" if request.key == "clean" else b"HTTP/1.1 2"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body + end)

    async with raw_target(respond) as target:
        for key in ("stray", "stray", "clean"):
            response = await call(caller, target, key)
            assert (response.status_code, response.truncated, response.error) == (200, True, None)
        assert [request.connection for request in target.requests] == [0, 1, 2]


class FakeTransport(asyncio.Transport):
    """A transport over a socket that is never readable. More may arrive while `has_room` is set."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__({"socket": connection})
        self.has_ended = False
        self.has_room = asyncio.Event()
        self.has_room.set()

    def is_closing(self) -> bool:
        """Return whether the connection has ended."""
        return self.has_ended

    def abort(self) -> None:
        """End the connection."""
        self.has_ended = True
        self.has_room.set()

    def close(self) -> None:
        """End the connection."""
        self.abort()

    def get_write_buffer_size(self) -> int:
        """Return that everything is sent."""
        return 0

    def pause_reading(self) -> None:
        """Note that nothing more may arrive."""
        self.has_room.clear()

    def resume_reading(self) -> None:
        """Note that more may arrive."""
        self.has_room.set()


def chunked(pieces: Sequence[bytes]) -> bytes:
    """Return a body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


@given(
    interim=st.integers(0, 3),
    chunks=st.lists(st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.sampled_from([1, 9, 9000]))),
    is_chunked=st.booleans(),
    line_break=st.sampled_from([b"\r\n", b"\n"]),
    excess=st.sampled_from([b"", b"\r", b"\n", b"H", *UNASKED.values()]),
    sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=60)
async def test_a_connection_ends_if_and_only_if_more_than_the_response_arrives(
    *, interim: int, chunks: list[bytes], is_chunked: bool, line_break: bytes, excess: bytes, sizes: list[int]
) -> None:
    """This holds however a response is framed, and however its bytes are divided into pieces on the way."""
    body = b"".join(chunks)
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(body)
    head = UNASKED["an interim response"] * interim + b"HTTP/1.1 200 OK" + line_break + framing + 2 * line_break
    sent = head + (chunked(chunks) if is_chunked else body) + excess
    mine, other = socket.socketpair()
    with mine, other:
        transport = FakeTransport(mine)
        handler = StrictResponseHandler(asyncio.get_running_loop())
        handler.connection_made(transport)
        handler.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=BUFFER_BYTES)
        handler.open_request()
        reading = asyncio.create_task(whole(handler))
        for size in cycle(sizes):
            await transport.has_room.wait()
            if not sent or transport.has_ended:
                break
            handler.data_received(sent[:size])
            sent = sent[size:]
        assert await reading == (200, body)
        assert transport.has_ended == (excess != b"")
        assert handler.is_clean == (not transport.has_ended)


async def whole(handler: StrictResponseHandler) -> tuple[int, bytes]:
    """Return the status and the body of the response."""
    message, content = await handler.read()
    return message.code, await content.read()


@pytest.mark.parametrize("size", [5, 300_000])
async def test_a_clean_connection_is_used_again(caller: HttpCaller, size: int) -> None:
    """Responses in several pieces, interim responses, and responses without a body leave the connection usable."""
    body = b"x" * size

    sent = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, body),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body),
        "interim": b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    }

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        data = sent[request.key]
        for byte in data[:PIECES]:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(data[PIECES:])

    async with raw_target(respond) as target:
        for key in (*sent, *sent):
            response = await call(caller, target, key)
            assert (response.error, response.status_code) == (None, 204 if key == "empty" else 200)
        assert target.opened == 1


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


async def test_interim_responses_are_limited(caller: HttpCaller) -> None:
    """Ten interim responses may precede a response; with more, the attempt fails and says so."""
    interim = UNASKED["an interim response"]

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(interim * MAX_INTERIM_RESPONSES)
        if request.key == "more":
            await writer.drain()
            writer.write(interim)
        writer.write(answer(request))

    async with raw_target(respond) as target:
        assert is_answer_to(await call(caller, target, "ten"), "ten")
        response = await call(caller, target, "more")
        assert response.error == "the call failed: the target sent more than 10 interim responses (1xx)"
        assert is_answer_to(await call(caller, target, "ten"), "ten")
        assert [request.connection for request in target.requests] == [0, 0, 1]


@pytest.mark.timing
async def test_endless_interim_responses_cost_little(caller: HttpCaller) -> None:
    """A target that streams interim responses does not keep the worker busy."""

    async def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(UNASKED["an interim response"] * 1000)
            await writer.drain()

    async with raw_target(respond) as target:
        responses = await asyncio.gather(*(call(caller, target, str(number)) for number in range(20)))
    assert {response.error for response in responses} == {
        "the call failed: the target sent more than 10 interim responses (1xx)"
    }
    assert max(response.duration for response in responses) < ENOUGH / 4


HEAD = b"HTTP/1.1 200 OK\r\n"
INVALID = {
    b"220 mail.example ESMTP\r\n\r\n": "the response is not valid HTTP/1.1: its status line is malformed",
    b"HTTP/1.1 abc OK\r\n\r\n": "the response is not valid HTTP/1.1: its status line is malformed",
    HEAD + b"no colon\r\n\r\n": "the response is not valid HTTP/1.1: a header is malformed",
    HEAD + b"X: a\0b\r\n\r\n": "the response is not valid HTTP/1.1: a header is malformed",
    HEAD + b"X: %s\r\n\r\n" % (b"x" * 300_000): "the head of the response has more than 256 KiB",
    HEAD + b"X: 1\r\n" * 1_100 + b"\r\n": "the response is not valid HTTP/1.1: it has more than 1,000 headers",
    HEAD + b"Content-Length: many\r\n\r\n": "the response is not valid HTTP/1.1: its Content-Length is invalid",
    HEAD
    + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n": "the response is not valid HTTP/1.1: its chunks are malformed",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nmany\r\n": (
        "the response is not valid HTTP/1.1: its chunks are malformed"
    ),
    HEAD + b"X: incomplete": "the target closed the connection before its response was complete",
    b"": "the target closed the connection before its response was complete",
    HEAD + b"Content-Length: 9\r\n\r\nshort": "the connection ended within the body of the response",
}


@pytest.mark.parametrize("sent", INVALID, ids=range(len(INVALID)))
async def test_an_invalid_response_is_described_and_not_quoted(caller: HttpCaller, sent: bytes) -> None:
    """The attempt fails at once, with a sentence of Duetime's own."""

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        if not sent.endswith(b"many\r\n"):
            writer.close()

    async with raw_target(respond) as target:
        response = await call(caller, target, "key")
    begins = "" if response.status_code else "the call failed: "
    assert response.error == begins + INVALID[sent]
    assert response.duration < ENOUGH / 4
