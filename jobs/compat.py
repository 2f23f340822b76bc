"""Patches of libraries' internals, each with the reason for it and the condition under which it can go.

- `WorkerPipeline`: a redis pipeline that is cancelled while it resets loses its connection: the pool counts it as in
  use and its socket stays open. arq cancels its jobs, and so their pipelines, whenever a worker stops. It can go once
  redis's `Pipeline.reset` releases the connection when it is cancelled.
- `WorkerRedis`: arq closes its Redis client by `close`, which redis has renamed to `aclose` and warns of. It also makes
  `WorkerPipeline` the kind of its pipelines. It can go once arq calls `aclose` and `WorkerPipeline` has gone.
- `send_once`: aiohttp silently resends an idempotent request when a kept connection breaks. Only a retry may do that,
  with a number of its own. It can go once aiohttp has a public name for the switch.
- `ResponseWithoutReason`: httpx-aiohttp fails over a reason phrase that is not ASCII, which servers may send. It can go
  once httpx-aiohttp ignores the reason phrase.
- `StrictResponseHandler`, with `StrictConnector` and `StrictRequest`: aiohttp takes a response that nobody asked for as
  the response to the next request on that connection, and stops neither endless interim responses nor a call whose body
  is malformed. They can go once aiohttp ends a connection that receives anything without an open request.
- `BadResponse`: aiohttp's errors quote the bytes of a response, which may repeat a secret. It can go once they say what
  is wrong without.
- `CheckedUrl`: httpx parses each URL, which takes a fifth of a call, and aiohttp parses it again. It can go once a
  transport accepts a URL as text.
"""

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import aiohttp
import httpx
from aiohttp import http_exceptions
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.helpers import _EXC_SENTINEL as NO_CAUSE
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from arq.connections import ArqRedis
from httpcore._utils import is_socket_readable
from redis.asyncio.client import Pipeline


class WorkerPipeline(Pipeline):
    """A pipeline that gives its connection back even if it is cancelled while it resets."""

    async def reset(self) -> None:
        """Discard the pipeline's commands and release its connection."""
        try:
            await super().reset()  # type: ignore[no-untyped-call]
        finally:
            if self.connection is not None:
                # A response may still be on its way to it.
                await self.connection.disconnect(nowait=True)
                await self.connection_pool.release(self.connection)
                self.connection = None


class WorkerRedis(ArqRedis):
    """arq's client, closed by the method that redis still supports."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 (redis's signature)
        """Return a new pipeline."""
        return WorkerPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    async def close(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 (redis's signature)
        """Close all connections."""
        await self.aclose(close_connection_pool)


def send_once(session: aiohttp.ClientSession) -> None:
    """Make a session send every request once."""
    session._retry_connection = False  # noqa: SLF001


class ResponseWithoutReason(aiohttp.ClientResponse):
    """A response without its reason phrase, which nobody reads."""

    async def start(self, connection: Connection) -> Self:
        """Read the status line and headers of the response."""
        await super().start(connection)
        self.reason = None
        return self


MAX_INTERIM_RESPONSES = 10
SWITCHING_PROTOCOLS = 101
"""It is no interim response: what follows is not HTTP."""
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

    Any byte that the target sends without an open request ends the connection. A piece of data may contain the end of a
    response and more, which the parser does not tell. Therefore the parser gets each head, and the last byte of each
    piece, by itself: a response has to be complete with the last byte, and no earlier.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.is_kept = False
        """Whether the connection has had a request before."""
        self._is_open = False
        self._response: StreamReader | None = None
        self._interim_responses = 0
        self._end_of_data = b""

    @property
    def is_clean(self) -> bool:
        """Whether the connection is open and nothing is left to read or to write."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.exception() is not None:
            return False
        if self._reading_paused or self._buffer_paused or transport.get_write_buffer_size():
            return False
        # TLS sends tickets for later sessions at the beginning, which are no part of any response.
        is_fresh_tls = not self.is_kept and transport.get_extra_info("ssl_object") is not None
        return is_fresh_tls or not is_socket_readable(transport.get_extra_info("socket"))

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
        self.is_kept = self._is_open = True
        self._response = None
        self._interim_responses = 0
        self._end_of_data = b""

    def data_received(self, data: bytes) -> None:
        """Parse what the target sent, if a request is open. aiohttp resumes its parser with no data."""
        if not self._is_open:
            if data:
                self._end(NotSent())
            return
        pieces = self._pieces(data)
        for piece in pieces:
            super().data_received(piece)
            if (error := self.exception()) is not None:
                if self._response is not None and not self._response.is_eof():
                    self._response.set_exception(error)
                return
            if self._response is not None and self._response.is_eof():
                self._is_open = False
                if next(pieces, None) is not None:
                    self._end(NotSent())
                return

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the data in pieces for the parser, whose state decides about the next one."""
        while data:
            size = len(data)
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

        Unlike aiohttp's, this does not pause the parser, which would keep the rest of a piece to itself.
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
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, exc_cause: BaseException = NO_CAUSE) -> None:
        """Make the call fail."""
        if isinstance(exc, http_exceptions.HttpProcessingError):
            exc, exc_cause = BadResponse(problem_of(exc_cause)), NO_CAUSE
        super().set_exception(exc, exc_cause)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end of the connection."""
        if not self._is_open and self.exception() is None:
            self.set_exception(NotSent())
        super().connection_lost(exc)

    def _end(self, error: Exception) -> None:
        self.abort()
        self.set_exception(error)


PROBLEMS = {
    "chunk": "its chunks are malformed",
    "transfer-encoding": "its Transfer-Encoding is invalid",
    "content-length": "its Content-Length is invalid",
    "too many headers": "it has more than 128 headers",
    "duplicate": "it repeats a header that may occur once",
    "status": "its status line is malformed",
    "header": "a header is malformed",
}


def problem_of(error: BaseException) -> str:
    """Return what is wrong with a response that aiohttp's parser refuses, without a quotation of it."""
    if isinstance(error, http_exceptions.LineTooLong):
        problem = "a line has more than 8,190 bytes"
    elif isinstance(error, http_exceptions.BadStatusLine):
        problem = PROBLEMS["status"]
    elif isinstance(error, http_exceptions.InvalidHeader):
        problem = PROBLEMS["header"]
    else:
        # The first line says what is wrong, and a quotation follows.
        first_line = str(getattr(error, "message", "")).partition("\n")[0].lower()
        problem = next((problem for word, problem in PROBLEMS.items() if word in first_line), "it is malformed")
    return f"the response is not valid HTTP/1.1: {problem}"


class StrictConnector(aiohttp.TCPConnector):
    """A connector that uses a kept connection only if it is clean."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(StrictResponseHandler, loop=self._loop)  # type: ignore[assignment]  # a subclass

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's signature)
    ) -> Connection:
        """Return a kept connection or a new one."""
        while True:
            connection = await super().connect(req, traces, timeout)
            handler = handler_of(connection)
            if not handler.is_kept or handler.is_clean:
                return connection
            connection.close()


class StrictRequest(aiohttp.ClientRequest):
    """A request that opens right before its first byte is written, which depends on whether it has a body."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send a request without a body, or prepare to send the head with the body. Raises `NotSent`."""
        if not self.body:
            handler_of(conn).open_request()
        return await super().send(conn)

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


PLACEHOLDER_URL = httpx.URL("http://target/")


class CheckedUrl(httpx.URL):
    """A URL that was checked already. The transport uses only its text, which aiohttp parses."""

    def __init__(self, url: str) -> None:
        super().__init__(PLACEHOLDER_URL)
        self._text = url

    def __str__(self) -> str:
        return self._text
