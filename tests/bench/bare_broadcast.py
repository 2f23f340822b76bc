"""The counterpart of subscriptions: the same WebSocket server, which sends the same text to every socket.

Run it as `python -m tests.bench.bare_broadcast`; it prints its port. It sends each text that arrives on a socket after
the first one to all sockets, by one task for each, and repeats it as often as the number at its beginning says.
"""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from duetime import loop


class Broadcast:
    """What is sent to all sockets."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._moved = asyncio.Event()

    async def talk(self, websocket: WebSocket) -> None:
        """Serve one socket until it is closed."""
        await websocket.accept(subprotocol="graphql-transport-ws")
        telling = asyncio.create_task(self._tell(websocket))
        try:
            while True:
                number, blank, text = (await websocket.receive_text()).partition(" ")
                if blank and number.isdigit():
                    self._texts += [text] * int(number)
                    moved, self._moved = self._moved, asyncio.Event()
                    moved.set()
        except WebSocketDisconnect:
            telling.cancel()

    async def _tell(self, websocket: WebSocket) -> None:
        sent = len(self._texts)
        while True:
            while sent < len(self._texts):
                await websocket.send_text(self._texts[sent])
                sent += 1
            await self._moved.wait()


def main() -> None:
    """Serve on a free port of the loopback address until the process is terminated."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 (the parent reads it)
    app = Starlette(routes=[WebSocketRoute("/graphql", Broadcast().talk)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio", lifespan="off"))
    loop.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
