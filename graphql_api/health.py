"""Whether the service can work: Postgres and Redis are really asked."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from db.queries.health import workers_alive
from graphql_api.context import Services
from graphql_api.rest.answers import json_answer
from jobs.queue import Unreachable

ANSWER_WITHIN = timedelta(seconds=2)

logger = logging.getLogger(__name__)

HEALTHY = "healthy"
UNREACHABLE = "unreachable"


async def show(request: Request) -> Response:
    """200, or 503 when Postgres or Redis cannot be reached, and only then: without workers it is 200, too."""
    services: Services = request.app.state.services
    workers, redis = await asyncio.gather(workers_in(services), redis_state(services))
    postgres = HEALTHY if workers is not None else UNREACHABLE
    healthy = postgres == redis == HEALTHY
    body: dict[str, str | int] = {"status": HEALTHY if healthy else "unhealthy", "postgres": postgres, "redis": redis}
    if workers is not None:
        body["workers"] = workers
    return json_answer(body, 200 if healthy else 503)


async def workers_in(services: Services) -> int | None:
    """How many workers are alive; nothing when Postgres does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()), services.engine.connect() as connection:
            return await workers_alive(connection)
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
