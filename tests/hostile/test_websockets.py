"""Hostile WebSocket clients: they cost no more than an honest one, before and after `connection_ack`."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar, cast

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from duetime.compat import PIECE, BoundedWebSocketProtocol
from graphql_api.transport.message_limits import MAX_BYTES, MAX_BYTES_BEFORE_ACK, MAX_MESSAGES_BEFORE_ACK
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.shared import Shared
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_loops

SHORT = timedelta(milliseconds=500)
WITHIN = 20
TEXT, CONTINUATION, CLOSE, PING, LAST = 0x1, 0x0, 0x8, 0x9, 0x80
AT_ONCE = 2 * PIECE
"""How many bytes of one client may be parsed in a turn of the event loop: those that arrive, and those that waited."""
MANY = 2_000
"""Messages that a client sends at once. They take several turns."""


class ShortTimeout(BoundedWebSocketProtocol):
    """The protocol with a timeout that a test can wait for."""

    write_timeout: ClassVar[timedelta] = SHORT


@pytest.fixture(scope="module")
async def shared_api(shared: Shared, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API whose clients have to read soon."""
    async with serving(shared.database, jobs_settings, websocket_protocol=ShortTimeout) as running:
        yield running


class RawWebSocket:
    """A WebSocket whose client sends whatever bytes it likes, and reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close_frame(self) -> tuple[int, str]:
        """Return the code and the reason in the closing frame, after which the server must close the connection."""
        async with asyncio.timeout(WITHIN):
            while True:
                head, length = await self.reader.readexactly(2)
                size = length if length < 126 else int.from_bytes(await self.reader.readexactly(2), "big")
                data = await self.reader.readexactly(size)
                if head == CLOSE | LAST:
                    assert await self.reader.read() == b""
                    return int.from_bytes(data[:2], "big"), data[2:].decode()

    async def read_until(self, end: bytes) -> None:
        """Read until these bytes come."""
        received = b""
        async with asyncio.timeout(WITHIN):
            while end not in received:
                received = received[-len(end) :] + await self.reader.read(2**16)

    async def flood(self, piece: bytes) -> int:
        """Send the same bytes again and again until the server ends the connection; return how many it took."""
        sent = 0
        try:
            async with asyncio.timeout(WITHIN):
                while True:
                    self.writer.write(piece)
                    await self.writer.drain()
                    sent += len(piece)
        except ConnectionError:
            return sent


def head(*headers: str) -> bytes:
    """Return a request for a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /graphql HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    return "\r\n".join([*lines, "Sec-WebSocket-Protocol: graphql-transport-ws", *headers, "", ""]).encode()


def frame(opcode: int, data: bytes = b"") -> bytes:
    """Return a frame, masked with zeros, so that its data stay as they are."""
    size = bytes([LAST | len(data)]) if len(data) < 126 else bytes([LAST | 126]) + len(data).to_bytes(2, "big")
    return bytes([opcode]) + size + bytes(4) + data


def text(message: Any) -> bytes:
    """Return the frame of a message."""
    return frame(TEXT | LAST, json.dumps(message).encode())


@asynccontextmanager
async def raw_socket(api: Api) -> AsyncIterator[RawWebSocket]:
    """Open a WebSocket."""
    host, port = api.url.removeprefix("http://").split(":")
    # With small buffers the client reads next to nothing by itself.
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(0)
    await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
    try:
        writer.write(head())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield RawWebSocket(reader, writer)
    finally:
        writer.transport.abort()


def connection(api: Api) -> BoundedWebSocketProtocol:
    """Return the server's end of the one WebSocket."""
    [found] = [each for each in api.server.server_state.connections if isinstance(each, BoundedWebSocketProtocol)]
    return found


async def all_parsed(api: Api) -> None:
    """Wait until the server has parsed what has arrived, and the application has taken all messages."""
    await asyncio.sleep(0.05)
    server = connection(api)
    await wait_until(lambda: not server._unparsed and server.queue.empty(), what="everything is parsed")


def read_nothing(raw: RawWebSocket, server: BoundedWebSocketProtocol) -> None:
    """Stop the client from reading, and let the operating system keep little of what the server sends."""
    server.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    cast("asyncio.ReadTransport", raw.writer.transport).pause_reading()


async def test_no_message_is_compressed(api: Api) -> None:
    """A client that offers compression gets none, because a short compressed message can be a long one."""
    url = f"{api.url.replace('http', 'ws', 1)}/graphql"
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url, subprotocols=protocols, compression="deflate", proxy=None) as client:
        assert client.protocol.extensions == []


