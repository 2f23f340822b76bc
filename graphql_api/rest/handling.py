"""What the endpoints of tasks, runs and results share: how they read a request, and how they answer errors."""

from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from graphql_api import ids, request_body
from graphql_api.context import Services
from graphql_api.middleware.authentication import READING, Endpoint, scoped
from graphql_api.responses import refusal, uncompressed
from graphql_api.rest.form import BadRequest
from jobs import json_value
from jobs.errors import Conflict, NotFound
from jobs.tasks.transaction import Transaction

MAX_BODY_BYTES = 1024 * 1024
INVALID_ID = "Invalid {kind} ID"
NOT_FOUND = "{kind} not found"


def path_id(request: Request, *, of: str = "task") -> UUID:
    """Return the id in the path, of a task or of a run. Raises `BadRequest`."""
    found = ids.read(request.path_params["id"])
    if found is None:
        raise BadRequest(INVALID_ID.format(kind=of))
    return found


def idempotency_key(request: Request) -> str | None:
    """Return the key under which repeating the request creates nothing more, if it has one."""
    return request.headers.get("idempotency-key") or None


def changing(request: Request) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction that the caller of a request begins."""
    services: Services = request.app.state.services
    return services.transaction(request.scope["caller"])


async def body_of(request: Request) -> bytes:
    """Return the body, whatever its Content-Type. Raises `request_body.BodyRefused`."""
    services: Services = request.app.state.services
    return await request_body.read(request, limit=MAX_BODY_BYTES, within=services.body_within)


def parsed(body: bytes) -> Any:
    """Return a body as JSON. Raises `BadRequest`."""
    try:
        return json_value.parse(body)
    except json_value.NotJson as error:
        raise BadRequest(f"The request body is not JSON: {error}") from error


async def optional_body_of(request: Request) -> Any:
    """Return the body as JSON, or an empty object if there is none. Raises `BadRequest` and `BodyRefused`."""
    body = await body_of(request)
    return parsed(body) if body.strip() else {}


def answering(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint behind a check of the caller's scope, with its errors turned into responses."""

    async def answered(request: Request) -> Response:
        try:
            answer = await endpoint(request)
            return answer if request.method in READING else uncompressed(answer)
        except BadRequest as error:
            return refusal(400, str(error))
        except NotFound as error:
            return refusal(404, NOT_FOUND.format(kind=error.kind.capitalize()))
        except Conflict as error:
            return refusal(409, str(error).replace("externalId", "external_id", 1))
        except request_body.BodyRefused as refused:
            refusing = refusal(refused.status, str(refused))
            if refused.status == 408:
                refusing.headers["connection"] = "close"
            return refusing

    return scoped(answered)
