"""Judges the heads of requests: what a client can have us read before it is known who asks, and where the body ends."""

from starlette.types import ASGIApp, Receive, Scope, Send

from graphql_api.responses import refusal

MAX_BYTES = 32 * 1024
"""How long the head of a request may be, its headers included."""


class HeaderLimitMiddleware:
    """ASGI middleware. The server's own bound counts only for heads that come in pieces."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 431 to a head that is too long, and 400 to one that tells two lengths of its body.

        A proxy that believes the other of the two takes the rest of the body for the next request (RFC 9112, 6.3).
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
    """The bytes of a request's head, without what HTTP/1.1 puts between its parts."""
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return target + sum(len(name) + len(value) for name, value in scope["headers"])


def tells_two_lengths(scope: Scope) -> bool:
    """Whether the request's body has a length, and comes in pieces until it ends."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}
