"""Changes to uvicorn that rely on its internals. Look at each of them when uvicorn is upgraded.

`SignalFreeServer`
    uvicorn installs signal handlers of its own and raises the signal again after a graceful shutdown, so the process
    would be killed by the signal instead of exiting with status 0. It also looks ten times a second whether to stop,
    and writes the date of the responses each second, which took a fifth of an idle process's CPU time. Remove it when
    uvicorn can run without handlers, and waits.

`TimeoutHttpProtocol`
    uvicorn waits forever for the head of a request, and for a client that does not read its response. With httptools,
    it bounds no head, starts requests before the one before is answered, adds trailers to the headers, skips the body
    of a request that asks for an unknown upgrade, and takes requests without a Host. Remove it when uvicorn has
    timeouts for both, and is as strict with httptools as it is with h11.

`without_chunks`
    uvicorn with httptools sends chunks to clients of HTTP/1.0, which know none. Remove it when uvicorn no longer does.

`BoundedWebSocketProtocol`
    uvicorn parses everything that it has read at once, keeps a list entry for each fragment of a message, answers pings
    that nobody reads, waits forever for a client that reads nothing, and leaves a connection open whose handshake the
    library websockets has refused by itself. Its limit of a message is the same before and after authentication. Remove
    it when uvicorn bounds what one connection makes it do and keep.

`is_own_fault`
    uvicorn logs an error whenever the application refuses a websocket with an HTTP response, although ASGI provides for
    that, and a traceback whenever a client sends text that is not UTF-8. Remove it when uvicorn no longer does.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from typing import Any, ClassVar, cast

import httptools
import uvicorn
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from graphql_api.middleware import header_limits
from graphql_api.transport import message_limits, messages_together

HEAD_TIMEOUT = timedelta(seconds=10)
"""How long a client may take to send the head of a request."""
WRITE_TIMEOUT = timedelta(seconds=30)
"""How long a client may leave unread what it is sent, once the write buffer is full or the connection is closing."""
PIECE = 4 * 1024
"""How many bytes of a WebSocket are parsed at once. The smallest frame of a client has 6 bytes."""

FAULTS_OF_CLIENTS = {
    "ASGI callable returned without completing handshake.",
    "Invalid UTF-8 sequence received from client.",
}


class DatedState(ServerState):
    """The state of a server, whose default headers have the date of the moment at which they are read."""

    def __init__(self) -> None:
        self._other_headers: list[tuple[bytes, bytes]] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._second = 0
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response."""
        second = int(time.time())
        if second != self._second:
            self._headers = [(b"date", formatdate(second, usegmt=True).encode()), *self._other_headers]
            self._second = second
        return self._headers

    @default_headers.setter
    def default_headers(self, others: list[tuple[bytes, bytes]]) -> None:
        self._other_headers, self._second = others, 0


class SignalFreeServer(uvicorn.Server):
    """A uvicorn server that installs no signal handlers. Its owner stops it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = DatedState()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin a graceful shutdown, or end the start before it serves."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Wait until the server is to stop."""
        self.server_state.default_headers = self.config.encoded_headers
        await self._stopping.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the caller."""
        yield


class AbortTimer:
    """Aborts a connection after a time, unless it is stopped before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, after: timedelta) -> None:
        """Start the timer, unless it is running."""
        if self._handle is None:
            # `close` would wait until the client has read the write buffer, so this aborts.
            self._handle = asyncio.get_running_loop().call_later(after.total_seconds(), transport.abort)

    def stop(self) -> None:
        """Stop the timer if it is running."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


HEAD_END = re.compile(rb"\n\r?\n")
"""The end of a head, also where the parser refuses it because it wants CRLF."""
CHUNKS_END = b"\r\n\r\n"
"""The end of a chunked body. It may also occur within the body."""
PIECES_AT_ONCE = 1_000
"""How many pieces of one connection are parsed before the event loop serves others. The smallest has 4 bytes."""
VERSIONS = (b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")
TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+ ")
UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
REFUSALS = {
    "Content-Length overflow": (
        b"413 Content Too Large",
        "The Content-Length is larger than any body that is accepted",
    ),
}
"""Errors of httptools about requests that are well-formed, which the application would refuse in words."""


class HeldFlowControl(FlowControl):
    """A flow control that does not read while something is unparsed, however often the application asks for more."""

    is_held = False

    def hold(self) -> None:
        """Stop reading until it is released."""
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self.is_held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless it is held."""
        if not self.is_held:
            super().resume_reading()


