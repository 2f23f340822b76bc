"""Patches of aiohttp's internals, each with the reason for it and the condition under which it can go.

- `send_once`: aiohttp silently resends an idempotent request when a connection breaks, even after a part of the
  response. It can go once aiohttp has a public name for the switch.
- `StrictResponseHandler`, with `StrictConnector` and `StrictRequest`: aiohttp takes a response that nobody asked for as
  the response to the next request on that connection, and stops neither endless interim responses nor a call whose body
  is malformed. They can go once aiohttp ends a connection that receives anything without an open request. They also
  keep a connection no longer than its target does, which aiohttp does not know of; and `StrictRequest` writes the
  target of the request as it is, where aiohttp decodes and encodes parts of it, and adds no headers of its own.
- `unread`: aiohttp drops what has arrived of a body when the rest of it does not arrive. It can go once aiohttp returns
  that before it raises.
- `BadResponse`: aiohttp's errors quote the bytes of a response, which may repeat a secret. It can go once they say what
  is wrong without.
"""

import asyncio
import re
import select
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, cast

import aiohttp
from aiohttp import http_exceptions
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.helpers import _EXC_SENTINEL as NO_CAUSE
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL


def send_once(session: aiohttp.ClientSession) -> None:
    """Make a session send every request once."""
    session._retry_connection = False  # noqa: SLF001


MAX_INTERIM_RESPONSES = 10
MAX_HEADERS = 1_000
MAX_HEAD_BYTES = 256 * 1024
"""Bytes of the status line and the headers of a response, and of its interim responses, that are accepted."""
SWITCHING_PROTOCOLS = 101
"""It is not an interim response: the data after it is not HTTP."""
HEAD_END = re.compile(rb"[^\r\n]\r?\n\r?\n")
HEAD_END_BYTES = 5


class NotSent(Exception):
    """The request was not sent, so it can be sent over another connection."""

    def __init__(self) -> None:
        super().__init__("the request was not sent: the connection ended, or the target sent something, before it")


class BadResponse(Exception):
    """The response breaks the rules of HTTP. The message quotes nothing of it."""


