"""What tests share: real servers, a database and a Redis of their own for each test, and something to call."""

import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import coverage
import pytest

from db.settings import DatabaseSettings
from jobs.settings import LOOPBACK, JobsSettings
from tests.support import command
from tests.support.scheduling import Scheduling
from tests.support.servers import Servers, data_folder, running_servers
from tests.support.target import Target, running_target

OWN_VARIABLES = ("DATABASE_URL", "DB_", "REDIS_URL", "HOST", "PORT", "DUETIME_")


def pytest_configure() -> None:
    """A developer's own settings are no business of the tests."""
    for name in list(os.environ):
        if name.startswith(OWN_VARIABLES) and not name.startswith("DUETIME_TEST_"):
            del os.environ[name]


def pytest_xdist_auto_num_workers() -> int:
    """Return twice the number of processors, as much of the suite waits, but no more servers than one needs."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_finish() -> None:
    """Spare the garbage collector all modules, which took a fifth of the time of a test of the API."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Return what distributes the tests among the processes of pytest-xdist."""
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the tracer of coverage.py, which takes as much time again, away from tests that it would make fail."""
    measuring = coverage.Coverage.current()
    if measuring is None or item.get_closest_marker("unmeasured") is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture
def measured_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have coverage.py measure the commands that the test runs, too, each of which then takes a second longer."""
    monkeypatch.setattr(command, "KEPT", (*command.KEPT, "COVERAGE_PROCESS_CONFIG"))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Postgres and Redis for the whole session, started when a first test asks for them."""
    with running_servers() as running:
        yield running


@pytest.fixture
def database(servers: Servers) -> Iterator[DatabaseSettings]:
    """A migrated database of the test's own."""
    with servers.database() as settings:
        yield settings


@pytest.fixture
def redis_url(servers: Servers) -> Iterator[str]:
    """An empty Redis database of the test's own."""
    with servers.redis_database() as url:
        yield url


@pytest.fixture
def jobs_settings(redis_url: str) -> JobsSettings:
    """Settings for a worker on the test's own Redis database."""
    return JobsSettings.model_construct(redis_url=redis_url, targets_allowed=LOOPBACK)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """The place of a local stack of the test's own: a folder in a folder of its own, not made yet."""
    with data_folder() as path:
        yield path


@pytest.fixture
def up_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """What `duetime up` is given to run on the servers that the environment names for the tests; else on its own."""
    if "DUETIME_TEST_DATABASE_URL" not in os.environ:
        return {}
    database: DatabaseSettings = request.getfixturevalue("database")
    return {"DATABASE_URL": str(database.database_url), "REDIS_URL": request.getfixturevalue("redis_url")}


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A server to call."""
    async with running_target() as running:
        yield running
