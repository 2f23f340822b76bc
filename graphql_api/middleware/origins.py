"""What browsers must not do on behalf of a page from elsewhere, and what they are told about our own.

A browser sends `Origin` with what a page makes it ask for. Pages of other origins get in only where they are named in
DUETIME_CORS_ORIGINS. While there are no keys, and so the loopback address is all that keeps others out, the `Host` must
be that of this machine too: a name of somebody else's, made to lead here, would pass for our own origin.
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
"""For every answer that does not say otherwise; pages have a policy of their own."""


class OriginMiddleware:
    """ASGI middleware. `origins` may ask from elsewhere; `names_this_machine` wants the Host to be this machine."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str], names_this_machine: bool) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.names_this_machine = names_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses what a foreign page asks for, and adds the headers."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    told.setdefault(name, value)
            await send(message)

        problem = self.problem(Headers(scope=scope))
        answering = self.app if problem is None else refusal(403, problem)
        await answering(scope, receive, protected)

    def problem(self, headers: Headers) -> str | None:
        """Why the request is refused; None when it is not."""
        host = headers.get("host", "")
        if self.names_this_machine and not is_this_machine(host):
            return f"The host {host!r} is not this machine; use localhost, or keys (DUETIME_AUTH=keys)"
        origin = headers.get("origin")
        if origin is None or origin in self.origins or origin in {f"http://{host}", f"https://{host}"}:
            return None
        return f"Pages of {origin!r} may not ask; name that origin in DUETIME_CORS_ORIGINS"


def is_this_machine(host: str) -> bool:
    """Whether a Host header names an address, to which no name can have led, or `localhost`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ip_address(name))
    except ValueError:
        return False
