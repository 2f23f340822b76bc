"""A TCP proxy with which a test can imitate network faults: cut, delayed and stalled connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

CHUNK = 64 * 1024


class Proxy:
    """Forwards connections to a port of the loopback address.

    Each chunk is delayed by `latency`, in either direction.
    """

    def __init__(self, port: int) -> None:
        self.latency = timedelta()
        self.port = 0
        self._target_port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._blackholed: set[asyncio.StreamWriter] = set()
        self._forwarding: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def stall(self) -> None:
        """Forward nothing until `flow` is called. Connections stay open, and what was sent arrives afterwards."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward everything again."""
        self._flowing.set()

    def swallow(self) -> None:
        """Discard everything on the present connections, as if the host had vanished. New connections work."""
        self._blackholed |= self._open

    def cut(self, number: int | None = None) -> int:
        """Abort that many connections, or all, on both sides. Return their number."""
        connections = list(self._open)[:number]
        for client in connections:
            client.transport.abort()
        return len(connections)

    async def forward(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Forward one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._forwarding.add(task)
        self._open.add(client)
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            client.transport.abort()
        else:
            directions = [
                asyncio.create_task(self._pump(reader, server, client)),
                asyncio.create_task(self._pump(server_reader, client, client)),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in (client, server):
                    end.transport.abort()
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        finally:
            self._open.discard(client)
            self._blackholed.discard(client)
            self._forwarding.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._flowing.wait()
                if self.latency:
                    await asyncio.sleep(self.latency.total_seconds())
                if client in self._blackholed:
                    continue
                writer.write(chunk)
                await writer.drain()

    async def close(self) -> None:
        """End all connections."""
        # asyncio of Python 3.11 logs an error where the handler of a connection is cancelled.
        self.flow()
        self.cut()
        await asyncio.gather(*self._forwarding)


@asynccontextmanager
async def running_proxy(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy to `port` on a free port."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.forward, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
