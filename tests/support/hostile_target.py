"""A program: a target whose responses, chosen by path, try to harm the caller.

It prints its port on one line and serves until its standard input ends.
"""

import asyncio
import bz2
import gzip
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, repeat

Pieces = Iterator[bytes]

PIECE = 16 * 1024
PAUSE = 0.1
"""Seconds between the bytes of a slow response."""


def head(*headers: str) -> bytes:
    """Return the status line and headers of a 200 whose body ends when the connection closes."""
    return "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", "Connection: close", *headers, "")).encode()


def bomb(coding: str, window_bits: int) -> Pieces:
    """Return endless zeros, compressed to a thousandth of their size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    # What follows a full flush does not refer to earlier data, so it can be repeated.
    begin = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(16 * 1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    return chain([head(f"Content-Encoding: {coding}") + begin], repeat(zeros))


def packed_twice() -> Pieces:
    """Return a body that is compressed twice."""
    body = gzip.compress(gzip.compress(bytes(64 * 1024 * 1024)))
    return iter([head("Content-Encoding: gzip, gzip") + body])


def text(charset: str, body: bytes) -> Pieces:
    """Return a text with its charset."""
    return iter([head(f"Content-Type: text/plain; charset={charset}") + body])


BEHAVIOURS: dict[str, Callable[[], Pieces]] = {
    "gzip-bomb": lambda: bomb("gzip", 31),
    "deflate-bomb": lambda: bomb("deflate", 15),
    "raw-deflate-bomb": lambda: bomb("deflate", -15),
    "packed-twice": packed_twice,
    "empty-members": lambda: iter([head("Content-Encoding: gzip") + gzip.compress(b"") * 20_000]),
    "endless-members": lambda: chain([head("Content-Encoding: gzip")], repeat(gzip.compress(b"") * 500)),
    "members": lambda: iter([head("Content-Encoding: gzip") + gzip.compress(b"one,") + gzip.compress(b"two")]),
    "padded": lambda: iter([head("Content-Encoding: gzip") + gzip.compress(b"padded") + bytes(100)]),
    "nothing-comes-out": lambda: chain(
        [head("Content-Encoding: gzip") + gzip.compress(b"")[:10]], repeat(b"\x00\x00\x00\xff\xff" * 3000)
    ),
    "no-gzip": lambda: iter([head("Content-Encoding: gzip") + b"this is no gzip"]),
    "brotli": lambda: chain([head("Content-Type: text/html", "Content-Encoding: br")], repeat(b"\x1b\xff" * 8000)),
    "zstd": lambda: iter([head("Content-Type: text/html", "Content-Encoding: zstd") + b"\x28\xb5\x2f\xfd\x04\x00"]),
    "endless-body": lambda: chain([head()], repeat(b"x" * PIECE)),
    "endless-chunks": lambda: chain([head("Transfer-Encoding: chunked")], repeat(b"1\r\nx\r\n" * 2000)),
    "endless-trailers": lambda: chain([head("Transfer-Encoding: chunked"), b"0\r\n"], repeat(b"t: t\r\n" * 2000)),
    "endless-header": lambda: chain([b"HTTP/1.1 200 OK\r\nlong: "], repeat(b"h" * PIECE)),
    "endless-headers": lambda: chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"header: value\r\n" * 1000)),
    "endless-status": lambda: chain([b"HTTP/1.1 200 "], repeat(b"O" * PIECE)),
    "great-headers": lambda: iter([head(*(f"h{n}: {'v' * 8000}" for n in range(100))) + b"body"]),
    "not-http": lambda: iter([b"220 mail.example ESMTP\r\n"]),
    "two-lengths": lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nabcde"]),
    "ends-early": lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"]),
    "nul": lambda: text("utf-8", b"a\x00b"),
    "invalid": lambda: text("utf-8", b"a\xff\xfeb"),
    "utf-16": lambda: text("utf-16", "grün".encode("utf-16")),
    "charset-bz2": lambda: text("bz2", 256 * bz2.compress(bytes(1024 * 1024))),
    "charset-hex": lambda: text("hex", b"6162"),
    "charset-punycode": lambda: text("punycode", b"a-" + b"z" * 60_000),
    "charset-unknown": lambda: text("no-such-charset", b"plain"),
    "binary": lambda: iter([head("Content-Type: application/octet-stream") + b"\x00\xff\x00\xff"]),
    "surrogates": lambda: iter([b"HTTP/1.1 200 \xff\xfe\r\nx: \xff\xfe\x80\r\nConnection: close\r\n\r\nbody"]),
    "drip": lambda: chain([head()], repeat(b"x")),
    "drip-headers": lambda: chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"h")),
    "endless-extension": lambda: chain([head("Transfer-Encoding: chunked"), b"1;"], repeat(b"e" * PIECE)),
    "endless-continue": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
}
SLOW = ("drip", "drip-headers")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to one request."""
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        behaviour = request.split(b" ")[1].decode().strip("/")
        for piece in BEHAVIOURS[behaviour]():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PAUSE if behaviour in SLOW else 0)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until the standard input ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@asynccontextmanager
async def hostile_target() -> AsyncIterator[str]:
    """Run the target in its own process, so that its memory does not count as ours, and yield its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
