"""A way to a server on which a test can do what networks do: cut connections, delay what they carry, or stall."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

CHUNK = 64 * 1024


class Proxy:
    """Carries connections to a port of the loopback address.

    `latency` is how long each piece is held up, in either direction.
    """

    def __init__(self, port: int) -> None:
        self.latency = timedelta()
        self.port = 0
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def stall(self) -> None:
        """Lets nothing pass from now on; connections stay open, and what is sent meanwhile arrives afterwards."""
        self._flowing.clear()

    def flow(self) -> None:
        """Lets everything pass again."""
        self._flowing.set()

    def swallow(self) -> None:
        """Lets nothing pass any more on the connections that there are, as when a host vanished; new ones are well."""
        self._swallowed |= self._open

    def cut(self, number: int | None = None) -> int:
        """Breaks the oldest so many connections, or all, on both sides at once; returns how many."""
        connections = list(self._open)[:number]
        for client in connections:
            client.transport.abort()
        return len(connections)

    async def carry(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        self._open.add(client)
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            client.transport.abort()
        else:
            ways = [
                asyncio.create_task(self._pump(reader, server, client)),
                asyncio.create_task(self._pump(server_reader, client, client)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Before anything is awaited, since a close may cancel this here.
                for end in (client, server):
                    end.transport.abort()
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._open.discard(client)
            self._swallowed.discard(client)
            self._carrying.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                await self._flowing.wait()
                if self.latency:
                    await asyncio.sleep(self.latency.total_seconds())
                if client in self._swallowed:
                    continue
                writer.write(piece)
                await writer.drain()

    async def close(self) -> None:
        """Ends all connections."""
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)


@asynccontextmanager
async def running_proxy(port: int) -> AsyncIterator[Proxy]:
    """A proxy to `port`, on a free port of its own."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
