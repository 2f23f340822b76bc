"""The part of a response's body that is kept. The body may be endless, a decompression bomb, or binary.

Bodies are decompressed here and not by the HTTP client, so that no more is decompressed than is kept: gzip can turn 16
KiB into 16 MiB.
"""

import base64
import codecs
import zlib
from collections.abc import AsyncIterable
from typing import NamedTuple

from db.states import BodyEncoding

KEPT_BYTES = 64 * 1024
"""Bytes of a body that are kept, after decompression."""
READ_BYTES = 1024 * 1024
"""Bytes of a body that are read before the connection is dropped, so that smaller bodies leave it usable."""
MAX_MEMBERS = 100
"""Members of a gzip body. Each may be empty, and costs as much as a small body."""

GZIP = zlib.MAX_WBITS | 16
WINDOW_BITS = {"gzip": GZIP, "x-gzip": GZIP, "deflate": zlib.MAX_WBITS}
NUL = "\x00"
REPLACEMENT = "\ufffd"

CHARSETS = frozenset(
    [
        *("ascii", "us-ascii", "utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"),
        *("big5", "euc-jp", "euc-kr", "gb2312", "gb18030", "gbk", "iso-2022-jp", "shift-jis", "sjis", "tis-620"),
        *("koi8-r", "koi8-u", "macintosh", "latin1", "latin-1"),
        *(f"iso-8859-{number}" for number in range(1, 17) if number != 12),
        *(f"windows-{number}" for number in range(1250, 1259)),
    ]
)
"""Charsets that a target may name. Python knows more, some of which decompress (`bz2`) or are very slow (`punycode`).
"""


class StoredBody(NamedTuple):
    """The body as it is stored. `truncated` means that there was more."""

    body: str | None
    encoding: BodyEncoding
    truncated: bool


class BadBody(ValueError):
    """The body is not compressed as the response says."""


class Identity:
    """Passes a body on unchanged."""

    gave_up = False

    def feed(self, data: bytes, *, limit: int) -> bytes:
        """Return at most `limit` bytes of the piece."""
        return data[:limit]


class Inflater:
    """Decompresses gzip, of one or more members (RFC 1952, section 2.2), and deflate, with or without zlib's header.

    `gave_up` means that there are too many members, and the others are dropped.
    """

    def __init__(self, coding: str) -> None:
        self._bits = WINDOW_BITS[coding]
        self._stream = zlib.decompressobj(self._bits)
        self._begun = False
        self._members = 1
        self._ended = False
        self.gave_up = False

    def feed(self, data: bytes, *, limit: int) -> bytes:
        """Return the decompressed piece, at most `limit` bytes. Raises `BadBody`."""
        out = bytearray()
        while data and len(out) < limit and not self._ended:
            out += self._inflate(data, limit - len(out))
            data = self._stream.unused_data
            if self._stream.eof:
                self._next_member()
        return bytes(out)

    def _inflate(self, data: bytes, limit: int) -> bytes:
        try:
            out = self._stream.decompress(data, limit)
        except zlib.error as error:
            if self._begun and self._members > 1:
                # Some servers send padding after a complete member.
                self._ended = True
                return b""
            if self._begun or self._bits != zlib.MAX_WBITS:
                raise BadBody(str(error)) from error
            # Many servers send "deflate" without zlib's header.
            self._bits = -zlib.MAX_WBITS
            self._stream = zlib.decompressobj(self._bits)
            return self._inflate(data, limit)
        self._begun = True
        return out

    def _next_member(self) -> None:
        self._members += 1
        self.gave_up = self._members > MAX_MEMBERS
        self._ended = self._bits != GZIP or self.gave_up
        self._stream = zlib.decompressobj(self._bits)


async def read_body(stream: AsyncIterable[bytes], *, content_type: str, content_encoding: str) -> StoredBody:
    """Read a body to its end or the limits, and return what to store. Raises `BadBody`, and errors of the stream."""
    codings = [name for text in content_encoding.lower().split(",") if (name := text.strip()) not in ("", "identity")]
    readable = not codings or (len(codings) == 1 and codings[0] in WINDOW_BITS)
    decoder = Inflater(codings[0]) if codings and readable else Identity()
    kept = bytearray()
    length = 0
    async for piece in stream:
        length += len(piece)
        if len(kept) <= KEPT_BYTES:
            kept += decoder.feed(piece, limit=KEPT_BYTES + 1 - len(kept))
        if length > READ_BYTES:
            break
    truncated = len(kept) > KEPT_BYTES or length > READ_BYTES or decoder.gave_up
    body = bytes(kept[:KEPT_BYTES])
    # A content coding that was not offered is kept as it came.
    text, encoding = as_text(body, content_type=content_type, truncated=truncated) if readable else as_base64(body)
    return StoredBody(text, encoding, truncated)


def as_text(body: bytes, *, content_type: str, truncated: bool) -> tuple[str | None, BodyEncoding]:
    """Return the body as text, with invalid bytes replaced; or as Base64 if neither its type nor its bytes are text."""
    if not body:
        return None, BodyEncoding.UTF8
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    says_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "x-www-form-urlencoded"))
    charset = charset_of(parameters) if says_text else "utf-8"
    # A truncated body may end within a character, which is no fault of its encoding.
    try:
        text = codecs.getincrementaldecoder(charset)().decode(body, final=not truncated)
    except UnicodeDecodeError:
        if not says_text:
            return as_base64(body)
        text = body.decode("utf-8", errors="replace")
    return text.replace(NUL, REPLACEMENT), BodyEncoding.UTF8


def as_base64(body: bytes) -> tuple[str | None, BodyEncoding]:
    """Return the bytes of the body in Base64."""
    return (base64.b64encode(body).decode(), BodyEncoding.BASE64) if body else (None, BodyEncoding.UTF8)


def charset_of(parameters: str) -> str:
    """Return the charset in the parameters of a Content-Type if it is a known one, else UTF-8."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        charset = value.strip().strip("\"'").replace("_", "-")
        if name.strip() == "charset" and charset in CHARSETS:
            return charset
    return "utf-8"
