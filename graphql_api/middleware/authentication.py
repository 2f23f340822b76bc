"""The gate before everything: a request gets in with a key whose scope reaches far enough, or to what is open to all.

Open are `/health` and the pages, which show nothing without a key: what Swagger UI shows is no part of its page.
GraphQL looks at the operation before it knows what scope is needed, so there the gate only finds out who asks.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from db.states import KeyScope
from graphql_api import content_negotiation
from graphql_api.middleware.api_keys import AuthenticationFailed, Authenticator, address_of, authorization_of
from graphql_api.responses import refusal
from jobs.security.api_keys import ANYBODY, Caller

GRAPHQL = "/graphql"
OPEN = {"/health", "/health/live", "/api/v1/health", "/api/v1/health/live"}
PAGES = {"/", "/swagger", "/swagger/", "/swagger/index.html"}
ASSETS = ("/swagger/assets/", "/assets/")
READING = {"GET", "HEAD", "OPTIONS"}
CODES = {401: "UNAUTHENTICATED", 429: "LIMIT_EXCEEDED", 503: "INTERNAL"}
"""GraphQL's codes for refusals, by status."""

Hold = Callable[[Callable[[], object]], AbstractContextManager[None]]
"""Has a function called when the key holds no more, as long as the block lasts."""


class AuthenticationMiddleware:
    """ASGI middleware. The app's state has the authenticator once the app has started."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the request through, with whoever asks in `scope["caller"]`, or answers it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        authenticator: Authenticator = scope["app"].state.services.authenticator
        authorization = authorization_of(connection)
        # A websocket's first message may show a key yet.
        if is_open(scope) or (scope["type"] == "websocket" and authorization is None):
            scope["caller"] = None if authenticator.keys_wanted else ANYBODY
            await self.app(scope, receive, send)
            return
        try:
            caller = await authenticator.admit(authorization, address=address_of(connection))
        except AuthenticationFailed as refused:
            await answer(refused, connection)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] != GRAPHQL and not may(caller, method=scope["method"]):
            await refusal(403, f"The key {caller.name!r} may only read; this needs the scope write")(
                scope, receive, send
            )
            return
        scope["caller"] = caller
        if scope["type"] == "http" and content_negotiation.names(connection, content_negotiation.EVENT_STREAM):
            await self.stream(scope, receive, send, hold=partial(authenticator.holding, caller))
        else:
            await self.app(scope, receive, send)

    async def stream(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        hold: Callable[[Callable[[], object]], AbstractContextManager[None]],
    ) -> None:
        """Lets a stream of events flow as long as the key holds under which it was opened."""
        flowing = asyncio.ensure_future(self.app(scope, receive, send))
        with hold(flowing.cancel):
            try:
                await asyncio.wait({flowing})
            finally:
                flowing.cancel()
        if flowing.cancelled():
            await send({"type": "http.response.body", "body": b""})
        else:
            flowing.result()


def is_open(scope: Scope) -> bool:
    """Whether the request needs no key: it asks for health, or for a page."""
    path: str = scope["path"]
    if scope["type"] != "http":
        return False
    if path in OPEN | PAGES or path.startswith(ASSETS):
        return True
    is_page = path == GRAPHQL and scope["method"] == "GET" and not scope["query_string"]
    return is_page and content_negotiation.names(HTTPConnection(scope), content_negotiation.HTML)


def may(caller: Caller, *, method: str) -> bool:
    """Whether the caller's scope reaches as far as the method."""
    return caller.may(KeyScope.READ if method in READING else KeyScope.WRITE)


def answer(refused: AuthenticationFailed, asked: HTTPConnection) -> Response:
    """The refusal, in the shape that clients of this path read."""
    if asked.url.path == GRAPHQL:
        error = {"message": str(refused), "extensions": {"code": CODES[refused.status]}}
        body = json.dumps({"errors": [error]})
        response = Response(body, status_code=refused.status, media_type=content_negotiation.graphql_media_type(asked))
    else:
        response = refusal(refused.status, str(refused))
    if refused.status == 401:
        response.headers["www-authenticate"] = 'Bearer realm="Duetime"'
    if refused.retry_after is not None:
        response.headers["retry-after"] = str(refused.retry_after)
    return response
