"""Checks whether Postgres and Redis answer, within a limit of time."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from db.reads.health import ServiceState, service_state
from graphql_api.context import Services
from jobs.queue import Unreachable

ANSWER_WITHIN = timedelta(seconds=2)

logger = logging.getLogger(__name__)


async def service_state_of(services: Services) -> ServiceState | None:
    """Return the state of the service in Postgres, or None when Postgres does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()), services.engine.connect() as connection:
            return await service_state(connection)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        logger.warning("Postgres cannot be reached.", extra={"action": "health_postgres", "error": repr(error)})
        return None


async def redis_answers(services: Services) -> bool:
    """Return whether Redis answers in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            await services.queue.ping()
    except (Unreachable, TimeoutError):
        return False
    return True
