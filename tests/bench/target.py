"""The target of the calls: a server that responds at once, as cheaply as Python can, and records when each call
arrived.

`GET /arrivals` returns the instants (Unix seconds) and paths of all calls since the previous request for them.
"""

import asyncio
import json
import time
from typing import cast

from duetime import loop

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'


class Target(asyncio.Protocol):
    """One connection. Its requests have no body, and may arrive in pieces that end with an empty line."""

    def __init__(self, arrivals: list[tuple[float, str]]) -> None:
        self._arrivals = arrivals
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of uvloop are no subclasses.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            path = request.split(b" ", 2)[1].decode()
            if path == "/arrivals":
                self._transport.write(self._log())
            else:
                self._arrivals.append((time.time(), path))
                self._transport.write(OK)

    def _log(self) -> bytes:
        body = json.dumps(self._arrivals).encode()
        self._arrivals.clear()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve() -> None:
    """Serve on a free port of the loopback address, which it prints first, until the process is terminated."""
    arrivals: list[tuple[float, str]] = []
    server = await asyncio.get_running_loop().create_server(lambda: Target(arrivals), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (the parent reads it)
    await server.serve_forever()


if __name__ == "__main__":
    loop.run(serve())
