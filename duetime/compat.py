"""Changes to uvicorn that rely on its internals. Look at each of them when uvicorn is upgraded.

`SignalFreeServer`
    uvicorn installs signal handlers of its own and raises the signal again after a graceful shutdown, so the process
    would be killed by the signal instead of exiting with status 0. Remove it when uvicorn can run without handlers.

`TimeoutHttpProtocol`
    uvicorn waits forever for the head of a request, and for a client that does not read its response. Remove it when
    uvicorn has timeouts for both.

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
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from graphql_api.transport import message_limits

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


class SignalFreeServer(uvicorn.Server):
    """A uvicorn server that installs no signal handlers."""

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


class TimeoutHttpProtocol(H11Protocol):
    """One HTTP/1.1 connection, closed when the client sends no complete head or reads no response in time.

    There is no timeout for the body here: the application has it, because only the application can respond with 408.
    """

    head_timeout: ClassVar[timedelta] = HEAD_TIMEOUT
    write_timeout: ClassVar[timedelta] = WRITE_TIMEOUT

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """Start the head timer."""
        self._write_timer = AbortTimer()
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers."""
        super().connection_lost(exc)
        self._stop_head_timer()
        self._write_timer.stop()

    def data_received(self, data: bytes) -> None:
        """Keep the head timer running from the first byte of a request until its head is complete."""
        if self._head_timer is None and not self._is_responding():
            self._start_head_timer()
        super().data_received(data)
        if self._is_responding():
            self._stop_head_timer()

    def pause_writing(self) -> None:
        """Start the write timer: the write buffer is full."""
        super().pause_writing()
        self._write_timer.start(self.transport, self.write_timeout)

    def resume_writing(self) -> None:
        """Stop the write timer, or start it again if the connection is closing."""
        self._write_timer.stop()
        super().resume_writing()
        self._end_if_closing()

    def on_response_complete(self) -> None:
        """Start the write timer if the response was the last one."""
        super().on_response_complete()
        self._end_if_closing()

    def send_400_response(self, msg: str) -> None:
        """Start the write timer: there will be no other response."""
        super().send_400_response(msg)
        self._end_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """Start the write timer: the client has sent no other request in time."""
        super().timeout_keep_alive_handler()
        self._end_if_closing()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop the head timer, because websockets have timeouts of their own."""
        self._stop_head_timer()
        super().handle_websocket_upgrade(event)

    def _is_responding(self) -> bool:
        # uvicorn's annotation leaves out that there is no cycle before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

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
        """Offer the extension of message limits to the application, and end the connection after it."""
        extensions = cast("dict[str, object]", self.scope["extensions"])
        extensions[message_limits.EXTENSION] = message_limits.extension(self._limit_messages)
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

    def _limit_messages(self, size: int) -> None:
        self.conn.max_message_size = size


def is_own_fault(record: logging.LogRecord) -> bool:
    """Return whether a log record of uvicorn is anything but an error that only clients can make or notice."""
    return record.msg not in FAULTS_OF_CLIENTS
