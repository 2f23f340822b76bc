"""Results as server-sent events, by graphql-sse's "distinct connections mode": one operation, one response.

    event: next            for each result, with the result as data
    event: complete        at the end

Errors of the operation itself are sent as a result as well, because browsers do not show the body of a response that is
not a stream. (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md)
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from starlette.types import Receive, Scope, Send

KEEP_ALIVE = timedelta(seconds=12)
"""How long a stream may be silent. Proxies close connections that are silent for longer."""

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    # Makes nginx pass each event on at once.
    (b"x-accel-buffering", b"no"),
]
COMPLETE = b"event: complete\ndata:\n\n"
COMMENT = b":\n\n"


class EventStream:
    """The response. It ends with the operation, when the client has gone, or when it is closed."""

    def __init__(
        self,
        results: AsyncGenerator[Any, None],
        *,
        encode: Callable[[Any], str],
        keep_alive: timedelta = KEEP_ALIVE,
    ) -> None:
        self._results = results
        self._encode = encode
        self._keep_alive = keep_alive
        self._sent_at = 0.0
        self._closed = asyncio.Event()

    def close(self) -> None:
        """End the stream before the operation has ended. A client that wants more reconnects."""
        self._closed.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the results."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        # Shows the client at once that the stream is open.
        await self._send(send, COMMENT)
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
            await send({"type": "http.response.body", "body": COMPLETE})
        elif gone.cancelled():
            await send({"type": "http.response.body", "body": b""})

    async def _tell(self, send: Send) -> None:
        async with aclosing(self._results) as results:
            async for result in results:
                await self._send(send, f"event: next\ndata: {self._encode(result)}\n\n".encode())

    async def _stay_alive(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            silent_until = self._sent_at + self._keep_alive.total_seconds()
            if silent_until <= clock():
                await self._send(send, COMMENT)
            else:
                await asyncio.sleep(silent_until - clock())

    async def _send(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sent_at = asyncio.get_running_loop().time()


async def until_gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
