"""What counts of an answer: its head as soon as it is read, and its body as far as it came."""

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import Run
from db.settings import DatabaseSettings
from db.states import BodyEncoding, RunState
from jobs.engine.outcome import EXCESS
from jobs.settings import JobsSettings
from tests.support.engine import one_off, opened, save, soon, working
from tests.support.raw_target import Request, raw_target
from tests.support.waiting import wait_until

OK = b"HTTP/1.1 200 OK\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\n"
GONE = b"HTTP/1.1 410 Gone\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
PLAIN = "".join(f"{number * 7919 % 100_003:05d}" for number in range(20_000))
PACKED = gzip.compress(PLAIN.encode())
BEGUN = zlib.decompressobj(31).decompress(PACKED[:400]).decode()
KEPT = 64 * 1024

ENDED = "the connection ended within the body of the response"
CHUNKS = "the response is not valid HTTP/1.1: its chunks are malformed"
TIMEOUT = "the target sent no complete response within 0.7 s"
NOT_PACKED = "the body is not compressed as its Content-Encoding says"
PACKED_SHORT = "the compressed body ends too early"
EARLY = "the call failed: the target closed the connection before its response was complete"
INVALID = "the call failed: the response is not valid HTTP/1.1: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The run that an answer leads to. `error` stands beside the status of a success, or is the run's message."""

    status: int | None
    body: str | None = None
    state: RunState = RunState.SUCCEEDED
    truncated: bool = False
    error: str | None = None
    encoding: BodyEncoding = BodyEncoding.UTF8
    beside: str | None = None
    delay: timedelta | None = None


def success(body: str | None = None, status: int = 200, **members: Any) -> Expected:
    """Expect a success."""
    return Expected(status=status, body=body, **members)


def failure(status: int | None, body: str | None = None, **members: Any) -> Expected:
    """Expect an attempt that will be retried."""
    return Expected(status=status, body=body, state=RunState.RETRYING, **members)


def busy(body: str | None, beside: str | None = None, **members: Any) -> Expected:
    """Expect that the target's minute is waited for."""
    error = "the target answered 503" + (f"; {beside}" if beside not in (None, EXCESS) else "")
    return failure(503, body, error=error, beside=beside, delay=timedelta(seconds=60), **members)


def gone(body: str | None, beside: str | None = None, **members: Any) -> Expected:
    """Expect that the run ends."""
    error = "the target answered 410" + (f"; {beside}" if beside else "")
    return Expected(status=410, body=body, state=RunState.FAILED, error=error, beside=beside, **members)


def cut(body: str | None, error: str = ENDED) -> Expected:
    """Expect a success that does not count, because its body is incomplete."""
    return failure(200, body, truncated=True, error=error, beside=error)


def length(size: int, body: bytes, *headers: bytes) -> bytes:
    """Return the rest of a head that announces a length, and a body."""
    return b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % size + body


def text(charset: str, body: bytes) -> bytes:
    """Return a text in a charset."""
    return OK + length(len(body), body, b"Content-Type: text/plain; charset=" + charset.encode())


def coded(coding: str, body: bytes, head: bytes = OK) -> bytes:
    """Return a text with a content coding."""
    return head + length(len(body), body, b"Content-Type: text/plain", b"Content-Encoding: " + coding.encode())


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

