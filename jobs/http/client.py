"""The exchange of one attempt: an HTTP call within a deadline, and its response. The only module that knows httpx.

An `httpx.Request` goes straight to the transport. `httpx.AsyncClient` in between adds cookies, authentication, and
redirects that would not be checked, and nearly doubles the CPU of a call.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Self, cast

import aiohttp
import httpx
from yarl import URL

from db.states import BodyEncoding
from jobs.clock import Clock
from jobs.http.compat import BadResponse, NotSent, Sending, current_sending
from jobs.http.redirects import REDIRECTS, BadRedirect, Hop, redirected
from jobs.http.request import Action, PreparedRequest, prepare
from jobs.http.resolver import Lookup, current_url, system_lookup
from jobs.http.response_body import NUL, REPLACEMENT, BodyReader, StoredBody
from jobs.http.targets import EgressPolicy, TargetRefused, netloc
from jobs.http.transport import OutgoingRequest, ResponseStream, Transport
from jobs.http.urls import request_target

logger = logging.getLogger(__name__)

KEPT_HEADER_CHARACTERS = 32 * 1024
"""Characters of a response's headers that are kept. A header that does not fit is left out."""
SEND_TRIES = 3
"""How many connections a request is tried on while nothing of it has been sent."""
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that are safe to repeat (RFC 9110, section 9.2.2)."""

FAILED = "the call failed: "


class Response(NamedTuple):
    """The response to a call. Without one, `status_code` is None and `error` says why.

    With a status, `error` says what is wrong with the rest of the response. `incomplete` means that the body did not
    arrive as a whole, `excess` that more arrived than the response announces, and `refused` that the call may not be
    made at all, now or later. `headers_truncated` means that there were more headers. `retry_after` is that header.
    `redirects` are those that were followed, and `unfollowed` says why the last one was not. `resent` means that the
    request was sent a second time because the connection had ended without a response.
    """

    started_at: datetime
    duration: timedelta
    status_code: int | None = None
    headers: list[tuple[str, str]] | None = None
    headers_truncated: bool = False
    retry_after: str | None = None
    body: str | None = None
    encoding: BodyEncoding = BodyEncoding.UTF8
    truncated: bool = False
    error: str | None = None
    incomplete: bool = False
    excess: bool = False
    refused: bool = False
    redirects: Sequence[Hop] = ()
    unfollowed: str | None = None
    resent: bool = False


class HttpCaller:
    """The connections that all attempts of a worker share. Its owner closes it."""

    def __init__(self, *, clock: Clock, policy: EgressPolicy, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._transport = Transport(policy, lookup)

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
        exchange = Exchange(prepare(action, headers=headers))
        seconds = action.timeout.total_seconds()
        error, refused, broken = None, False, False
        try:
            async with asyncio.timeout(seconds) as deadline:
                await self._run(exchange, redirects=action.redirects)
        except (TargetRefused, BadRedirect) as refusal:
            error, refused = str(refusal), True
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            error, refused = "the URL cannot be called: the HTTP client cannot read it", True
        except Exception as failure:  # whatever a target causes is the run's failure, not the worker's
            broken = exchange.head is not None
            error = error_text(failure, exchange.call.url)
            if deadline.expired():
                error = f"{exchange.overdue} within {seconds:g} s"
            elif broken:
                error = error.removeprefix(FAILED)
        duration = timedelta(seconds=loop.time() - start)
        return exchange.response(started_at, duration, error=error, refused=refused, incomplete=broken)

    async def _run(self, exchange: "Exchange", *, redirects: int) -> None:
        while True:
            response = await self._send(exchange)
            exchange.begin(response)
            locations = locations_of(response) if response.status_code in REDIRECTS else []
            if not redirects or not locations:
                if locations:
                    exchange.stay()
                await exchange.read_body(response)
                return
            await response.aclose()
            exchange.follow(redirected(exchange.call, status=response.status_code, locations=locations))
            redirects -= 1

    async def _send(self, exchange: "Exchange") -> httpx.Response:
        """Send the request, and return the response. Raises `NotSent` if no connection was clean.

        If a connection of an earlier request ends without a response, and the request is safe to repeat, send it a
        second time over a new connection.
        """
        call, tries = exchange.call, 0
        current_url.set(call.url)
        while True:
            # What happens to one connection that was kept may have happened to all.
            sending = Sending(request_target(call.url), fresh=exchange.resent or tries == SEND_TRIES - 1)
            current_sending.set(sending)
            exchange.sending = sending
            try:
                return await self._transport.handle_async_request(OutgoingRequest(call))
            except NotSent:
                tries += 1
                if tries == SEND_TRIES:
                    raise
            except Exception:
                connection = sending.connection
                if connection is None or not connection.ended_without_response:
                    raise
                if exchange.resent or call.method not in IDEMPOTENT:
                    raise
                exchange.resent = True


class Exchange:
    """The state of a call, for when the deadline ends it."""

    def __init__(self, call: PreparedRequest) -> None:
        self.call = call
        self.sending: Sending | None = None
        self.head: httpx.Response | None = None
        self.resent = False
        self._headers: Sequence[tuple[str, str]] = ()
        self._hops: list[Hop] = []
        self._unfollowed: str | None = None
        self._body: BodyReader | None = None
        self._is_complete = False

    @property
    def overdue(self) -> str:
        """What had not happened when the deadline ended the call."""
        if self.head is None and (self.sending is None or self.sending.connection is None):
            return f"could not connect to {place_of(self.call.url)}"
        return "the target sent no complete response"

    def follow(self, call: PreparedRequest) -> None:
        """Continue with the request that follows a redirect."""
        assert self.head is not None  # noqa: S101 (for the type checker)
        self._hops.append(Hop(self.head.status_code, call.url, call.method))
        self.call, self.head, self.sending = call, None, None

    def stay(self) -> None:
        """Note that a redirect is not followed because the task allows no further one."""
        count = len(self._hops)
        self._unfollowed = (
            f"it redirects further than the task allows (redirects: {count})"
            if count
            else "the task follows no redirects (redirects: 0)"
        )

    def begin(self, head: httpx.Response) -> None:
        """Note a response whose body is still to be read."""
        self.head, self._headers = head, head.headers.multi_items()

    async def read_body(self, response: httpx.Response) -> None:
        """Read the part of the body that is stored. Raises errors of the connection."""
        body = self._body = BodyReader(
            content_type=value_of("content-type", self._headers),
            content_encoding=value_of("content-encoding", self._headers),
        )
        stream = cast("ResponseStream", response.stream)
        try:
            while not body.is_full and (piece := await stream.read()):
                body.feed(piece)
            self._is_complete = True
        finally:
            if not self._is_complete:
                body.feed(stream.unread())
            await stream.aclose()

    def response(
        self, started_at: datetime, duration: timedelta, *, error: str | None, refused: bool, incomplete: bool
    ) -> Response:
        """Return the known part of the response. `error` says how the call failed."""
        known = partial(
            Response,
            started_at=started_at,
            duration=duration,
            refused=refused,
            incomplete=incomplete,
            redirects=self._hops,
            unfollowed=self._unfollowed,
            resent=self.resent,
        )
        if self.head is None:
            return known(error=error)
        kept = limited_headers(self._headers)
        stored = StoredBody(None, BodyEncoding.UTF8, truncated=False)
        if self._body is not None:
            stored = self._body.stored(complete=self._is_complete)
        return known(
            status_code=self.head.status_code,
            headers=kept,
            headers_truncated=len(kept) < len(self._headers),
            retry_after=next((value for name, value in self._headers if name == "retry-after"), None),
            body=stored.body,
            encoding=stored.encoding,
            truncated=stored.truncated,
            error=error or stored.error,
            excess=self._body is not None and self._has_excess,
        )

    @property
    def _has_excess(self) -> bool:
        return self.sending is not None and self.sending.connection is not None and self.sending.connection.has_excess


def locations_of(response: httpx.Response) -> list[str]:
    """Return the Location headers of a response. Bytes that are no UTF-8 are decoded by `surrogateescape`."""
    return [
        value.decode(errors="surrogateescape") for name, value in response.headers.raw if name.lower() == b"location"
    ]


def value_of(wanted: str, headers: Sequence[tuple[str, str]]) -> str:
    """Return the value of the headers of this name, which has to be in lower case; an empty text if there is none."""
    return ", ".join([value for name, value in headers if name == wanted])


def limited_headers(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of a response, without those that are too long for the limit."""
    kept, room = [], KEPT_HEADER_CHARACTERS
    for name, value in headers:
        size = len(name) + len(value)
        if size <= room:
            room -= size
            kept.append((name, value.replace(NUL, REPLACEMENT)))
    return kept


