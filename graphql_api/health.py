"""Whether the service can work: Postgres and Redis are really asked."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.reads.health import Standing, standing
from graphql_api import instants
from graphql_api.context import Services
from graphql_api.responses import json_answer
from jobs.queue import Unreachable

ANSWER_WITHIN = timedelta(seconds=2)

logger = logging.getLogger(__name__)

HEALTHY = "healthy"
UNREACHABLE = "unreachable"


async def show(request: Request) -> Response:
    """200, or 503 when Postgres or Redis cannot be reached, and only then: without workers it is 200, too."""
    services: Services = request.app.state.services
    found, redis = await asyncio.gather(standing_of(services), redis_state(services))
    postgres = HEALTHY if found is not None else UNREACHABLE
    healthy = postgres == redis == HEALTHY
    body: dict[str, Any] = {"status": HEALTHY if healthy else "unhealthy", "postgres": postgres, "redis": redis}
    if found is not None:
        body |= told(found)
    return json_answer(body, 200 if healthy else 503)


def told(found: Standing) -> dict[str, Any]:
    """How things stand, as it is shown."""
    oldest = {"id": str(found.task_id), "due_at": instants.write(found.due_at)} if found.due_at else None
    return {
        "workers": found.workers,
        "last_sweep_age_ms": found.since_sweep and found.since_sweep // timedelta(milliseconds=1),
        "oldest_due_task": oldest,
    }


async def live(_request: Request) -> Response:
    """200: this process answers, whatever becomes of the others."""
    return json_answer({"status": "alive"})


async def standing_of(services: Services) -> Standing | None:
    """How things stand; nothing when Postgres does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()), services.engine.connect() as connection:
            return await standing(connection)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        logger.warning("Postgres cannot be asked. action=health_postgres error=%r", error)
        return None


async def redis_state(services: Services) -> str:
    """Whether Redis answers in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            await services.queue.ping()
    except (Unreachable, TimeoutError):
        return UNREACHABLE
    return HEALTHY


ROUTES = [Route("/health", show, methods=["GET"]), Route("/health/live", live, methods=["GET"])]