ANSWERS: dict[str, tuple[bytes, Expected]] = {
    # whole
    "length": (OK + length(5, b"hello"), success("hello")),
    "chunked": (OK + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", success("hello")),
    "trailers": (OK + CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", success("hello")),
    "until the end": (OK + b"\r\nhello", success("hello")),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", success("hello")),
    "no reason": (b"HTTP/1.1 200\r\n" + length(5, b"hello"), success("hello")),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", success("hello")),
    "interim": (b"HTTP/1.1 103 Early\r\n\r\n" + OK + length(5, b"hello"), success("hello")),
    "folded header": (OK + length(5, b"hello", b"X: a\r\n b"), success("hello")),
    "empty": (OK + length(0, b""), success()),
    "205": (b"HTTP/1.1 205 Reset\r\n" + length(0, b""), success(status=205)),
    "299": (b"HTTP/1.1 299 Odd\r\n" + length(2, b"ok"), success("ok", status=299)),
    "600": (b"HTTP/1.1 600 Odd\r\n" + length(2, b"ok"), failure(600, "ok", error="the target answered 600")),
    # nothing may follow
    "204": (b"HTTP/1.1 204 None\r\n\r\n", success(status=204)),
    "204 with a length": (b"HTTP/1.1 204 None\r\n" + length(5, b""), success(status=204)),
    "204 with a body": (b"HTTP/1.1 204 None\r\n" + length(5, b"hello"), success(status=204, beside=EXCESS)),
    "204 with chunks": (
        b"HTTP/1.1 204 None\r\n" + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        success(status=204, beside=EXCESS),
    ),
    "204 with a bare body": (b"HTTP/1.1 204 None\r\n\r\nhello", success(status=204, beside=EXCESS)),
    "304": (b"HTTP/1.1 304 Same\r\n" + length(5, b""), failure(304, error="the target answered 304")),
    "304 with a body": (
        b"HTTP/1.1 304 Same\r\n" + length(5, b"hello"),
        failure(304, error="the target answered 304", beside=EXCESS),
    ),
    "HEAD": (OK + length(5, b""), success()),
    "HEAD with a body": (OK + length(5, b"hello"), success(beside=EXCESS)),
    "HEAD with chunks": (OK + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", success(beside=EXCESS)),
    # longer than announced
    "longer": (OK + length(2, b"hello"), success("he", beside=EXCESS)),
    "longer by a response": (OK + length(2, b"he" + OK + b"\r\n"), success("he", beside=EXCESS)),
    "longer chunks": (OK + CHUNKED + b"5\r\nhello\r\n0\r\n\r\nmore", success("hello", beside=EXCESS)),
    "longer 503": (BUSY + length(2, b"hello"), busy("he", EXCESS)),
    # shorter
    "shorter": (OK + length(50, b"hello"), cut("hello")),
    "shorter, nothing came": (OK + length(50, b""), cut(None)),
    "shorter 503": (BUSY + length(50, b"hello"), busy("hello", ENDED, truncated=True)),
    "shorter 410": (GONE + length(50, b"hello"), gone("hello", ENDED, truncated=True)),
    "shorter 404": (
        b"HTTP/1.1 404 None\r\n" + length(50, b"hello"),
        failure(404, "hello", truncated=True, error=f"the target answered 404; {ENDED}", beside=ENDED),
    ),
    "unfinished chunks": (OK + CHUNKED + b"5\r\nhello\r\n", cut("hello")),
    "unfinished chunk": (OK + CHUNKED + b"9\r\nhello", cut("hello")),
    "no end of chunks": (OK + CHUNKED + b"5\r\nhello\r\n0\r\n", cut("hello")),
    "unfinished chunks of a 503": (BUSY + CHUNKED + b"5\r\nhello\r\n", busy("hello", ENDED, truncated=True)),
    "malformed chunks": (OK + CHUNKED + b"5\r\nhello\r\nzz\r\n", cut("hello", CHUNKS)),
    "malformed chunks of a 410": (GONE + CHUNKED + b"5\r\nhello\r\nzz\r\n", gone("hello", CHUNKS, truncated=True)),
    "reset": (OK + length(50, b"hello"), cut("hello")),
    "reset 503": (BUSY + length(50, b"hello"), busy("hello", ENDED, truncated=True)),
    # slow
    "drip": (OK + length(50, b"hello"), cut("hello", TIMEOUT)),
    "drip, nothing came": (OK + length(50, b""), cut(None, TIMEOUT)),
    "drip 503": (BUSY + length(50, b"hello"), busy("hello", TIMEOUT, truncated=True)),
    "drip 410": (GONE + CHUNKED + b"5\r\nhello\r\n", gone("hello", TIMEOUT, truncated=True)),
    "drip until the end": (OK + b"\r\nhello", cut("hello", TIMEOUT)),
    "drip gzip": (OK + length(9_999, PACKED[:400], b"Content-Encoding: gzip"), cut(BEGUN, TIMEOUT)),
    # compressed
    "gzip": (coded("gzip", gzip.compress(b"hello")), success("hello")),
    "x-gzip": (coded("X-GZip", gzip.compress(b"hello")), success("hello")),
    "deflate": (coded("deflate", zlib.compress(b"hello")), success("hello")),
    "gzip of nothing": (coded("gzip", b""), success()),
    "gzip over plain text": (coded("gzip", b"hello"), success("hello", beside=NOT_PACKED)),
    "gzip over a plain 503": (coded("gzip", b"hello", BUSY), busy("hello", NOT_PACKED)),
    "gzip that ends early": (
        coded("gzip", gzip.compress(b"hello")[:-4]),
        success("hello", truncated=True, beside=PACKED_SHORT),
    ),
    "large gzip": (coded("gzip", PACKED), success(PLAIN[:KEPT], truncated=True)),
    "identity": (coded("identity", b"hello"), success("hello")),
    "unknown coding": (coded("utf-8", "grün".encode()), success("grün")),
    "unknown coding of latin-1": (
        OK + length(4, b"gr\xfcn", b"Content-Type: text/plain; charset=latin1", b"Content-Encoding: none"),
        success("grün"),
    ),
    "br over plain text": (coded("br", b"hello"), success("hello")),
    "br": (coded("br", b"\x0b\x02\x80hello\x03"), success("CwKAaGVsbG8D", encoding=BodyEncoding.BASE64)),
    # charsets
    "utf-8": (text("UTF-8", "grün".encode()), success("grün")),
    "utf_8": (text("utf_8", "grün".encode()), success("grün")),
    "byte order mark": (text("utf-8", b"\xef\xbb\xbfa"), success("a")),
    "invalid utf-8": (text("utf-8", b"a\xffb"), success("a\ufffdb")),
    "latin-1 is windows-1252": (text("iso-8859-1", b"\x80 \x93\xfc\x94"), success("€ “ü”")),
    "latin-1": (text("latin-1", b"gr\xfcn"), success("grün")),
    "us-ascii": (text("us-ascii", b"gr\xfcn"), success("grün")),
    "cp1252": (text("cp1252", b"\x80"), success("€")),
    "windows-1251": (text("windows-1251", "да".encode("cp1251")), success("да")),
    "cp1251": (text("cp1251", "да".encode("cp1251")), success("да")),
    "koi8-r": (text("koi8-r", "да".encode("koi8-r")), success("да")),
    "x-sjis": (text("x-sjis", "日本".encode("cp932")), success("日本")),
    "windows-31j": (text("windows-31j", "①".encode("cp932")), success("①")),
    "euc-jp": (text("euc-jp", "日本".encode("euc-jp")), success("日本")),
    "gb2312": (text("gb2312", "中文".encode("gbk")), success("中文")),
    "big5": (text("big5", "中文".encode("big5")), success("中文")),
    "ks_c_5601-1987": (text("ks_c_5601-1987", "한국".encode("cp949")), success("한국")),
    "utf-16": (text("utf-16", "grün".encode("utf-16")), success("grün")),
    "utf-16, odd": (text("utf-16", b"g\0r"), success("g\ufffd")),
    "quoted charset": (text('"windows-1252"', b"\x80"), success("€")),
    "unknown charset": (text("klingon", "grün".encode()), success("grün")),
    "empty charset": (text("", "grün".encode()), success("grün")),
    "charset that is no encoding": (text("bz2", b"hello"), success("hello")),
    "NUL": (text("utf-8", b"a\0b"), success("a\ufffdb")),
    # heads
    "long header": (BUSY + length(2, b"ok", b"X: " + b"x" * 9_000), busy("ok")),
    "very long header": (
        b"HTTP/1.1 503 Busy\r\n" + length(2, b"ok", b"X: " + b"x" * 200_000, b"Retry-After: 60"),
        busy("ok"),
    ),
    "many headers": (BUSY + length(2, b"ok", *[b"X-Many: x"] * 500), busy("ok")),
    "many large headers": (BUSY + length(2, b"ok", *[b"X: " + b"x" * 7_000] * 20), busy("ok")),
    "endless head": (
        OK + b"X: " + b"x" * 300_000,
        failure(None, error="the call failed: the head of the response has more than 256 KiB"),
    ),
    "no head": (b"", failure(None, error=EARLY)),
    "half a head": (BUSY, failure(None, error=EARLY)),
    "slow head": (BUSY, failure(None, error=TIMEOUT)),
    "not HTTP": (b"hello\r\n\r\n", failure(None, error=INVALID + "its status line is malformed")),
    "two lengths": (
        OK + b"Content-Length: 2\r\n" + length(3, b"okk"),
        failure(None, error=INVALID + "its Content-Length is invalid"),
    ),
    "no colon": (OK + length(2, b"ok", b"no colon"), failure(None, error=INVALID + "a header is malformed")),
    # redirects
    "two locations": (
        REDIRECT + b"Location: /a\r\nLocation: /b\r\n\r\n",
        Expected(
            status=302,
            state=RunState.FAILED,
            error="the target answered 302; the response has 2 Location headers, so its target is ambiguous",
            beside="the response has 2 Location headers, so its target is ambiguous",
        ),
    ),
    **{
        f"location {number}": (
            REDIRECT + b"Location: %s\r\n\r\n" % location,
            Expected(
                status=302,
                state=RunState.FAILED,
                error=f"the target answered 302; the response redirects to a URL that {problem}",
                beside=f"the response redirects to a URL that {problem}",
            ),
        )
        for number, (location, problem) in enumerate(
            {
                b"http:///a": "has no host",
                b"//": "has no host",
                b"https:": "has no host",
                b"mailto:a@b.example": "does not begin with http:// or https://",
                b"http://a.example:port/": "cannot be read",
                b"http://user@a.example/": (
                    "contains a user name or password; send them in an Authorization header instead"
                ),
            }.items()
        )
    },
    "no location": (REDIRECT + b"\r\n", failure(302, error="the target answered 302")),
    "redirects without end": (
        REDIRECT + b"Location: ?\r\n\r\n",
        failure(302, error="the target answered 302; it redirects further than the task allows (redirects: 1)"),
    ),
}
CLOSES_EARLY = (
    "until the end",
    "HTTP/1.0",
    "shorter",
    "unfinished",
    "no end",
    "half",
    "no head",
    "HEAD with",
    "not HTTP",
)


async def respond(request: Request, writer: asyncio.StreamWriter, *, done: asyncio.Event) -> None:
    """Send the answer that the path names."""
    name = list(ANSWERS)[int(request.path.strip("/").partition("?")[0])]
    writer.write(ANSWERS[name][0])
    if name.startswith(("drip", "slow")):
        await done.wait()
    if name.startswith("reset"):
        await writer.drain()
        await asyncio.sleep(0.1)
        # Without lingering, a close is a reset.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    if name.startswith(CLOSES_EARLY):
        writer.close()


async def attempted(engine: AsyncEngine, task_id: UUID) -> Sequence[Run]:
    """Return the runs of a task that have an ended attempt."""
    async with AsyncSession(engine) as session:
        found = await session.execute(select(Run).where(Run.task_id == task_id))  # type: ignore[arg-type]
        return [run for run in found.scalars() if run.attempts]


def seen(run: Run) -> Expected:
    """Return what the run shows. Its delay counts only if it is exactly the target's, which no other one is."""
    [attempt] = run.attempts
    ended_at = datetime.fromisoformat(attempt["finished_at"])
    delay = None if run.next_attempt_at is None else run.next_attempt_at - ended_at
    assert (attempt["status_code"], attempt["error_message"]) == (run.status_code, run.error_message)
    return Expected(
        status=run.status_code,
        body=run.response_body,
        state=run.state,
        truncated=run.body_truncated,
        error=run.error_message,
        encoding=run.body_encoding,
        beside=attempt.get("response_error"),
        delay=delay if delay == timedelta(seconds=60) else None,
    )


async def test_what_counts_of_each_answer(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Each answer leads to the run that the table has, after one attempt; all are called side by side."""
    done = asyncio.Event()
    async with opened(database) as engine, raw_target(partial(respond, done=done)) as target:
        at = soon()
        tasks = [
            one_off(
                f"{target.url}{number}",
                at,
                method="HEAD" if name.startswith("HEAD") else "GET",
                redirects=1,
                timeout_ms=700 if name.startswith(("drip", "slow")) else 20_000,
                max_attempts=2,
                initial_delay_ms=50_000,
                host=f"host-{number}",
            )
            for number, name in enumerate(ANSWERS)
        ]
        await save(engine, *tasks)
        found = {}
        async with working(database, jobs_settings):
            for name, task in zip(ANSWERS, tasks, strict=True):
                [run] = await wait_until(
                    partial(attempted, engine, task.id), what=f"{name}: the attempt has ended", within=30
                )
                found[name] = seen(run)
        done.set()
    wrong = {name: (found[name], expected) for name, (_, expected) in ANSWERS.items() if found[name] != expected}
    assert not wrong, "\n".join(f"{name}: {pair}" for name, pair in wrong.items())