async def test_messages_are_small_before_the_acknowledgement(api: Api) -> None:
    """A stranger's message has 16 KiB at most, in one piece or in several; after `connection_ack` the limit is that of
    a body.
    """
    empty = len(json.dumps({"type": "ping", "payload": {"a": ""}}))
    async with api.socket(begun=False) as client:
        await client.send({"type": "ping", "payload": {"a": "a" * (MAX_BYTES_BEFORE_ACK - empty)}})
        assert await client.receive() == {"type": "pong"}
        await client.begin()
        await client.send({"type": "ping", "payload": {"a": "a" * (MAX_BYTES - empty)}})
        assert await client.receive() == {"type": "pong"}
        await client.send({"type": "ping", "payload": {"a": "a" * (MAX_BYTES - empty + 1)}})
        assert await client.close_code() == 1009
    async with api.socket(begun=False) as client:
        await client.send({"type": "ping", "payload": {"a": "a" * (MAX_BYTES_BEFORE_ACK - empty + 1)}})
        assert await client.close_code() == 1009
    async with raw_socket(api) as raw:
        raw.writer.write(frame(TEXT, b" " * MAX_BYTES_BEFORE_ACK) + frame(CONTINUATION, b" "))
        code, _ = await raw.close_frame()
        assert code == 1009


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}], (4401, "Unauthorized: wait for")),
        ([{"type": "complete", "id": "1"}], (4401, "Unauthorized: wait for connection_ack")),
        ([{"type": "next", "id": "1"}], (4400, "Unknown message type: next")),
        ([{"type": "\ud800" + "ä" * 1_000}], (4400, "Unknown message type: ?ää")),
        ([{"type": "ping"}] * (MAX_MESSAGES_BEFORE_ACK + 1), (4429, "More than 8 messages before connection_ack")),
        ([{"type": "pong"}] * (MAX_MESSAGES_BEFORE_ACK + 1), (4429, "More than 8 messages before connection_ack")),
    ],
)
async def test_a_stranger_can_only_begin(api: Api, messages: list[Any], expected: tuple[int, str]) -> None:
    """Before `connection_ack` there are a few messages, none of which is an operation."""
    async with raw_socket(api) as raw:
        raw.writer.write(b"".join(map(text, messages)))
        code, reason = await raw.close_frame()
        assert (code, reason[: len(expected[1])]) == expected


async def test_an_operation_without_a_document(api: Api) -> None:
    """It is refused like any other wrong document, and is no internal error."""
    async with api.socket() as client:
        refused = await (await client.subscribe("")).message()
        expected = {"message": "The request has no query", "extensions": {"code": "BAD_REQUEST"}}
        assert (refused["type"], refused["payload"]) == ("error", [expected])


async def test_as_many_messages_as_are_allowed(api: Api) -> None:
    """A client that pings before it begins gets its answers and its acknowledgement."""
    async with api.socket(begun=False) as client:
        for _ in range(MAX_MESSAGES_BEFORE_ACK - 1):
            await client.send({"type": "ping"})
            assert await client.receive() == {"type": "pong"}
        await client.begin()