class TimeoutHttpProtocol(HttpToolsProtocol):
    """One HTTP/1.1 connection, closed when the client sends no complete head or reads no response in time.

    There is no timeout for the body here: the application has it, because only the application can respond with 408.

    The parser gets a head when that is complete, then the body, and nothing beyond the end of a request before that
    request is answered: uvicorn would begin with all requests that it has read at once.
    """

    head_timeout: ClassVar[timedelta] = HEAD_TIMEOUT
    write_timeout: ClassVar[timedelta] = WRITE_TIMEOUT

    flow: HeldFlowControl

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = self._new_parser()
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer = AbortTimer()
        self._unparsed = bytearray()
        self._searched = 0
        self._reads_head = True
        self._request_is_complete = False
        self._body_left: int | None = 0
        """Bytes of the body that have not been parsed, or None if it is chunked."""
        self._bytes_without_body = 0
        self._unknown_method: str | None = None
        self._next_turn: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """Start the head timer."""
        super().connection_made(transport)
        self.flow = HeldFlowControl(transport)
        # uvloop would wait until nearly everything is read before it resumes writing.
        transport.set_write_buffer_limits()
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers, and forget what was not parsed."""
        super().connection_lost(exc)
        self._stop_head_timer()
        self._write_timer.stop()
        self._drop_unparsed()

    def data_received(self, data: bytes) -> None:
        """Parse the request up to its end, and keep the rest until it is answered."""
        self._unset_keepalive_if_required()
        self._unparsed += data
        if self._next_turn is None:
            self._go_on()

    def pause_writing(self) -> None:
        """Start the write timer: the write buffer is full."""
        super().pause_writing()
        self._write_timer.start(self.transport, self.write_timeout)

    def resume_writing(self) -> None:
        """Stop the write timer, or start it again if the connection is closing."""
        self._write_timer.stop()
        super().resume_writing()
        self._end_if_closing()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header without the white space after it, and no trailer: the application has the headers already."""
        if self._reads_head:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Start the application, unless the request asks for an upgrade. Raise HttpParserError for an ambiguous head.

        The parser has started the application by the time at which it notices an unknown encoding.
        """
        names = [name for name, _ in self.headers]
        encodings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if names.count(b"host") > 1 or (b"host" not in names and self.parser.get_http_version() != "1.0"):
            raise httptools.HttpParserError("The request needs one Host")
        if encodings not in ([], [b"chunked"]):
            raise httptools.HttpParserError("The only known Transfer-Encoding is chunked")
        if self.parser.should_upgrade() and not self._should_upgrade():
            return
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body_left = None if encodings else sum(lengths)
        super().on_headers_complete()
        if self._unknown_method is not None:
            # The application starts after this.
            self.scope["method"], self._unknown_method = self._unknown_method, None

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on to the application."""
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request, unless it asks for an upgrade: then this is the end of its head only."""
        if not self.parser.should_upgrade():
            self._request_is_complete = True
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the write timer if the response was the last one, or go on with the next request."""
        super().on_response_complete()
        self._end_if_closing()
        if self._next_turn is None and not self.transport.is_closing():
            self.flow.release()
            if self._unparsed:
                self._unset_keepalive_if_required()
                self._go_on()

    def send_400_response(self, msg: str) -> None:
        """Start the write timer: there will be no other response."""
        super().send_400_response(msg)
        self._end_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """Start the write timer: the client has sent no other request in time."""
        super().timeout_keep_alive_handler()
        self._end_if_closing()

    def handle_websocket_upgrade(self) -> None:
        """Stop the head timer, because websockets have timeouts of their own, and drop what came too early."""
        self._stop_head_timer()
        self._drop_unparsed()
        super().handle_websocket_upgrade()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, without_chunks(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # The application refuses two lengths in words, and closes the connection.
        parser.set_dangerous_leniencies(lenient_chunked_length=True)
        return parser

    def _is_responding(self) -> bool:
        # uvicorn's annotation leaves out that there is no cycle before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _go_on(self) -> None:
        """Parse, and keep the head timer running from the first byte of a request until its head is complete."""
        if self._head_timer is None and not self._is_responding():
            self._start_head_timer()
        try:
            self._parse()
        except httptools.HttpParserError as error:
            self._refuse(error)
        if self._is_responding():
            self._stop_head_timer()

    def _go_on_next_turn(self) -> None:
        self._next_turn = None
        self.flow.release()
        self._go_on()

    def _drop_unparsed(self) -> None:
        self._unparsed.clear()
        self.flow.is_held = False
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None

    def _parse(self) -> None:
        for _ in range(PIECES_AT_ONCE):
            if not self._unparsed or self.transport.is_closing():
                return
            if self._request_is_complete:
                if self._is_responding():
                    self.flow.hold()
                    return
                self._reads_head, self._request_is_complete = True, False
            size = self._size_of_head() if self._reads_head else self._size_of_part()
            if not size:
                return
            piece = bytes(self._unparsed[:size])
            del self._unparsed[:size]
            if self._reads_head:
                self._parse_head(piece)
            else:
                self._parse_part(piece)
        self.flow.hold()
        self._next_turn = self.loop.call_soon(self._go_on_next_turn)

    def _size_of_head(self) -> int:
        found = HEAD_END.search(self._unparsed, self._searched)
        # No method begins with a control character, and another protocol's greeting may.
        if self._unparsed[0] <= ord(" ") or (found is None and len(self._unparsed) > header_limits.MAX_BYTES):
            raise httptools.HttpParserError("This is no head of a request, or it is too long")
        self._searched = 0 if found else max(0, len(self._unparsed) - len("\n\r"))
        return found.end() if found else 0

    def _size_of_part(self) -> int:
        if self._body_left is not None:
            return min(self._body_left, len(self._unparsed))
        end = self._unparsed.find(CHUNKS_END)
        return end + len(CHUNKS_END) if end >= 0 else max(0, len(self._unparsed) - len(CHUNKS_END) + 1)

    def _parse_head(self, head: bytes) -> None:
        line_end = head.index(b"\n") + 1
        if not head.endswith(VERSIONS, 0, line_end) or head.startswith(b"CONNECT "):
            raise httptools.HttpParserError("Only requests of HTTP/1.1 and HTTP/1.0 are known, and no tunnels")
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserInvalidMethodError:
            if not TOKEN.match(head):
                raise
            # The application says which methods it accepts. To the parser, this is another one that it never accepts.
            method, rest = head.split(b" ", 1)
            self._unknown_method = method.decode("ascii")
            self.parser = self._new_parser()
            self._parse_head(b"TRACE " + rest)
            return
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
            self._unsupported_upgrade_warning()
            # This parser would take the body for the next request, because it has skipped it.
            self.parser = self._new_parser()
            self.parser.feed_data(UPGRADE.sub(b"", head))
        self._reads_head = False
        self._bytes_without_body = 0

    def _parse_part(self, part: bytes) -> None:
        if self._body_left is not None:
            self._body_left -= len(part)
        self._bytes_without_body += len(part)
        self.parser.feed_data(part)
        if self._bytes_without_body > header_limits.MAX_BYTES:
            raise httptools.HttpParserError("The request has more bytes around its chunks than in any head")

    def _refuse(self, error: httptools.HttpParserError) -> None:
        message = "Invalid HTTP request received."
        self.logger.warning(message)
        self._drop_unparsed()
        if not self._reads_head:
            if self.cycle.response_started:
                # An answer now would be a part of that response, or look like the response to the next request.
                self.transport.close()
                self._end_if_closing()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if str(error) in REFUSALS:
            self.transport.write(last_answer(*REFUSALS[str(error)]))
            self.transport.close()
            self._end_if_closing()
        else:
            self.send_400_response(message)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout.total_seconds(), self._close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._head_timer = None
        self.transport.close()
        self._end_if_closing()

    def _end_if_closing(self) -> None:
        # A closing connection stays until the client has read what is left in the write buffer.
        if self.transport.is_closing():
            self._write_timer.start(self.transport, self.write_timeout)


def last_answer(status: bytes, message: str) -> bytes:
    """Return an error in the form of the application's, after which the connection ends."""
    body = json.dumps({"error": message}).encode()
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, len(body)) + body


