"""A target with the faults of real ones. It runs in its own process and keeps a log of every call.

The first part of a path names the behaviour and the second part is a number; the rest tells tasks apart:

- ``/ok``: responds immediately; ``/slow/300``: responds after 300 milliseconds; ``/fail/2``: responds with 500 to the
  first two attempts of a run
- ``/hang``: never responds; ``/reset``: resets the connection; ``/drip``: sends a byte each second; ``/garbage``: sends
  bytes that are not HTTP; ``/headers``: sends endless headers
- ``/log/7``: returns the log from call number 7, as JSON

It listens on two ports, which Duetime treats as two hosts, and prints both.
"""

import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.request import urlopen

DRIPPED = 1_000
HEADERS_AT_ONCE = 100


class ReceivedCall(NamedTuple):
    """A call as received. `responded_at` is when its response was complete, or None if it never was."""

    at: datetime
    path: str
    key: str
    attempt: int
    status: int | None
    responded_at: datetime | None


class Log:
    """Every call in the order of arrival: time, path, key, attempt, status, and the time of the response."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.by_key: Counter[str] = Counter()


class Connection(asyncio.Protocol):
    """One connection. Its requests have no body, and may arrive in pieces."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._received = b""
        self._writable = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of the new connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the work for a closed connection."""
        for task in self._tasks:
            task.cancel()

    def pause_writing(self) -> None:
        """Note that the caller does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the caller reads again."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Receive a piece of a request, and handle each complete request."""
        at = time.time()
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            self._handle(request.decode("latin-1").split("\r\n"), at=at)

    def _handle(self, lines: list[str], *, at: float) -> None:
        path = lines[0].split(" ", 2)[1]
        _, behaviour, *rest = path.split("/")
        number = int(rest[0]) if rest and rest[0].isdigit() else 0
        if behaviour == "log":
            self._respond(200, json.dumps(self._log.calls[number:]).encode())
            return
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        key = headers.get("idempotency-key", "")
        self._log.by_key[key] += 1
        call = [at, path, key, int(headers.get("x-duetime-attempt", 0)), None, None]
        self._log.calls.append(call)
        self._behave(behaviour, number, call)

    def _behave(self, behaviour: str, number: int, call: list[Any]) -> None:
        match behaviour:
            case "ok":
                self._respond(200, b"ok", call=call)
            case "fail":
                self._respond(500 if self._log.by_key[call[2]] <= number else 200, b"fail", call=call)
            case "slow":
                asyncio.get_running_loop().call_later(number / 1000, lambda: self._respond(200, b"slow", call=call))
            case "reset":
                self._reset()
            case "garbage":
                self._transport.write(os.urandom(4096))
                self._transport.close()
            case "drip":
                self._spawn(self._drip())
            case "headers":
                self._spawn(self._headers())
            case "hang":
                pass
            case _:
                self._respond(404, b"no such behaviour", call=call)

    def _respond(self, status: int, body: bytes, *, call: list[Any] | None = None) -> None:
        if self._transport.is_closing():
            return
        if call is not None:
            # A run may end before the write returns.
            call[4:] = [status, time.time()]
        self._transport.write(b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    def _reset(self) -> None:
        # Closing with a linger time of zero sends RST instead of FIN.
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drip(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DRIPPED)
        for _ in range(DRIPPED):
            self._transport.write(b".")
            await asyncio.sleep(1)

    async def _headers(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self._transport.write(b"X-Endless: another header\r\n" * HEADERS_AT_ONCE)
            await self._writable.wait()
            await asyncio.sleep(0)


class FaultyTarget:
    """The running process: its two URLs, and its log."""

    def __init__(self, ports: list[int]) -> None:
        self.url, self.other_url = (f"http://127.0.0.1:{port}" for port in ports)

    async def calls(self, *, since: int = 0) -> list[ReceivedCall]:
        """Return the calls received so far, from call number `since`."""
        found = await asyncio.to_thread(self._read, since)
        return [
            ReceivedCall(
                at=instant(at),
                path=path,
                key=key,
                attempt=attempt,
                status=status,
                responded_at=answered and instant(answered),
            )
            for at, path, key, attempt, status, answered in found
        ]

    def _read(self, since: int) -> list[list[Any]]:
        with urlopen(f"{self.url}/log/{since}", timeout=30) as response:
            found: list[list[Any]] = json.load(response)
            return found


def instant(seconds: float) -> datetime:
    """Return the instant of a Unix time, rounded down to the microsecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(seconds * 1_000_000))


@asynccontextmanager
async def running_faulty_target() -> AsyncIterator[FaultyTarget]:
    """Run the target until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    try:
        assert process.stdout is not None
        yield FaultyTarget([int(port) for port in (await process.stdout.readline()).split()])
    finally:
        process.terminate()
        await process.wait()


async def serve() -> None:
    """Serve until the process is terminated."""
    log = Log()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Connection(log), "127.0.0.1", 0, backlog=1024) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)  # noqa: T201 (the test reads it)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