@pytest.mark.parametrize("flood", [text({"type": "pong"}), frame(PING | LAST), frame(CONTINUATION)])
async def test_a_flood_of_frames_lets_others_have_their_turn(
    api: Api, flood: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames that arrive together are handled a few at a time, and few of them are kept."""
    parsed, parse = 0, WebSocketsSansIOProtocol.data_received

    def counted(protocol: WebSocketsSansIOProtocol, data: bytes) -> None:
        nonlocal parsed
        parsed += len(data)
        parse(protocol, data)

    monkeypatch.setattr(WebSocketsSansIOProtocol, "data_received", counted)
    async with raw_socket(api) as raw:
        raw.writer.write(text({"type": "connection_init"}))
        await all_parsed(api)
        server = connection(api)
        begin, end = b"", text({"type": "ping"})
        if flood == frame(CONTINUATION):
            begin, end = frame(TEXT), frame(CONTINUATION | LAST, b'{"type":"ping"}')
        raw.writer.write(begin + flood * (25 * AT_ONCE // len(flood)) + end)
        answered = asyncio.create_task(raw.read_until(b'{"type":"pong"}'))
        most, kept, queued = 0, 0, 0
        while not answered.done():
            parsed = 0
            await asyncio.sleep(0)
            most, kept, queued = max(most, parsed), max(kept, len(server.frames)), max(queued, server.queue.qsize())
        await answered
        assert most <= AT_ONCE
        assert kept <= 1
        assert queued <= PIECE // 6


@pytest.mark.parametrize("opcode", [PING, TEXT])
async def test_a_client_that_asks_and_never_reads(api: Api, opcode: int) -> None:
    """Pings of both protocols are read no faster than their answers are, and the connection ends after a time."""
    piece = frame(PING | LAST, b"p" * 125) * 500 if opcode == PING else text({"type": "ping"}) * 500
    async with raw_socket(api) as raw:
        raw.writer.write(text({"type": "connection_init"}))
        await all_parsed(api)
        server, largest = connection(api), 0
        read_nothing(raw, server)
        flooding = asyncio.create_task(raw.flood(piece))
        while not flooding.done():
            largest = max(largest, server.transport.get_write_buffer_size() + len(server._unparsed))
            await asyncio.sleep(0)
        await flooding
        # The first limit of the write buffer, one piece of answers, and one read of what was not parsed.
        assert largest < 1024 * 1024
        await wait_until(lambda: server not in api.server.server_state.connections, what="the connection is closed")


async def test_an_unread_closing_frame_does_not_keep_a_connection(api: Api) -> None:
    """When the server closes a connection, it waits no longer for its client to read than it does otherwise."""
    async with raw_socket(api) as raw:
        raw.writer.write(text({"type": "connection_init"}))
        await all_parsed(api)
        server = connection(api)
        read_nothing(raw, server)
        # Fill the buffers of the operating system, and leave a part in the server's own.
        while not server.transport.get_write_buffer_size():
            server.transport.write(b"\x8a\x00" * 8192)
        server.keepalive_timeout()
        await wait_until(lambda: server not in api.server.server_state.connections, what="the connection is closed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"X-{number}: a" for number in range(200)], b" 431 "),
        (["X-Long: " + "a" * 9_000], b" 431 "),
        (["Sec-WebSocket-Version: 12"], b" 400 "),
    ],
)
async def test_a_handshake_that_the_library_refuses(api: Api, headers: list[str], status: bytes) -> None:
    """The client gets an answer, and the connection is closed; nobody else would end it."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(*headers))
    async with asyncio.timeout(WITHIN):
        answer = await reader.read()
    assert status in answer.partition(b"\r\n")[0], answer
    await wait_until(lambda: not api.server.server_state.connections, what="the connection is closed")
    writer.close()


async def test_text_that_is_not_utf_8_before_a_closing_frame(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Both arrive together, and the text would be answered with a closing frame after the closing frame."""
    async with raw_socket(api) as raw:
        raw.writer.write(frame(TEXT | LAST, b"\xff") + frame(CLOSE | LAST, b"\x03\xe8"))
        async with asyncio.timeout(WITHIN):
            await raw.reader.read()
    await wait_until(lambda: not api.server.server_state.connections, what="the connection is closed")
    assert "Fatal error" not in caplog.text


async def test_messages_before_a_broken_frame(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Their answers find a connection that is closed, which is no mistake of the server."""
    subscribe = {"type": "subscribe", "payload": {"query": "{ __typename }"}}
    async with raw_socket(api) as raw:
        raw.writer.write(text({"type": "connection_init"}) + text({"type": "ping"}) + frame(0x3 | LAST))
        async with asyncio.timeout(WITHIN):
            await raw.reader.read()
    async with raw_socket(api) as raw:
        raw.writer.write(text({"type": "connection_init"}))
        for _ in range(50):
            raw.writer.write(text(subscribe | {"id": "1"}) + text({"type": "complete", "id": "1"}))
        raw.writer.write(text({"type": "ping"}) + frame(0x3 | LAST))
        async with asyncio.timeout(WITHIN):
            await raw.reader.read()
    await wait_until(lambda: not api.server.server_state.tasks, what="the application has ended")
    assert "Traceback" not in caplog.text


async def test_the_server_reads_on_for_an_honest_client(api: Api) -> None:
    """A client that sends a lot at once, and reads, gets every answer, in pieces of any size."""
    async with raw_socket(api) as raw:
        messages = text({"type": "connection_init"}) + text({"type": "ping"}) * MANY
        answers = len(b"\x81\x19" + b'{"type":"connection_ack"}') + MANY * len(b"\x81\x0f" + b'{"type":"pong"}')
        raw.writer.write(messages)
        async with asyncio.timeout(WITHIN):
            received = await raw.reader.readexactly(answers)
        assert received.count(b"pong") == MANY