def without_chunks(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Return the app for a client that knows no chunks: the end of the connection is the end of its response."""

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        is_endless = False

        async def send_unframed(message: ASGISendEvent) -> None:
            nonlocal is_endless
            if message["type"] == "http.response.start":
                is_endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                cycle.chunked_encoding = False if is_endless else None
            elif message["type"] == "http.response.body" and is_endless:
                # Otherwise uvicorn would refuse to send more than it has announced.
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unframed)

    return run


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, whose client can neither fill the memory nor keep the event loop to itself.

    It parses small pieces, and the next one only when the application has taken all messages and the client has read
    what it was sent. Until then it does not read from the connection.
    """

    write_timeout: ClassVar[timedelta] = WRITE_TIMEOUT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = bytearray()
        self._parsing: asyncio.Handle | None = None
        self._write_timer = AbortTimer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the write timer, and forget what was not parsed."""
        self._write_timer.stop()
        self._unparsed.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the first piece now, and the others as soon as the application and the client are ready."""
        self._unparsed += data
        if self._parsing is None and self._is_ready():
            self._parse()
        else:
            self._continue()

    def pause_writing(self) -> None:
        """Stop reading, and start the write timer: the write buffer is full."""
        super().pause_writing()
        self._write_timer.start(self.transport, self.write_timeout)
        self._continue()

    def resume_writing(self) -> None:
        """Read again, and stop the write timer, or start it again if the connection is closing."""
        super().resume_writing()
        self._write_timer.stop()
        if self.transport.is_closing():
            self._write_timer.start(self.transport, self.write_timeout)
        self._continue()

    def handle_cont(self, event: Frame) -> None:
        """Append a fragment to the message, so that the number of fragments makes no difference."""
        # uvicorn's annotation says bytes, and the message is used as a buffer only.
        message: Any = self.frames[0]
        if not isinstance(message, bytearray):
            message = bytearray(message)
        message += event.data
        self.frames = [message]
        if event.fin:
            self.send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Close the connection of a client that answers no ping, also if it has not read what it was sent."""
        super().keepalive_timeout()
        self._write_timer.start(self.transport, self.write_timeout)

    async def run_asgi(self) -> None:
        """Offer the extensions to the application, and end the connection after it."""
        extensions = cast("dict[str, object]", self.scope["extensions"])
        extensions[message_limits.EXTENSION] = message_limits.extension(self._limit_messages)
        extensions[messages_together.EXTENSION] = messages_together.extension(self._send_texts)
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._write_timer.start(self.transport, self.write_timeout)

    async def send(self, message: Any) -> None:
        """Send a message of the application, and read again once that is the acceptance or the end.

        Raises ClientDisconnected if the connection is closed, because the client broke the protocol, for example.
        """
        await self.writable.wait()
        if self.close_sent and self.initial_response is None:
            # uvicorn knows that only of a connection that is lost, and would raise what looks like a mistake.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] != "websocket.send":
            self._continue()

    async def receive(self) -> Any:
        """Return the next message to the application, and read again once it was the last one."""
        message = await super().receive()
        self._continue()
        return message

    def _is_ready(self) -> bool:
        # After its closing frame uvicorn drops messages, but still has to read the closing frame of the client.
        waiting = not self.queue.empty() or (self.handshake_initiated and not self.handshake_complete)
        return self.writable.is_set() and (self.close_sent or not waiting)

    def _continue(self) -> None:
        if self.transport.is_closing():
            self._unparsed.clear()
        elif not self._is_ready():
            self.transport.pause_reading()
        elif self._unparsed:
            self.transport.pause_reading()
            if self._parsing is None:
                self._parsing = self.loop.call_soon(self._parse_if_ready)
        else:
            self.transport.resume_reading()

    def _parse_if_ready(self) -> None:
        self._parsing = None
        if self._is_ready():
            self._parse()
        else:
            self._continue()

    def _parse(self) -> None:
        piece = bytes(self._unparsed[:PIECE])
        del self._unparsed[:PIECE]
        try:
            super().data_received(piece)
        except InvalidState:
            # uvicorn closes for text that is not UTF-8, although the client has sent its closing frame after it.
            self.transport.abort()
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The library has refused the handshake; for what is no request, it has not even written an answer.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        self._continue()

    async def _send_texts(self, texts: Sequence[str]) -> None:
        await self.writable.wait()
        if self.close_sent or self.disconnected:
            raise ClientDisconnected
        try:
            for text in texts:
                self.conn.send_text(text.encode())
        except InvalidState:
            raise ClientDisconnected from None
        self.transport.write(b"".join(self.conn.data_to_send()))

    def _limit_messages(self, size: int) -> None:
        self.conn.max_message_size = size


def is_own_fault(record: logging.LogRecord) -> bool:
    """Return whether a log record of uvicorn is anything but an error that only clients can make or notice."""
    return record.msg not in FAULTS_OF_CLIENTS
