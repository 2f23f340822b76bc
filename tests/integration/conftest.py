"""Fixtures that several integration tests share."""

import base64
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.settings import DatabaseSettings
from jobs.http.client import HttpCaller
from tests.support.calls import local_caller
from tests.support.engine import opened, working
from tests.support.graphql import Api, serving
from tests.support.servers import Servers
from tests.support.shared import Shared, shared, shared_database

__all__ = ["caller", "empty_database", "engine", "service", "shared", "shared_database"]


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


@pytest.fixture(scope="module")
async def service(shared: Shared) -> AsyncIterator[Api]:
    """Run an API and a worker that have a secret key. The tests of a file share them, and their rows stay."""
    jobs = shared.jobs.model_copy(update={"secret_key": base64.b64encode(os.urandom(32)).decode()})
    async with serving(shared.database, jobs) as api, working(shared.database, jobs):
        yield api
