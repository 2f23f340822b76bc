"""The part of a response's body that is kept. The body may be endless, a decompression bomb, or binary.

Bodies are decompressed here and not by the HTTP client, so that no more is decompressed than is kept: gzip can turn 16
KiB into 16 MiB.
"""

import base64
import codecs
import re
import zlib
from functools import lru_cache
from typing import NamedTuple

import webencodings

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

UTF_8 = webencodings.UTF8
REPLACED = "replacement"
"""The encoding of the WHATWG that reads every body as one replacement character, which would show nothing of it."""
COMPRESSED = frozenset({"br", "zstd", "compress", "x-compress", "exi", "pack200-gzip", "dcb", "dcz", *WINDOW_BITS})
"""Content codings whose bytes are not the text. A word that is no coding is ignored, as are "utf-8" and "none"."""
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


class StoredBody(NamedTuple):
    """The body as it is stored. `truncated` means that there was more, and `error` says what is wrong with it."""

    body: str | None
    encoding: BodyEncoding
    truncated: bool
    error: str | None = None


class BadBody(ValueError):
    """The body is not compressed as the response says."""


class Identity:
    """Passes a body on unchanged."""

    gave_up = False
    is_within = False

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

    @property
    def is_within(self) -> bool:
        """Whether the data so far ends within the compressed body."""
        return self._begun and self._members == 1 and not self._ended

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


class BodyReader:
    """Takes a body piece by piece, and knows at each moment what of it is to be stored."""

    def __init__(self, *, content_type: str, content_encoding: str) -> None:
        self._content_type = content_type
        self._codings = codings_of(content_encoding) if content_encoding else []
        is_readable = len(self._codings) == 1 and self._codings[0] in WINDOW_BITS
        self._decoder = Inflater(self._codings[0]) if is_readable else Identity()
        self._as_sent = bytearray()
        self._kept = bytearray()
        self._length = 0
        self._error: str | None = None
        if is_readable:
            self._codings = []

    @property
    def is_full(self) -> bool:
        """Whether nothing more has to be read."""
        return self._length > READ_BYTES

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self._length += len(data)
        room = KEPT_BYTES + 1 - len(self._kept)
        if room <= 0 or (self._error is not None and isinstance(self._decoder, Inflater)):
            return
        if isinstance(self._decoder, Inflater) and not self._kept:
            self._as_sent += data[: KEPT_BYTES + 1 - len(self._as_sent)]
        try:
            self._kept += self._decoder.feed(data, limit=room)
        except BadBody:
            self._error = "the body is not compressed as its Content-Encoding says"
            if not self._kept:
                self._kept, self._decoder = self._as_sent, Identity()

    def stored(self, *, complete: bool) -> StoredBody:
        """Return what to store. Without `complete`, the body ended early."""
        is_whole = complete and not self.is_full and not self._decoder.gave_up and len(self._kept) <= KEPT_BYTES
        error = self._error
        if is_whole and error is None and self._decoder.is_within:
            error = "the compressed body ends too early"
        truncated = not is_whole or (error is not None and isinstance(self._decoder, Inflater))
        body = bytes(self._kept[:KEPT_BYTES])
        if self._codings:
            text, encoding = as_plain_text(body, truncated=truncated) or as_base64(body)
        else:
            text, encoding = as_text(body, content_type=self._content_type, truncated=truncated)
        return StoredBody(text, encoding, truncated, error)


def as_plain_text(body: bytes, *, truncated: bool) -> tuple[str, BodyEncoding] | None:
    """Return a body as text if it is UTF-8 without control characters, as no compressed body is."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body, final=not truncated)
    except UnicodeDecodeError:
        return None
    return None if not text or CONTROLS.search(text) else (text, BodyEncoding.UTF8)


def as_text(body: bytes, *, content_type: str, truncated: bool) -> tuple[str | None, BodyEncoding]:
    """Return the body as text, with invalid bytes replaced; or as Base64 if neither its type nor its bytes are text."""
    if not body:
        return None, BodyEncoding.UTF8
    says_text, encoding = type_of(content_type)
    if not says_text:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(body, final=not truncated)
        except UnicodeDecodeError:
            return as_base64(body)
    if encoding is UTF_8 and body.isascii():
        return body.decode("ascii").replace(NUL, REPLACEMENT), BodyEncoding.UTF8
    # A truncated body may end within a character, which is no fault of its encoding.
    decoder = webencodings.IncrementalDecoder(encoding, errors="replace")
    text: str = decoder.decode(body, final=not truncated)
    return text.replace(NUL, REPLACEMENT), BodyEncoding.UTF8


def as_base64(body: bytes) -> tuple[str | None, BodyEncoding]:
    """Return the bytes of the body in Base64."""
    return (base64.b64encode(body).decode(), BodyEncoding.BASE64) if body else (None, BodyEncoding.UTF8)


def codings_of(content_encoding: str) -> list[str]:
    """Return the content codings of a response whose bytes are not the text."""
    names = (text.strip() for text in content_encoding.lower().split(","))
    return [name for name in names if name in COMPRESSED]


@lru_cache(maxsize=256)
def type_of(content_type: str) -> tuple[bool, webencodings.Encoding]:
    """Return whether a Content-Type is one of text, and the encoding that it names."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    says_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "x-www-form-urlencoded"))
    return says_text, charset_of(parameters) if says_text else UTF_8


def charset_of(parameters: str) -> webencodings.Encoding:
    """Return the encoding that the parameters of a Content-Type name by a label of the WHATWG, or UTF-8."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            continue
        label = value.strip().strip("\"'")
        # Many write a label as Python does, or with a hyphen too many: "utf_8", "latin-1".
        for spelling in (label, label.replace("_", "-"), label.replace("-", "")):
            found = webencodings.lookup(spelling) if spelling.isascii() else None
            if found is not None and found.name != REPLACED:
                return found
    return UTF_8
