"""Refuses requests that pages of other origins make a browser send, and adds security headers to responses.

A browser sends `Origin` with the requests of a page. Pages of other origins are let in only if DUETIME_CORS_ORIGINS
names them. While authentication is off, and only the loopback address keeps others out, the `Host` must be this machine
as well: a foreign name that resolves to this machine would otherwise pass for Duetime's own origin.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api.responses import refusal

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Headers of every response that does not set them itself; pages have a policy of their own."""


class OriginMiddleware:
    """ASGI middleware. Pages of `origins` are let in; with `names_this_machine`, the Host has to be this machine."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str], names_this_machine: bool) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.names_this_machine = names_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse requests of foreign pages, and add the headers to the response."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self.problem(Headers(scope=scope))
        answering = self.app if problem is None else refusal(403, problem)
        await answering(scope, receive, protected)

    def problem(self, headers: Headers) -> str | None:
        """Return why the request is refused, or None."""
        host = headers.get("host", "")
        if self.names_this_machine and not is_this_machine(host):
            return f"The host {host!r} is not this machine; use localhost, or keys (DUETIME_AUTH=keys)"
        origin = headers.get("origin")
        if origin is None or origin in self.origins or origin in {f"http://{host}", f"https://{host}"}:
            return None
        return f"Pages of {origin!r} may not ask; name that origin in DUETIME_CORS_ORIGINS"


def is_this_machine(host: str) -> bool:
    """Return whether a Host header is `localhost` or an address, which no foreign name can have resolved to."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ip_address(name))
    except ValueError:
        return False
