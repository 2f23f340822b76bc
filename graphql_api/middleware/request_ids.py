"""Gives each request an id, which its response and the log have as well.

A client or a proxy may give the id in `X-Request-ID`. One that is no short word is replaced, because it goes into the
log as it is.
"""

import random
import re
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")
STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
"""The messages that have the headers of a response."""

current: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being handled."""


def new_id() -> str:
    """Return an id that no other request has. It is no secret, and the system's random numbers would take longer."""
    return f"{random.getrandbits(128):032x}"


class RequestIdMiddleware:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its id."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).getlist(HEADER)
        request_id = given[0] if len(given) == 1 and FORM.fullmatch(given[0]) else new_id()

        async def named(message: Message) -> None:
            if message["type"] in STARTS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = current.set(request_id)
        try:
            await self.app(scope, receive, named)
        finally:
            current.reset(token)
