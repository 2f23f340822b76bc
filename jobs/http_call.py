"""One attempt: an HTTP call within a deadline, and what came back. The only module that knows httpx.

An `httpx.Request` goes straight to the transport. `httpx.AsyncClient` in between adds redirects, cookies and
authentication, which an attempt without redirects has no use for, and nearly doubles the CPU of a call.
"""

import asyncio
import base64
import codecs
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from db.states import BodyEncoding
from jobs.clock import Clock

KEPT_BYTES = 64 * 1024
"""How much of a body is kept."""
READ_BYTES = 1024 * 1024
"""How much of a body is read at most, so that the connection can be used again, before it is dropped."""
KEEP_ALIVE = timedelta(seconds=4)
"""Below the 5 s after which many servers close an idle connection: a call must not race with that."""
DEFAULT_HEADERS = {
    "user-agent": ("User-Agent", "TaskScheduler/1.0"),
    "accept": ("Accept", "*/*"),
    "accept-encoding": ("Accept-Encoding", "gzip, deflate"),
}
NUL = "\x00"
REPLACEMENT = "\ufffd"


class Action(NamedTuple):
    """The request of a task. `payload` is JSON text."""

    method: str
    url: str
    headers: Mapping[str, str]
    payload: str | None
    timeout: timedelta
    redirects: int


class Answer(NamedTuple):
    """What came back. Without an answer `status_code` is None and `error` says why."""

    started_at: datetime
    duration: timedelta
    status_code: int | None = None
    headers: list[tuple[str, str]] | None = None
    body: str | None = None
    encoding: BodyEncoding = BodyEncoding.UTF8
    truncated: bool = False
    error: str | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers or () if key.lower() == name), None)


def open_session() -> aiohttp.ClientSession:
    """aiohttp's side of the connections, which sends every request once."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE.total_seconds()),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # aiohttp would send an idempotent request again, unseen, when a kept connection breaks; that is our retry's to do,
    # under a number of its own. There is no public name for this switch.
    session._retry_connection = False  # noqa: SLF001
    return session


class HttpCaller:
    """The connections that all attempts of a worker share. Whoever opens it closes it."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        # Slots bound the number of calls, so the pool need not. Cookies of one task are no business of another.
        self._transport = AiohttpTransport(client=open_session)
        self._redirecting = httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=None)  # noqa: S113 (each attempt has a deadline of its own)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redirecting.aclose()

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Answer:
        """Makes the call and reads the answer, all within the action's timeout. Never raises but for cancellation.

        `headers` are Duetime's own; a header that the task sets wins.
        """
        loop = asyncio.get_running_loop()
        started_at, start = self._clock.now(), loop.time()
        found: dict[str, Any]
        try:
            async with asyncio.timeout(action.timeout.total_seconds()):
                found = await self._exchange(build_request(action, headers=headers), redirects=action.redirects)
        except TimeoutError:
            found = {"error": f"no complete answer within {action.timeout.total_seconds():g} s"}
        except Exception as error:  # whatever a target provokes is the run's failure, not the worker's
            found = {"error": reason(error)}
        return Answer(started_at=started_at, duration=timedelta(seconds=loop.time() - start), **found)

    async def _exchange(self, request: httpx.Request, *, redirects: int) -> dict[str, Any]:
        if not redirects:
            return await read(await self._transport.handle_async_request(request))
        for left in range(redirects, -1, -1):
            response = await self._redirecting.send(request, stream=True, follow_redirects=False)
            if response.next_request is None or not left:
                break
            await response.aclose()
            request = response.next_request
        return await read(response)


SOME_URL = httpx.URL("http://target/")


class SavedUrl(httpx.URL):
    """The URL of a task, which was checked when the task was saved.

    The transport asks only for its text, and aiohttp parses that; httpx's own parsing would take a fifth of a call.
    """

    def __init__(self, url: str) -> None:
        super().__init__(SOME_URL)
        self._saved = url

    def __str__(self) -> str:
        return self._saved


def build_request(action: Action, *, headers: Mapping[str, str]) -> httpx.Request:
    """The request with defaults, Duetime's headers, and the task's own over both. aiohttp adds Host and length."""
    merged = dict(DEFAULT_HEADERS)
    if action.payload is not None:
        merged["content-type"] = ("Content-Type", "application/json")
    for own in (headers, action.headers):
        merged.update((name.lower(), (name, value)) for name, value in own.items())
    content = b"" if action.payload is None else action.payload.encode()
    url = httpx.URL(action.url) if action.redirects else SOME_URL
    request = httpx.Request(action.method, url, headers=list(merged.values()), stream=httpx.ByteStream(content))
    # Said, since httpx would find it out anew for each request, by trying.
    request.headers.encoding = "utf-8"
    if not action.redirects:
        request.url = SavedUrl(action.url)
    request.read()
    return request


async def read(response: httpx.Response) -> dict[str, Any]:
    """The parts of an `Answer` that a response holds. Reads no more than `READ_BYTES` after decompression."""
    kept = bytearray()
    length = 0
    try:
        async for chunk in response.aiter_bytes():
            length += len(chunk)
            if len(kept) < KEPT_BYTES:
                kept += chunk[: KEPT_BYTES - len(kept)]
            if length > READ_BYTES:
                break
    finally:
        await response.aclose()
    truncated = length > len(kept)
    body, encoding = readable(bytes(kept), response, truncated=truncated)
    return {
        "status_code": response.status_code,
        "headers": [(name, value.replace(NUL, REPLACEMENT)) for name, value in response.headers.multi_items()],
        "body": body,
        "encoding": encoding,
        "truncated": truncated,
    }


def readable(body: bytes, response: httpx.Response, *, truncated: bool) -> tuple[str | None, BodyEncoding]:
    """The body as text, with what is not valid replaced; or as Base64 when it is not text and does not say it is."""
    if not body:
        return None, BodyEncoding.UTF8
    content_type = response.headers.get("content-type", "").lower()
    kind = content_type.partition(";")[0].strip()
    says_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "x-www-form-urlencoded"))
    charset = response.charset_encoding if says_text and "charset" in content_type else None
    # A body that was cut may end within a character, which is no fault of its encoding.
    try:
        text = codecs.getincrementaldecoder(charset or "utf-8")().decode(body, final=not truncated)
    except (UnicodeDecodeError, LookupError):
        if not says_text:
            return base64.b64encode(body).decode(), BodyEncoding.BASE64
        text = body.decode("utf-8", errors="replace")
    return text.replace(NUL, REPLACEMENT), BodyEncoding.UTF8


def reason(error: Exception) -> str:
    """Why a call failed, in words for the person who reads the run."""
    if isinstance(error.__cause__, aiohttp.ClientConnectorError):
        return f"could not connect: {error.__cause__}"
    if isinstance(error, httpx.DecodingError):
        return f"could not decode the body: {error}"
    text = str(error) or type(error).__name__
    return f"the call failed: {text}".replace(NUL, REPLACEMENT)
