"""HTTP/1.1 as uvicorn speaks it, but for clients that never come to the point: their connections are closed.

So are those of clients that never take their answer. How long a body may take is the app's business, since only that
can answer 408.
"""

import asyncio
from datetime import timedelta
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_WITHIN = timedelta(seconds=10)
"""How long a client may take for the head of a request."""
TAKEN_WITHIN = timedelta(seconds=30)
"""How long a client may take nothing of an answer that waits for it."""


class TimeoutHttpProtocol(H11Protocol):
    """One connection of one client."""

    head_within: ClassVar[timedelta] = HEAD_WITHIN
    taken_within: ClassVar[timedelta] = TAKEN_WITHIN

    _patience: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """Begins to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Waits from the first byte of a request to the end of its head."""
        if self._patience is None and not self._is_answering():
            self._wait()
        super().data_received(data)
        if self._is_answering():
            self._wait_no_more()

    def pause_writing(self) -> None:
        """Begins to wait for the client to take what is there for it."""
        super().pause_writing()
        self._taken()
        # Closing would wait for the client, too.
        self._untaken = self.loop.call_later(self.taken_within.total_seconds(), self.transport.abort)

    def resume_writing(self) -> None:
        """Waits no more."""
        self._taken()
        super().resume_writing()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A websocket has patience of its own."""
        self._wait_no_more()
        super().handle_websocket_upgrade(event)

    def _is_answering(self) -> bool:
        # uvicorn types it as if there always were one.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._patience = self.loop.call_later(self.head_within.total_seconds(), self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.close()
