"""The health of the service: checks Postgres and Redis for each request.

No key is needed, and without one there are only ages and counts. What tasks there are is for those who may read them.
"""

import asyncio
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.states import KeyScope
from graphql_api import instants
from graphql_api.context import Services
from graphql_api.middleware.api_keys import AuthenticationFailed, address_of, authorization_of
from graphql_api.responses import InstantText, ResponseBody, json_answer
from graphql_api.server_checks import ANSWER_WITHIN, redis_answers, service_state_of


class Reachability(StrEnum):
    """Whether a server can be reached."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"


class HealthStatus(StrEnum):
    """Whether the service can work."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class OverdueTask(ResponseBody):
    """A task that is due and not claimed."""

    id: Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})] = Field(description="The task's id.")
    due_at: InstantText = Field(description="When it was due.")


class Health(ResponseBody):
    """Whether the service can work."""

    status: HealthStatus = Field(description="healthy when both servers can be reached.")
    postgres: Reachability = Field(description="The result of a check made for this request.")
    redis: Reachability = Field(description="The result of a check made for this request.")
    workers: int = Field(default_factory=int, description="Number of workers that are alive.", ge=0)
    last_sweep_age_ms: int | None = Field(
        default=None, description="Milliseconds since the last sweep ended; null before the first one.", ge=0
    )
    oldest_due_age_ms: int | None = Field(
        default=None,
        description="Milliseconds for which the oldest due task has been unclaimed; null if no task is.",
        ge=0,
    )
    oldest_due_task: OverdueTask | None = Field(
        default=None, description="That task; null if no task is. Left out for requests without a key that may read."
    )


class Alive(ResponseBody):
    """The process answers."""

    status: Literal["alive"] = "alive"


async def show(request: Request) -> Response:
    """Return 200, or 503 when Postgres or Redis cannot be reached. Without workers it is still 200."""
    services: Services = request.app.state.services
    found, redis_is_there, may_read = await asyncio.gather(
        service_state_of(services), redis_answers(services), may_read_tasks(services, request)
    )
    postgres = Reachability.HEALTHY if found is not None else Reachability.UNREACHABLE
    redis = Reachability.HEALTHY if redis_is_there else Reachability.UNREACHABLE
    healthy = postgres == redis == Reachability.HEALTHY
    body = Health(status=HealthStatus.HEALTHY if healthy else HealthStatus.UNHEALTHY, postgres=postgres, redis=redis)
    if found is not None:
        body.workers = found.workers
        body.last_sweep_age_ms = milliseconds(found.since_sweep)
        body.oldest_due_age_ms = milliseconds(found.since_due)
        if may_read:
            body.oldest_due_task = (
                OverdueTask(id=str(found.task_id), due_at=instants.write(found.due_at)) if found.due_at else None
            )
    return json_answer(body.json_object(), 200 if healthy else 503)


async def live(_request: Request) -> Response:
    """Return 200: this process responds, whatever the state of the others."""
    return json_answer(Alive(status="alive").json_object())


def milliseconds(age: timedelta | None) -> int | None:
    """Return an age in milliseconds."""
    return None if age is None else age // timedelta(milliseconds=1)


async def may_read_tasks(services: Services, request: Request) -> bool:
    """Return whether the caller may read tasks. A key that cannot be looked up in time counts as none."""
    authenticator, authorization = services.authenticator, authorization_of(request)
    if authenticator.keys_wanted and authorization is None:
        return False
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            caller = await authenticator.admit(authorization, address=address_of(request))
    except (AuthenticationFailed, TimeoutError):
        return False
    return caller.may(KeyScope.READ)


ROUTES = [Route("/health", show, methods=["GET"]), Route("/health/live", live, methods=["GET"])]
