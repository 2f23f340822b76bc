"""The exchange of one attempt: an HTTP call within a deadline, and its response. The only module that knows httpx.

An `httpx.Request` goes straight to the transport. `httpx.AsyncClient` in between adds cookies, authentication, and
redirects that would not be checked, and nearly doubles the CPU of a call.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Self, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from db.states import BodyEncoding
from jobs.clock import Clock
from jobs.compat import (
    PLACEHOLDER_URL,
    BadResponse,
    CheckedUrl,
    NotSent,
    ResponseWithoutReason,
    StrictConnector,
    StrictRequest,
    send_once,
)
from jobs.http.redirects import REDIRECTS, BadRedirect, redirected
from jobs.http.request import Action, PreparedRequest, prepare
from jobs.http.resolver import CheckedResolver, Lookup, checked_socket, current_url, system_lookup
from jobs.http.response_body import NUL, REPLACEMENT, BadBody, read_body
from jobs.http.targets import EgressPolicy, TargetRefused

KEEP_ALIVE = timedelta(seconds=4)
"""Less than the 5 s after which many servers close an idle connection, so that a call does not race with the close."""
BUFFER_BYTES = 16 * 1024
"""Buffer of each connection. aiohttp stops reading at twice as much, so a hundred large responses take little memory.
"""
KEPT_HEADER_CHARACTERS = 32 * 1024
"""Characters of a response's headers that are kept. aiohttp accepts at most 128 headers of 8 KiB each."""
SEND_TRIES = 3
"""How many connections a request is tried on while nothing of it has been sent."""


class Response(NamedTuple):
    """The response to a call. Without one, `status_code` is None and `error` says why.

    `refused` means that the call may not be made at all, now or later.
    """

    started_at: datetime
    duration: timedelta
    status_code: int | None = None
    headers: list[tuple[str, str]] | None = None
    body: str | None = None
    encoding: BodyEncoding = BodyEncoding.UTF8
    truncated: bool = False
    error: str | None = None
    refused: bool = False

    def header(self, name: str) -> str | None:
        """Return the first header with that name, in any case."""
        return next((value for key, value in self.headers or () if key.lower() == name), None)


def open_session(policy: EgressPolicy, lookup: Lookup) -> aiohttp.ClientSession:
    """Return aiohttp's session, which sends every request once, and connects only to addresses that were checked.

    Its cache of names contains only checked addresses. It uses no proxies: `trust_env` is off by default.
    """
    session = aiohttp.ClientSession(
        connector=StrictConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE.total_seconds(),
            resolver=CheckedResolver(policy, lookup),
            socket_factory=partial(checked_socket, policy),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=StrictRequest,
        response_class=ResponseWithoutReason,
        read_bufsize=BUFFER_BYTES,
        # aiohttp would label a POST without a body as an octet-stream, and replace a secret header
        # that does not go to another origin by its own.
        skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
    )
    send_once(session)
    return session


class HttpCaller:
    """The connections that all attempts of a worker share. Its owner closes it."""

    def __init__(self, *, clock: Clock, policy: EgressPolicy, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        # Slots limit the number of calls, so the pool need not. Tasks must not see each other's cookies.
        self._transport = AiohttpTransport(client=partial(open_session, policy, lookup))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def call(self, action: Action, *, headers: Mapping[str, str]) -> Response:
        """Make the call and read the response within the action's timeout. Raises nothing but cancellation.

        `headers` are Duetime's own; a header that the task sets takes precedence.
        """
        loop = asyncio.get_running_loop()
        started_at, start = self._clock.now(), loop.time()
        found: dict[str, Any]
        try:
            async with asyncio.timeout(action.timeout.total_seconds()):
                found = await self._exchange(prepare(action, headers=headers), redirects=action.redirects)
        except TimeoutError:
            found = {"error": f"the target sent no complete response within {action.timeout.total_seconds():g} s"}
        except (TargetRefused, BadRedirect) as error:
            found = {"error": str(error), "refused": True}
        except httpx.UnsupportedProtocol:  # aiohttp's error for a URL that it cannot read
            found = {"error": "the URL cannot be called: the HTTP client cannot read it", "refused": True}
        except Exception as error:  # whatever a target causes is the run's failure, not the worker's
            found = {"error": error_text(error)}
        return Response(started_at=started_at, duration=timedelta(seconds=loop.time() - start), **found)

    async def _exchange(self, call: PreparedRequest, *, redirects: int) -> dict[str, Any]:
        while True:
            current_url.set(call.url)
            response = await self._send(call)
            location = response.headers.get("location") if redirects and response.status_code in REDIRECTS else None
            if location is None:
                return await read_response(response)
            await response.aclose()
            call = redirected(call, status=response.status_code, location=location)
            redirects -= 1

    async def _send(self, call: PreparedRequest) -> httpx.Response:
        """Send the request once, and return the response. Raises `NotSent` if no connection was clean."""
        for _ in range(SEND_TRIES - 1):
            with suppress(NotSent):
                return await self._transport.handle_async_request(httpx_request(call))
        return await self._transport.handle_async_request(httpx_request(call))


def httpx_request(call: PreparedRequest) -> httpx.Request:
    """Return the request in httpx's form. aiohttp adds Host and the length."""
    headers = [(name.encode(), value.encode()) for name, value in call.headers.values()]
    request = httpx.Request(call.method, PLACEHOLDER_URL, headers=headers, stream=httpx.ByteStream(call.content))
    # Otherwise httpx would detect the encoding for each request, by trying.
    request.headers.encoding = "utf-8"
    request.url = CheckedUrl(call.url)
    request.read()
    return request


async def read_response(response: httpx.Response) -> dict[str, Any]:
    """Return the members of a `Response` that come from the exchange."""
    try:
        body, encoding, truncated = await read_body(
            cast("httpx.AsyncByteStream", response.stream),
            content_type=response.headers.get("content-type", ""),
            content_encoding=response.headers.get("content-encoding", ""),
        )
    finally:
        await response.aclose()
    return {
        "status_code": response.status_code,
        "headers": limited_headers(response.headers),
        "body": body,
        "encoding": encoding,
        "truncated": truncated,
    }


def limited_headers(headers: httpx.Headers) -> list[tuple[str, str]]:
    """Return the headers of a response, up to a limit."""
    kept, room = [], KEPT_HEADER_CHARACTERS
    for name, value in headers.multi_items():
        room -= len(name) + len(value)
        if room < 0:
            break
        kept.append((name, value.replace(NUL, REPLACEMENT)))
    return kept


def error_text(error: Exception) -> str:
    """Return why a call failed, in words for the reader of the run.

    The errors of aiohttp's parser quote the response, in part and escaped, so that a mask could miss a secret in them.
    """
    cause = (isinstance(error, httpx.HTTPError) and error.__cause__) or error
    match cause:
        case aiohttp.ClientConnectorError():
            text = f"could not connect: {cause}"
        case NotSent():
            text = str(cause)
        case BadBody():
            text = f"could not decode the body: {cause}"
        case BadResponse():
            text = f"the call failed: {cause}"
        case aiohttp.ServerDisconnectedError():
            text = "the call failed: the target closed the connection before its response was complete"
        case aiohttp.ClientPayloadError():
            text = "the call failed: the connection ended within the body of the response"
        case OSError(strerror=str(reason)):
            text = f"the call failed: {reason}"
        case _:
            text = f"the call failed: {type(cause).__name__}"
    text = text.replace(NUL, REPLACEMENT)
    return text.encode(errors="replace").decode()
