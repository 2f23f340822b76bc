"""Fixtures that several integration tests share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.settings import DatabaseSettings
from jobs.http.client import HttpCaller
from tests.support.calls import local_caller
from tests.support.engine import opened
from tests.support.servers import Servers


@pytest.fixture
async def engine(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Open a connection pool for the test itself: for checks, and for its side of a race."""
    async with opened(database) as opening:
        yield opening


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[DatabaseSettings]:
    """Yield a database without tables."""
    with servers.empty_database() as settings:
        yield settings


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    """Open the connections of a worker that may call this machine."""
    async with local_caller() as running:
        yield running
