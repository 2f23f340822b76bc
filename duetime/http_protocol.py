"""HTTP/1.1 as uvicorn speaks it, but for clients that never come to the point: their connections are closed."""

import asyncio
from datetime import timedelta
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

REQUEST_WITHIN = timedelta(seconds=10)
"""How long a client may take for the head of a request."""
MAX_HEAD_BYTES = 32 * 1024
"""How long the head of a request may be, its headers included."""


class ImpatientProtocol(H11Protocol):
    """One connection of one client."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """Begins to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Waits from the first byte of a request to the end of its head."""
        if self._patience is None and not self._is_answering():
            self._wait()
        super().data_received(data)
        if self._is_answering():
            self._wait_no_more()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A websocket has patience of its own."""
        self._wait_no_more()
        super().handle_websocket_upgrade(event)

    def _is_answering(self) -> bool:
        # uvicorn types it as if there always were one.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._patience = self.loop.call_later(REQUEST_WITHIN.total_seconds(), self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.close()