class StrictResponseHandler(ResponseHandler):
    """The protocol of one connection, with at most one open request, from its first byte to the end of its response.

    Any byte that the target sends without an open request ends the connection. A piece of data may contain more than
    the end of a response, which the parser does not report. Therefore the parser gets each head, and the last byte of
    each piece, separately: a response has to be complete with the last byte, and no earlier. A body whose length is
    known needs no such care: it gets that many bytes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.is_kept = False
        """Whether the connection has had a request before."""
        self.has_excess = False
        """Whether more arrived than the response."""
        self.idle_limit: float | None = None
        """For how many seconds the target says that it keeps the connection without a request."""
        self.on_idle_end: Callable[[float], None] | None = None
        """Receives the idle time in seconds after which the target ended the connection."""
        self._is_open = False
        self._is_reused = False
        self._has_ended = False
        self._idle_since: float | None = None
        self._idle_before = 0.0
        self._response: StreamReader | None = None
        self._body_bytes_left = 0
        self._interim_responses = 0
        self._received = 0
        self._end_of_data = b""
        self._arrivals = select.poll()

    @property
    def idle_seconds(self) -> float:
        """How long the connection has been idle."""
        return 0 if self._idle_since is None else monotonic() - self._idle_since

    @property
    def ended_without_response(self) -> bool:
        """Whether the connection had an earlier request, and ended before any byte of the response to this one.

        The target then most likely closed it while the request was in transit.
        """
        return self._is_reused and self._has_ended and not self._received

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is open and nothing of what the event loop knows is left to read or to write."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.exception() is not None:
            return False
        return not (self._reading_paused or self._buffer_paused or transport.get_write_buffer_size())

    @property
    def is_clean(self) -> bool:
        """Whether the connection is quiet, and nothing has arrived that the event loop has not read yet."""
        if not self.is_quiet or self.transport is None:
            return False
        # TLS sends tickets for later sessions at the beginning, which are not part of a response.
        is_fresh_tls = not self.is_kept and self.transport.get_extra_info("ssl_object") is not None
        return is_fresh_tls or not self._arrivals.poll(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Observe what arrives, and what the event loop has not read yet."""
        super().connection_made(transport)
        self._arrivals.register(transport.get_extra_info("socket"), select.POLLIN)

    @property
    def should_close(self) -> bool:
        """Whether the connection cannot be used again. aiohttp asks when a response is complete."""
        is_writing = self.transport is not None and self.transport.get_write_buffer_size() > 0
        return super().should_close or is_writing

    def open_request(self) -> None:
        """Begin a request, right before its first byte is written. Raises `NotSent`."""
        if not self.is_clean:
            self._end(NotSent())
            raise NotSent
        self._is_reused, self._idle_before = self.is_kept, self.idle_seconds
        self.is_kept = self._is_open = True
        self._response = None
        self._body_bytes_left = self._interim_responses = self._received = 0
        self._end_of_data = b""

    def data_received(self, data: bytes) -> None:
        """Parse what the target sent, if a request is open. aiohttp resumes its parser with no data."""
        if not self._is_open:
            if data:
                self._note_idle_end(self.idle_seconds)
                self._end(NotSent())
            return
        pieces = self._pieces(data)
        for piece in pieces:
            self._received += len(piece)
            if self._response is None and self._received > MAX_HEAD_BYTES:
                self._end(BadResponse(f"the head of the response has more than {MAX_HEAD_BYTES // 1024} KiB"))
                return
            super().data_received(piece)
            if (error := self.exception()) is not None:
                if self._response is not None and self._response.is_eof():
                    self.has_excess = True
                elif self._response is not None:
                    self._response.set_exception(error)
                return
            if self._response is not None and self._response.is_eof():
                self._is_open = False
                self._idle_since = monotonic()
                if next(pieces, None) is not None:
                    self.has_excess = True
                    self._end(NotSent())
                return

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the data in pieces for the parser, whose state decides about the next one."""
        while data:
            size = len(data)
            if left := self._body_bytes_left:
                piece, data = data[:left], data[left:]
                self._body_bytes_left -= len(piece)
                yield piece
                continue
            if self._response is None:
                seen = self._end_of_data + data
                found = HEAD_END.search(seen)
                size = found.end() - len(self._end_of_data) if found else size
                self._end_of_data = b"" if found else seen[1 - HEAD_END_BYTES :]
            piece, data = data[:size], data[size:]
            if size > 1:
                yield piece[:-1]
            yield piece[-1:]

    def pause_reading(self) -> None:
        """Receive nothing until the reader of the response has room again.

        Unlike aiohttp's method, this does not pause the parser, which would hold back the rest of a piece.
        """
        self._reading_paused = True
        self._drop_timeout()
        self._pause_transport_reading()

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take the head of a response, which the parser has read, and its body."""
        message, body = data
        if self._response is not None:
            return  # `data_received` ends the connection
        if 100 <= message.code < 200 and message.code != SWITCHING_PROTOCOLS:
            self._interim_responses += 1
            if self._interim_responses > MAX_INTERIM_RESPONSES:
                self._end(BadResponse(f"the target sent more than {MAX_INTERIM_RESPONSES} interim responses (1xx)"))
            return
        self._response = body
        self._body_bytes_left = body_bytes(message)
        self.idle_limit = idle_limit_of(message.headers.get("Keep-Alive", ""))
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, exc_cause: BaseException = NO_CAUSE) -> None:
        """Make the call fail."""
        if isinstance(exc, http_exceptions.HttpProcessingError):
            exc, exc_cause = BadResponse(problem_of(exc_cause)), NO_CAUSE
        super().set_exception(exc, exc_cause)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end of the connection."""
        self._has_ended = True
        is_by_target = self.transport is not None
        if is_by_target and not self._is_open:
            self._note_idle_end(self.idle_seconds)
        elif self.ended_without_response:
            self._note_idle_end(self._idle_before)
        if not self._is_open and self.exception() is None:
            self.set_exception(NotSent())
        super().connection_lost(exc)

    def _note_idle_end(self, seconds: float) -> None:
        if self._idle_since is not None and self.on_idle_end is not None:
            self.on_idle_end(seconds)

    def _end(self, error: Exception) -> None:
        self.abort()
        self.set_exception(error)


PROBLEMS = {
    "chunk": "its chunks are malformed",
    "transfer-encoding": "its Transfer-Encoding is invalid",
    "content-length": "its Content-Length is invalid",
    "too many headers": f"it has more than {MAX_HEADERS:,} headers",
    "duplicate": "it repeats a header that may occur once",
    "status": "its status line is malformed",
    "header": "a header is malformed",
}


def problem_of(error: BaseException) -> str:
    """Return what is wrong with a response that aiohttp's parser refuses, without quoting it."""
    if isinstance(error, http_exceptions.LineTooLong):
        problem = f"a line has more than {MAX_HEAD_BYTES:,} bytes"
    elif isinstance(error, http_exceptions.BadStatusLine):
        problem = PROBLEMS["status"]
    elif isinstance(error, http_exceptions.InvalidHeader):
        problem = PROBLEMS["header"]
    else:
        # The first line says what is wrong, and a quotation follows.
        first_line = str(getattr(error, "message", "")).partition("\n")[0].lower()
        problem = next((problem for word, problem in PROBLEMS.items() if word in first_line), "it is malformed")
    return f"the response is not valid HTTP/1.1: {problem}"


