"""What is a response and where it ends: nothing that a target sends beyond that harms another call."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.http.client import HttpCaller
from jobs.http.compat import MAX_INTERIM_RESPONSES, StrictResponseHandler
from jobs.http.transport import BUFFER_BYTES
from tests.support.calls import ENOUGH, UNASKED, call, is_answer_to, local_caller
from tests.support.raw_target import Request, answer, raw_target

pytestmark = pytest.mark.both_loops

PIECES = 100
"""Bytes of a response that arrive one by one."""
MOST_PIECES = 1_000
"""Into so many pieces a response of any size is divided, because each takes time."""


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    """Open the connections of a worker that may call this machine."""
    async with local_caller() as running:
        yield running


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
    smallest = len(sent) // MOST_PIECES
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
            piece = max(size, smallest)
            handler.data_received(sent[:piece])
            sent = sent[piece:]
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
