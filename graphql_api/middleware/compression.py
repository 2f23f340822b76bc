"""Compresses responses for clients that accept gzip, but none whose length could tell a secret.

Someone who sees only the lengths of compressed responses can infer their content if the responses also contain their
own text (BREACH). So a response is sent uncompressed when it shows what its request sent or what a target responded
with:
errors here, and everything that is marked `no-transform`, which also keeps proxies from compressing it. In all others a
name of random length in the head of the gzip data hides the exact length (https://ieeexplore.ieee.org/document/9754554).
"""

import secrets
import struct
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder, IdentityResponder
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api import content_negotiation
from graphql_api.responses import NO_TRANSFORM

MINIMUM = 1024
"""Bytes of the shortest response that is compressed."""
LEVEL = 6
NAME_UP_TO = 100
"""Bytes of the longest name in the head of the gzip data."""
UNCOMPRESSED_TYPES = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "multipart/*")
HEAD = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff"
"""The head of gzip data with a name, without the time and the system (RFC 1952, section 2.3)."""


class PaddedGzip:
    """A compressor like zlib's, whose gzip data has a name of random length in its head."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._head = HEAD + b"x" * secrets.randbelow(NAME_UP_TO + 1) + b"\x00"
        self._checksum = 0
        self._size = 0

    def compress(self, data: bytes) -> bytes:
        """Return the gzip data so far."""
        head, self._head = self._head, b""
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        return head + self._deflate.compress(data)

    def flush(self, mode: int = zlib.Z_FINISH) -> bytes:
        """Return the rest of the gzip data so far, or all of it."""
        rest = self._deflate.flush(mode)
        if mode != zlib.Z_FINISH:
            return rest
        return rest + struct.pack("<LL", self._checksum, self._size & 0xFFFF_FFFF)


class AsItIs(IdentityResponder):
    """Sends responses as they are, and says of those that other clients get compressed that this depends on them."""

    is_final = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the app sends."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start" and not self.is_final:
                mark(MutableHeaders(scope=message))
            await send(message)

        await super().__call__(scope, receive, send_marked)

    async def send_with_compression(self, message: Message) -> None:
        """Pass a message on, and the head as soon as it is known whether the response is compressed."""
        if message["type"] == "http.response.start":
            self.is_final = is_never_compressed(message)
        await (self.send(message) if self.is_final else super().send_with_compression(message))


class Compressed(AsItIs, GZipResponder):
    """Compresses responses."""

    _padded: PaddedGzip | None = None

    @property
    def compressor(self) -> PaddedGzip:  # type: ignore[override]  # zlib's class cannot be subclassed
        """Return the compressor of this response."""
        if self._padded is None:
            self._padded = PaddedGzip()
        return self._padded


class CompressionMiddleware:
    """ASGI middleware. Starlette's own ignores the weights of `Accept-Encoding`, and compresses everything."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and compress its response if the client accepts that."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kind = Compressed if content_negotiation.accepts_gzip(HTTPConnection(scope)) else AsItIs
        responder = kind(self.app, MINIMUM, exclude_content_types=UNCOMPRESSED_TYPES)
        await responder(scope, receive, send)


def is_never_compressed(start: Message) -> bool:
    """Return whether the response that begins so shows what its request or a target sent."""
    return start["status"] >= 400 or NO_TRANSFORM in Headers(scope=start).get("cache-control", "")


def mark(headers: MutableHeaders) -> None:
    """Say that the response depends on what the client accepts. The ETag of the compressed form is a weak one."""
    if "accept-encoding" not in headers.get("vary", "").lower():
        headers.add_vary_header("Accept-Encoding")
    tag = headers.get("etag", "")
    if "content-encoding" in headers and tag.startswith('"'):
        headers["etag"] = f"W/{tag}"
