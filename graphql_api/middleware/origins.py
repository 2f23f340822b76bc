"""Refuses requests that pages of other origins make a browser send, and adds security headers to responses.

A browser sends `Origin` with the requests of a page. Pages of other origins are let in only if DUETIME_CORS_ORIGINS
names them. While authentication is off, and only the loopback address keeps others out, the `Host` must be this machine
as well: a foreign name that resolves to this machine would otherwise pass for Duetime's own origin.

Images, scripts, links and forms of a page make requests without an `Origin`. While authentication is off,
`Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/) must not say that they come from elsewhere, except from a link
to a page.
"""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api.middleware.page_requests import is_page
from graphql_api.responses import refusal

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Headers of every response that does not set them itself; pages have their own policy."""


OWN_SITES = {None, "same-origin", "none"}
"""Values of `Sec-Fetch-Site` for requests of Duetime's own pages, of the user, and of programs other than browsers."""


class OriginMiddleware:
    """ASGI middleware. Pages of `origins` are let in.

    With `names_this_machine`, the Host has to be this machine; with `own_site_only`, a browser must not say that a page
    from elsewhere makes the request.
    """

    def __init__(
        self, app: ASGIApp, *, origins: Collection[str], names_this_machine: bool, own_site_only: bool
    ) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.names_this_machine = names_this_machine
        self.own_site_only = own_site_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse requests of foreign pages, and add the headers to the response."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in HEADERS if each[0] not in given)]
            await send(message)

        problem = self.problem(scope)
        answering = self.app if problem is None else refusal(403, problem)
        await answering(scope, receive, protected)

    def problem(self, scope: Scope) -> str | None:
        """Return why the request is refused, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.names_this_machine and not is_this_machine(host):
            return f"The host {host!r} is not this machine; use localhost, or keys (DUETIME_AUTH=keys)"
        origin = headers.get("origin")
        if origin in self.origins:
            return None
        if origin not in {None, f"http://{host}", f"https://{host}"}:
            return f"Pages of {origin!r} may not ask; name that origin in DUETIME_CORS_ORIGINS"
        site = headers.get("sec-fetch-site")
        if self.own_site_only and site not in OWN_SITES and not leads_to_page(scope, headers):
            return (
                f"Pages from elsewhere may not ask (Sec-Fetch-Site: {site}); use keys (DUETIME_AUTH=keys), or name "
                "their origin in DUETIME_CORS_ORIGINS and ask by CORS"
            )
        return None


def leads_to_page(scope: Scope, headers: Headers) -> bool:
    """Return whether the response is a page without data that a browser shows as a document."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_navigation and is_page(scope)


@lru_cache(maxsize=64)
def is_this_machine(host: str) -> bool:
    """Return whether a Host header is `localhost` or an address, which no foreign name can have resolved to."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ip_address(name))
    except ValueError:
        return False
