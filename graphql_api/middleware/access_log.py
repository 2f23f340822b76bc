"""Logs each request, where DUETIME_ACCESS_LOG says so."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("access")
"""No child of `graphql_api`, whose lines are limited."""


class AccessLogMiddleware:
    """ASGI middleware that logs a line for each response, and for each WebSocket when it ends.

    The query is left out, because it may contain secrets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it at its end."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        status, size, began = None, 0, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status, size
            status = status or status_of(message)
            size += len(message.get("body") or message.get("text") or message.get("bytes") or "")
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            logger.info(
                "Handled a request." if scope["type"] == "http" else "A WebSocket has ended.",
                extra={
                    "action": "request",
                    "method": scope.get("method", "GET"),
                    "path": scope["path"],
                    # The client disconnected before there was a response.
                    "status": status or 499,
                    "bytes": size,
                    "ms": round((time.perf_counter() - began) * 1_000, 1),
                    "client": scope["client"][0] if scope.get("client") else "unknown",
                },
            )


def status_of(message: Message) -> int | None:
    """Return the status of the response that a message begins, or None if it begins none."""
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        return int(message["status"])
    if message["type"] == "websocket.accept":
        return 101
    return 403 if message["type"] == "websocket.close" else None