def error_text(error: Exception, url: str) -> str:
    """Return why a call failed, as text for people.

    The errors of aiohttp's parser quote the response, in part and escaped, so that a mask could miss a secret in them.
    """
    match error:
        case aiohttp.ClientConnectorError():
            text = f"could not connect to {place_of(url)}: {connect_problem(error)}"
        case NotSent():
            text = str(error)
        case BadResponse():
            text = f"{FAILED}{error}"
        case aiohttp.ServerDisconnectedError():
            text = f"{FAILED}the target closed the connection before its response was complete"
        case aiohttp.ClientPayloadError():
            text = f"{FAILED}the connection ended within the body of the response"
        case OSError():
            text = f"{FAILED}{reason_of(error)}"
        case _:
            logger.error("A call failed for an unknown reason.", extra={"action": "call_failed"}, exc_info=error)
            text = "the call failed for an unknown reason; the worker's log has the details"
    text = text.replace(NUL, REPLACEMENT)
    return text.encode(errors="replace").decode()


def connect_problem(error: aiohttp.ClientConnectorError) -> str:
    """Return why there is no connection."""
    match error, error.os_error:
        case aiohttp.ClientConnectorDNSError(), _:
            return "the name does not resolve to an address"
        case aiohttp.ClientConnectorCertificateError(), _:
            return certificate_problem(error.certificate_error)
        case _, ssl.SSLCertVerificationError() as cause:
            return certificate_problem(cause)
        case _, ssl.SSLError() as cause:
            return f"the TLS handshake failed ({str(cause.reason or 'no reason given').replace('_', ' ').lower()})"
        case _, cause:
            return reason_of(cause)


def certificate_problem(error: Exception) -> str:
    """Return why a certificate is not accepted."""
    reason = getattr(error, "verify_message", "") or "it does not belong to the name"
    return f"certificate verify failed: {reason}"


def reason_of(error: OSError) -> str:
    """Return the operating system's message, without numbers and addresses."""
    if isinstance(error, ConnectionResetError):
        # A connection that ends within the TLS handshake has no number.
        return "the target closed the connection" if error.errno is None else "the target reset the connection"
    if error.errno is None or (reason := os.strerror(error.errno)).startswith("Unknown error"):
        return "the connection ended"
    return reason[0].lower() + reason[1:]


def place_of(url: str) -> str:
    """Return the host and port of a URL."""
    read = URL(url)
    return netloc(read.raw_host or "", read.port or 0)
