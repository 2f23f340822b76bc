"""Limits the headers of requests, and refuses ambiguous lengths of their bodies, before anyone is authenticated."""

from starlette.types import ASGIApp, Receive, Scope, Send

from graphql_api.responses import refusal

MAX_BYTES = 32 * 1024
"""Largest size of the request line and headers, in bytes."""


class HeaderLimitMiddleware:
    """ASGI middleware. The server's own limit applies only to headers that arrive in pieces."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 431 to headers that are too long, and 400 to two different lengths of the body.

        A proxy that trusts the other length takes the rest of the body for the next request (RFC 9112, section 6.3).
        """
        if scope["type"] in {"http", "websocket"} and size_of(scope) > MAX_BYTES:
            await refusal(431, f"The head of the request has more than {MAX_BYTES:,} bytes")(scope, receive, send)
            return
        if scope["type"] == "http" and tells_two_lengths(scope):
            refused = refusal(400, "The request has both a Content-Length and a Transfer-Encoding; send one of them")
            refused.headers["connection"] = "close"
            await refused(scope, receive, send)
            return
        await self.app(scope, receive, send)


def size_of(scope: Scope) -> int:
    """Return the bytes of the request line and headers, without the separators of HTTP/1.1."""
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return target + sum(len(name) + len(value) for name, value in scope["headers"])


def tells_two_lengths(scope: Scope) -> bool:
    """Return whether the request has both a Content-Length and a Transfer-Encoding."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}