def body_bytes(message: RawResponseMessage) -> int:
    """Return the length of a response's body by its Content-Length, which the parser has checked, or 0 without one."""
    return 0 if message.chunked else int(message.headers.get("Content-Length", 0))


KEEP_ALIVE_TIMEOUT = re.compile(r"(?:^|[,;\s])timeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
MARGIN = 1.0
"""Seconds before the expected end of a connection in which it is no longer used, or half of its idle time if that is
less.
"""


def idle_limit_of(keep_alive: str) -> float | None:
    """Return for how many seconds a Keep-Alive field says that the connection is kept, or None."""
    found = KEEP_ALIVE_TIMEOUT.search(keep_alive)
    return None if found is None else float(found.group(1))


LEARNED_FOR = 3600.0
"""For how many seconds the observed limit of a host is trusted. A restart of the target also ends connections early."""
LEARNED_HOSTS = 1_000
LEARNED_AT_LEAST = 0.5
"""Seconds. Targets that keep connections keep them longer, so an earlier end is accidental."""


@dataclass(slots=True)
class Sending:
    """The data of one request that aiohttp does not pass on, in either direction.

    `target` is the target of the request as its first line has it; `fresh` asks for a new connection.
    """

    target: str
    fresh: bool = False
    connection: StrictResponseHandler | None = None


current_sending: ContextVar[Sending] = ContextVar("current_sending")


class StrictConnector(aiohttp.TCPConnector):
    """A connector that reuses a connection only if it is clean and its target is not about to end it. How long a target
    keeps connections is known from its `Keep-Alive` field, or from the end of an earlier connection.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(StrictResponseHandler, loop=self._loop)  # type: ignore[assignment]  # a subclass
        self._learned: dict[ConnectionKey, tuple[float, float]] = {}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's signature)
    ) -> Connection:
        """Return a kept connection or a new one."""
        sending, key = current_sending.get(), req.connection_key
        while True:
            connection = await super().connect(req, traces, timeout)
            handler = handler_of(connection)
            # Whether something arrived meanwhile, which takes a system call, is asked right before the first byte.
            if not handler.is_kept or (not sending.fresh and handler.is_quiet and self._is_young(handler, key)):
                sending.connection = handler
                handler.on_idle_end = partial(self.learn, key)
                return connection
            connection.close()

    def learn(self, key: ConnectionKey, seconds: float) -> None:
        """Note that a target ended a connection after this number of idle seconds."""
        if seconds < LEARNED_AT_LEAST:
            return
        self._learned.pop(key, None)
        self._learned[key] = seconds, monotonic()
        if len(self._learned) > LEARNED_HOSTS:
            del self._learned[next(iter(self._learned))]

    def _is_young(self, handler: StrictResponseHandler, key: ConnectionKey) -> bool:
        """Return whether the target keeps a connection for clearly longer than it has been idle."""
        limits = [] if handler.idle_limit is None else [handler.idle_limit]
        if learned := self._learned.get(key):
            limit, at = learned
            if monotonic() - at < LEARNED_FOR:
                limits.append(limit)
            else:
                del self._learned[key]
        return all(handler.idle_seconds < limit - min(MARGIN, limit / 2) for limit in limits)


class RequestTarget(NamedTuple):
    """Stands for the URL of a request while aiohttp writes its first line."""

    raw_path_qs: str


NOT_ADDED = CIMultiDict[None]({"Content-Type": None})
"""aiohttp would label a body without a type as an octet-stream."""


class StrictRequest(aiohttp.ClientRequest):
    """A request that opens right before its first byte is written, which depends on whether it has a body."""

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add no headers: the caller has given all of them."""
        self._skip_auto_headers = NOT_ADDED

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send a request without a body, or prepare to send the head with the body. Raises `NotSent`."""
        if not self.body:
            handler_of(conn).open_request()
        url, self.url = self.url, cast("URL", RequestTarget(current_sending.get().target))
        try:
            return await super().send(conn)
        finally:
            self.url = url

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Send the head and the body. The reader of the response learns of `NotSent`."""
        if self.body:
            try:
                handler_of(conn).open_request()
            except NotSent:
                return
        await super().write_bytes(writer, conn, content_length)


def handler_of(connection: Connection) -> StrictResponseHandler:
    """Return the protocol of an open connection of `StrictConnector`."""
    assert isinstance(connection.protocol, StrictResponseHandler)  # noqa: S101 (for the type checker)
    return connection.protocol


def unread(body: StreamReader) -> bytes:
    """Return the part of a body that has arrived and was not read, even if the rest failed."""
    return b"" if body.is_eof() and body.exception() is None else bytes(body._read_nowait(-1))  # noqa: SLF001
