"""A target that behaves as badly as real ones do, in a process of its own, and keeps a log of every call.

The first part of a path says how it answers, the second a number; what follows tells tasks apart:

- ``/ok``: at once; ``/slow/300``: after so many milliseconds; ``/fail/2``: 500 to the first so many attempts of a run
- ``/hang``: never; ``/reset``: the connection breaks; ``/drip``: a byte each second; ``/garbage``: no HTTP;
  ``/headers``: headers without end
- ``/log/7``: the log from the 7th call on, as JSON

It listens on two ports, which are two hosts to Duetime, and prints both.
"""

import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.request import urlopen

DRIPPED = 1_000
HEADERS_AT_ONCE = 100


class RoughCall(NamedTuple):
    """A call as it came in. `answered_at`: when its answer was complete, if it ever was."""

    at: datetime
    path: str
    key: str
    attempt: int
    status: int | None
    answered_at: datetime | None


class Log:
    """Every call in the order in which they came in: instant, path, key, attempt, status, and when it was answered."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.by_key: Counter[str] = Counter()


class Connection(asyncio.Protocol):
    """One connection. Requests come whole or in pieces, one after another, and have no body."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._received = b""
        self._writable = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this first."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone, or we have."""
        for task in self._working:
            task.cancel()

    def pause_writing(self) -> None:
        """The caller does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The caller reads again."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Takes in a piece of a request."""
        at = time.time()
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            self._take(request.decode("latin-1").split("\r\n"), at=at)

    def _take(self, lines: list[str], *, at: float) -> None:
        path = lines[0].split(" ", 2)[1]
        _, behaviour, *rest = path.split("/")
        number = int(rest[0]) if rest and rest[0].isdigit() else 0
        if behaviour == "log":
            self._answer(200, json.dumps(self._log.calls[number:]).encode())
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
                self._answer(200, b"ok", call=call)
            case "fail":
                self._answer(500 if self._log.by_key[call[2]] <= number else 200, b"failed so often", call=call)
            case "slow":
                asyncio.get_running_loop().call_later(number / 1000, lambda: self._answer(200, b"slow", call=call))
            case "reset":
                self._reset()
            case "garbage":
                self._transport.write(os.urandom(4096))
                self._transport.close()
            case "drip":
                self._work(self._drip())
            case "headers":
                self._work(self._headers())
            case "hang":
                pass
            case _:
                self._answer(404, b"no such behaviour", call=call)

    def _answer(self, status: int, body: bytes, *, call: list[Any] | None = None) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        if call is not None:
            call[4:] = [status, time.time()]

    def _reset(self) -> None:
        # To linger for no time sends an RST instead of an orderly end.
        held: socket.socket = self._transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _work(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _drip(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DRIPPED)
        for _ in range(DRIPPED):
            self._transport.write(b".")
            await asyncio.sleep(1)

    async def _headers(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self._transport.write(b"X-More: and more, and no end of it\r\n" * HEADERS_AT_ONCE)
            await self._writable.wait()
            await asyncio.sleep(0)


class RoughTarget:
    """The running process, as a test sees it: two URLs, and the log."""

    def __init__(self, ports: list[int]) -> None:
        self.url, self.other_url = (f"http://127.0.0.1:{port}" for port in ports)

    async def calls(self, *, since: int = 0) -> list[RoughCall]:
        """The calls that came in so far, from the one numbered `since` on."""
        found = await asyncio.to_thread(self._read, since)
        return [
            RoughCall(
                at=instant(at),
                path=path,
                key=key,
                attempt=attempt,
                status=status,
                answered_at=answered and instant(answered),
            )
            for at, path, key, attempt, status, answered in found
        ]

    def _read(self, since: int) -> list[list[Any]]:
        with urlopen(f"{self.url}/log/{since}", timeout=30) as answer:
            found: list[list[Any]] = json.load(answer)
            return found


def instant(seconds: float) -> datetime:
    """The instant of a Unix time, to the microsecond below."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(seconds * 1_000_000))


@asynccontextmanager
async def running_rough_target() -> AsyncIterator[RoughTarget]:
    """The target until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    try:
        assert process.stdout is not None
        yield RoughTarget([int(port) for port in (await process.stdout.readline()).split()])
    finally:
        process.terminate()
        await process.wait()


async def serve() -> None:
    """Serves until the process is ended."""
    log = Log()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Connection(log), "127.0.0.1", 0, backlog=1024) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)  # noqa: T201 (the test reads it)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
