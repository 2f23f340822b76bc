"""Changes to uvicorn that rely on its internals. Look at each of them when uvicorn is upgraded.

`SignalFreeServer`
    uvicorn installs signal handlers of its own and raises the signal again after a graceful shutdown, so the process
    would be killed by the signal instead of exiting with status 0. Remove it when uvicorn can run without handlers.

`TimeoutHttpProtocol`
    uvicorn waits forever for the head of a request, and for a client that does not read its response. Remove it when
    uvicorn has timeouts for both.

`is_no_refused_handshake`
    uvicorn logs an error whenever the application refuses a websocket with an HTTP response, although ASGI provides for
    that. Remove it when uvicorn no longer does.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_TIMEOUT = timedelta(seconds=10)
"""How long a client may take to send the head of a request."""
WRITE_TIMEOUT = timedelta(seconds=30)
"""How long a client may leave a response unread once the write buffer is full."""


class SignalFreeServer(uvicorn.Server):
    """A uvicorn server that installs no signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the caller."""
        yield


class TimeoutHttpProtocol(H11Protocol):
    """One HTTP/1.1 connection, closed when the client sends no complete head or reads no response in time.

    There is no timeout for the body here: the application has it, because only the application can respond with 408.
    """

    head_timeout: ClassVar[timedelta] = HEAD_TIMEOUT
    write_timeout: ClassVar[timedelta] = WRITE_TIMEOUT

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """Start the head timer."""
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers."""
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

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
        self._stop_write_timer()
        # `close` would wait until the client has read the buffer, so this aborts.
        self._write_timer = self.loop.call_later(self.write_timeout.total_seconds(), self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the write timer."""
        self._stop_write_timer()
        super().resume_writing()

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

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _close(self) -> None:
        self._head_timer = None
        self.transport.close()


def is_no_refused_handshake(record: logging.LogRecord) -> bool:
    """Return whether a log record is anything but uvicorn's complaint about a refused websocket."""
    return record.msg != "ASGI callable returned without completing handshake."
