"""Lets a request through if its key has the scope that it needs, or if it needs no key.

`/health` and the pages need no key, and show no data without one: what Swagger UI shows is not part of its page.
GraphQL checks the scope itself, once it knows the operation, so for GraphQL this only authenticates the caller.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from db.states import KeyScope
from graphql_api import content_negotiation
from graphql_api.middleware.api_keys import (
    KEY_NEEDED,
    AuthenticationFailed,
    Authenticator,
    address_of,
    authorization_of,
)
from graphql_api.middleware.page_requests import GRAPHQL, is_page
from graphql_api.responses import refusal
from jobs.security.api_keys import ANYBODY, Caller

OPEN = {"/health", "/health/live", "/api/v1/health", "/api/v1/health/live"}
ASSETS = ("/swagger/assets/", "/assets/")
READING = {"GET", "HEAD", "OPTIONS"}
READ_BY_POST = {"/api/v1/tasks/preview"}
"""Paths whose POST changes nothing."""
CODES = {401: "UNAUTHENTICATED", 429: "LIMIT_EXCEEDED", 503: "INTERNAL"}
"""GraphQL's codes for refusals, by status."""

Endpoint = Callable[[Request], Awaitable[Response]]
Hold = Callable[[Callable[[], object]], AbstractContextManager[None]]
"""Calls a function when the key becomes invalid while the block lasts."""


class AuthenticationMiddleware:
    """ASGI middleware. The app's state has the authenticator once the app has started."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller in `scope["caller"]`, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        authenticator: Authenticator = scope["app"].state.services.authenticator
        authorization = authorization_of(connection)
        # A WebSocket may still send its key in its first message.
        if is_open(scope) or (scope["type"] == "websocket" and authorization is None):
            scope["caller"] = None if authenticator.keys_wanted else ANYBODY
            await self.app(scope, receive, send)
            return
        try:
            caller = await authenticator.admit(authorization, address=address_of(connection))
        except AuthenticationFailed as refused:
            await answer(refused, connection)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] != GRAPHQL and not may(caller, scope):
            await may_only_read(caller)(scope, receive, send)
            return
        scope["caller"] = caller
        if scope["type"] == "http" and content_negotiation.accepts_stream(connection):
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
        """Pass on a request for a stream of events, and end the stream when its key becomes invalid."""
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
    """Return whether the request needs no key, because it asks for health or for a page."""
    path: str = scope["path"]
    return scope["type"] == "http" and (path in OPEN or path.startswith(ASSETS) or is_page(scope))


def may(caller: Caller, scope: Scope) -> bool:
    """Return whether the caller's scope allows the request."""
    reads = scope["method"] in READING or (scope["method"] == "POST" and scope["path"] in READ_BY_POST)
    return caller.may(KeyScope.READ if reads else KeyScope.WRITE)


def may_only_read(caller: Caller) -> Response:
    """Return the refusal of a change under a key that may only read."""
    return refusal(403, f"The key {caller.name!r} may only read; this needs the scope write")


def scoped(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint of data that checks the caller's scope itself, should a request have passed the middleware."""

    async def checked(request: Request) -> Response:
        caller: Caller | None = request.scope.get("caller")
        if caller is None:
            return answer(AuthenticationFailed(401, KEY_NEEDED), request)
        return await endpoint(request) if may(caller, request.scope) else may_only_read(caller)

    return checked


def answer(refused: AuthenticationFailed, asked: HTTPConnection) -> Response:
    """Return the refusal in the form that clients of this path read."""
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
