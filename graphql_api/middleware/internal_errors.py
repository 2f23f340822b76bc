"""Answers 500 to exceptions that nothing else has caught."""

import logging
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api.responses import refusal

logger = logging.getLogger(__name__)


class InternalErrors:
    """ASGI middleware. The response has only an id, under which the log has the details."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer 500 if it fails before a response has started."""
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            # The client disconnected, which is not an error.
            return
        except Exception:
            if scope["type"] != "http" or answered:
                raise
            incident = uuid4().hex
            logger.exception(
                "A request failed.", extra={"action": "request_failed", "id": incident, "path": scope["path"]}
            )
            await refusal(500, f"Internal error; the service's log has it under {incident}")(scope, receive, send)
