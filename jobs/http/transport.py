"""The transport of calls: an `httpx.AsyncBaseTransport` over aiohttp's connections.

httpx's own pool is slow with a hundred connections, and httpx-aiohttp serves every use of httpx: it converts the URL,
the headers and the errors of each call, which takes as long as a third of the call.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import cast

import aiohttp
import httpx

from jobs.http.compat import MAX_HEAD_BYTES, MAX_HEADERS, StrictConnector, StrictRequest, send_once, unread
from jobs.http.request import PreparedRequest
from jobs.http.resolver import CheckedResolver, Lookup, checked_socket
from jobs.http.targets import EgressPolicy
from jobs.http.urls import site_of

KEEP_ALIVE_SECONDS = 4
"""Less than the 5 s after which many servers close an idle connection, so that a call does not race with the close."""
BUFFER_BYTES = 16 * 1024
"""Buffer of each connection. aiohttp stops reading at twice as much, so a hundred large responses take little memory.
"""


class OutgoingRequest(httpx.Request):
    """A request whose URL and headers go out as they are written, without httpx's parsing. It has only what is sent."""

    def __init__(self, call: PreparedRequest) -> None:
        self.method = call.method
        self.extensions = {}
        self.call = call


class ResponseStream(httpx.AsyncByteStream):
    """The body of a response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read():
            yield piece

    async def read(self) -> bytes:
        """Return what has arrived, or wait for more; nothing at the end. Raises aiohttp's errors."""
        return await self._response.content.readany()

    def unread(self) -> bytes:
        """Return the part that has arrived and was not read, even if the rest failed."""
        return unread(self._response.content)

    async def aclose(self) -> None:
        """Return the connection to the pool, or close it if the body has not ended."""
        self._response.release()
        await self._response.wait_for_close()


class Transport(httpx.AsyncBaseTransport):
    """Sends every request once, and only to addresses that were checked. Its owner closes it.

    It raises aiohttp's errors, because they say more than httpx's.
    """

    def __init__(self, policy: EgressPolicy, lookup: Lookup) -> None:
        # aiohttp wants a running event loop for its session.
        self._open: Callable[[], aiohttp.ClientSession] = partial(open_session, policy, lookup)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send an `OutgoingRequest` and return the response, whose body is still to be read."""
        call = cast("OutgoingRequest", request).call
        session = self._session = self._session or self._open()
        try:
            site = site_of(call.url)
        except ValueError as error:
            raise aiohttp.InvalidURL(call.url) from error
        # aiohttp adds Host and the length. `StrictRequest` writes the path and the query.
        response = await session.request(
            call.method,
            site,
            headers=dict(call.headers.values()),
            data=call.content or None,
            allow_redirects=False,
        )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=ResponseStream(response), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def open_session(policy: EgressPolicy, lookup: Lookup) -> aiohttp.ClientSession:
    """Return aiohttp's session. Its cache of names contains only checked addresses.

    It uses no proxies: `trust_env` is off by default. It has no limits of time, because an attempt has a deadline.
    """
    session = aiohttp.ClientSession(
        # Slots limit the number of calls, so the pool need not.
        connector=StrictConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            resolver=CheckedResolver(policy, lookup),
            socket_factory=partial(checked_socket, policy),
        ),
        # Tasks must not see each other's cookies.
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=StrictRequest,
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=False,
        read_bufsize=BUFFER_BYTES,
        max_line_size=MAX_HEAD_BYTES,
        max_field_size=MAX_HEAD_BYTES,
        max_headers=MAX_HEADERS,
    )
    send_once(session)
    return session
