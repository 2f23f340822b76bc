"""Many subscribers in one process, on WebSockets that are read as cheaply as Python can."""

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

PING, PONG = 0x89, 0x8A


class Watcher(asyncio.Protocol):
    """One WebSocket."""

    def __init__(self) -> None:
        self.frames = 0
        self.last_at = 0.0
        self.texts: list[bytes] = []
        self.begun = asyncio.Event()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            "GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.begun.is_set():
            head, end, self._received = self._received.partition(b"\r\n\r\n")
            if not end:
                self._received = head
                return
            assert b" 101 " in head, head
            self.begun.set()
        start = 0
        while (frame := frame_at(self._received, start)) is not None:
            opcode, begin, start = frame
            if opcode == PING:
                self._transport.write(bytes([PONG, 0x80 | start - begin]) + bytes(4) + self._received[begin:start])
                continue
            self.frames += 1
            self.texts.append(self._received[begin:start])
            self.last_at = time.perf_counter()
        self._received = self._received[start:]

    def send(self, message: Any) -> None:
        """Send a text, or JSON."""
        text = (message if isinstance(message, str) else json.dumps(message)).encode()
        assert len(text) < 65_536
        # Masked with zeros, so that the text is its own mask's result.
        self._transport.write(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)

    def pause(self) -> None:
        """Stop reading until `resume` is called."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def frame_at(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Return an unmasked frame's first byte and the bounds of its payload, or None if it is incomplete."""
    if len(data) < start + 2 or (data[start + 1] == 126 and len(data) < start + 4):
        return None
    length = data[start + 1]
    begin = start + 2
    if length == 126:
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        begin = start + 4
    return (data[start], begin, begin + length) if begin + length <= len(data) else None


@asynccontextmanager
async def watching(port: int, count: int) -> AsyncIterator[list[Watcher]]:
    """Open `count` sockets."""
    loop = asyncio.get_running_loop()
    watchers = []
    try:
        for _ in range(count):
            _, watcher = await loop.create_connection(Watcher, "127.0.0.1", port)
            watchers.append(watcher)
            await watcher.begun.wait()
        yield watchers
    finally:
        for watcher in watchers:
            watcher.close()


async def all_have(watchers: list[Watcher], frames: int) -> float:
    """Return the instant at which the last of them received its last frame, once each has `frames`."""
    async with asyncio.timeout(120):
        while any(watcher.frames < frames for watcher in watchers):  # noqa: ASYNC110 (another process sends them)
            await asyncio.sleep(0.02)
    assert {watcher.frames for watcher in watchers} == {frames}
    return max(watcher.last_at for watcher in watchers)
