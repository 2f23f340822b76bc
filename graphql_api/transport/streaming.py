"""A streamed response: as server-sent events, or as parts of a multipart body."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import Receive, Scope, Send

KEEP_ALIVE = timedelta(seconds=12)
"""How long a stream may be silent. Proxies close connections that are silent for longer."""
UNBUFFERED = [
    (b"cache-control", b"no-cache, no-transform"),
    # Makes nginx pass each result on at once.
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The format of a stream: its beginning, its keep-alive, and its end."""

    content_type: bytes
    opening: bytes
    silence: bytes
    end: bytes


class ResultStream:
    """The response. It ends with the operation, when the client disconnects, or when it is closed.

    `frames` are its results in its format.
    """

    def __init__(
        self, frames: AsyncGenerator[bytes, None], form: Format, *, keep_alive: timedelta = KEEP_ALIVE
    ) -> None:
        self._frames = frames
        self._form = form
        self._keep_alive = keep_alive
        self._sent_at = 0.0
        self._closed = asyncio.Event()

    def close(self) -> None:
        """End the stream before the operation has ended. A client that wants more reconnects."""
        self._closed.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the results."""
        headers = [(b"content-type", self._form.content_type), *UNBUFFERED]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # Shows the client at once that the stream is open.
        await self._send(send, self._form.opening)
        telling = asyncio.create_task(self._tell(send))
        closed, gone = asyncio.create_task(self._closed.wait()), asyncio.create_task(until_gone(receive))
        others = {asyncio.create_task(self._stay_alive(send)), closed, gone}
        try:
            await asyncio.wait({telling, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in {telling, *others}:
                task.cancel()
            await asyncio.wait({telling, *others})
        if not telling.cancelled():
            telling.result()
            await send({"type": "http.response.body", "body": self._form.end})
        elif gone.cancelled():
            await send({"type": "http.response.body", "body": b""})

    async def _tell(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            async for frame in frames:
                await self._send(send, frame)

    async def _stay_alive(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            silent_until = self._sent_at + self._keep_alive.total_seconds()
            if silent_until <= clock():
                await self._send(send, self._form.silence)
            else:
                await asyncio.sleep(silent_until - clock())

    async def _send(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sent_at = asyncio.get_running_loop().time()


async def until_gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
