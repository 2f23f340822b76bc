"""Fixtures with which the tests of one file share a database, a Redis and an API, for the packages that import them.

The database and the Redis are emptied after each test, which takes a thirtieth of the time of a new database. Tests
with the mark `fresh` have a database and an API of their own.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from redis import Redis

from db.models import metadata
from db.settings import DatabaseSettings
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.servers import Administrator, Servers

# Rows that the migrations insert, and what running processes say about themselves.
KEPT = {
    "last_sweep",
    "load_forecast_state",
    "notification_cursor",
    "process_reports",
    "run_event_counter",
    "statistics_cursor",
}
EMPTY = "; ".join(
    [
        "ALTER TABLE audit_log DISABLE TRIGGER USER",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables) if table.name not in KEPT),
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER guard_rows",
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER guard_table",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A migrated database, and a logical database of Redis."""

    database: DatabaseSettings
    redis_url: str
    administrator: Administrator
    redis: Redis

    @property
    def jobs(self) -> JobsSettings:
        """Return the settings of an API or a worker on both."""
        return JobsSettings.model_construct(redis_url=self.redis_url, targets_allowed=LOOPBACK)

    def empty(self) -> None:
        """Delete all rows, the audit log's too, and all keys."""
        self.administrator.execute(EMPTY)
        self.redis.flushdb()


@pytest.fixture(scope="module")
def shared(servers: Servers) -> Iterator[Shared]:
    """Yield the database and the Redis that the tests of this file share."""
    with (
        servers.database() as database,
        servers.redis_database() as redis_url,
        closing(Administrator(database.url())) as administrator,
        Redis.from_url(redis_url) as redis,
    ):
        yield Shared(database=database, redis_url=redis_url, administrator=administrator, redis=redis)


def is_fresh(request: pytest.FixtureRequest) -> bool:
    """Return whether the test needs a database and an API that no other test has used."""
    return request.node.get_closest_marker("fresh") is not None


@pytest.fixture
def shared_database(shared: Shared) -> Iterator[DatabaseSettings]:
    """Yield the shared database, emptied after the test."""
    yield shared.database
    shared.empty()


@pytest.fixture
def fresh_database(servers: Servers) -> Iterator[DatabaseSettings]:
    """Yield a database for this test."""
    with servers.database() as settings:
        yield settings


@pytest.fixture
def database(request: pytest.FixtureRequest) -> DatabaseSettings:
    """Return a database that is empty when the test begins."""
    found: DatabaseSettings = request.getfixturevalue("fresh_database" if is_fresh(request) else "shared_database")
    return found


@pytest.fixture(scope="module")
def redis_url(shared: Shared) -> str:
    """Return the URL of the shared Redis."""
    return shared.redis_url


@pytest.fixture(scope="module")
def jobs_settings(shared: Shared) -> JobsSettings:
    """Return the settings of this file's API and workers."""
    return shared.jobs


@pytest.fixture(scope="module")
async def shared_api(shared: Shared, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run the API that the tests of this file share."""
    async with serving(shared.database, jobs_settings) as running:
        yield running


@pytest.fixture
async def fresh_api(fresh_database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API for this test."""
    async with serving(fresh_database, jobs_settings) as running:
        yield running


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Api:
    """Return a running API whose database is empty when the test begins."""
    request.getfixturevalue("database")
    found: Api = request.getfixturevalue("fresh_api" if is_fresh(request) else "shared_api")
    return found


@pytest.fixture
async def worker(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[None]:
    """Run a worker beside the API."""
    async with working(database, jobs_settings):
        yield
