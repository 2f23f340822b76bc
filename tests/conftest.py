"""Fixtures that all tests share: real servers, a database and a Redis for each test, and a target to call."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from db.settings import DatabaseSettings
from duetime import garbage, loop
from duetime.lazy_imports import lazy_imports
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.scheduling import Scheduling
from tests.support.servers import Servers, data_folder, running_servers
from tests.support.target import Target, running_target

UVLOOP = "uvloop"
TIMING = "timing"
MEASURING = "tests.support.coverage"
MEASURED_COMMANDS = Path(__file__).parent / "support" / "measured"
if find_spec("sniffio") is None:
    # httpcore tries to import it with each operation, which fails faster if Python knows that it is not installed.
    sys.modules["sniffio"] = None  # type: ignore[assignment]
OWN_VARIABLES = ("DATABASE_URL", "DB_", "REDIS_URL", "HOST", "PORT", "DUETIME_")


def pytest_configure() -> None:
    """Keep a developer's own settings out of the tests, and garbage collection out of their imports."""
    gc.set_threshold(garbage.THRESHOLD)
    for name in list(os.environ):
        if name.startswith(OWN_VARIABLES) and not name.startswith("DUETIME_TEST_"):
            del os.environ[name]


def pytest_xdist_auto_num_workers() -> int:
    """Return two and a half times the number of processors, because tests often wait, but no more processes than there
    is memory for servers.
    """
    return min(5 * (os.cpu_count() or 1) // 2, 8)


def pytest_collection_finish() -> None:
    """Collect garbage as processes that serve do. Otherwise it would take a fifth of the time of an API test."""
    garbage.calm()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Return the scheduler that distributes the tests among the processes of pytest-xdist."""
    return Scheduling(config, log)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that a test runs on: asyncio's own, and for tests with the mark `both_loops` that of processes
    too. The processes that tests start run on the latter anyway.
    """
    loops = {"asyncio": asyncio.new_event_loop}
    return loops | {UVLOOP: loop.factory()} if item.get_closest_marker("both_loops") else loops


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files that have no test of the group `timing` if only this group is wanted, because to import them
    takes seconds.
    """
    if config.option.markexpr != TIMING or not collection_path.name.startswith("test_"):
        return None
    return None if f"pytest.mark.{TIMING}" in collection_path.read_text() else True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Stop garbage collection during the collection, which imports all modules."""
    with lazy_imports():
        return (yield)


@pytest.fixture
def measured_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment of a command whose coverage is measured if that of the tests is: a second longer."""
    if not request.config.pluginmanager.has_plugin(MEASURING):
        return {}
    return {"PYTHONPATH": f"{MEASURED_COMMANDS}{os.pathsep}{Path.cwd()}"}


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Run Postgres and Redis for the whole session, from the first test that needs them."""
    with running_servers() as running:
        yield running


@pytest.fixture
def database(servers: Servers) -> Iterator[DatabaseSettings]:
    """Yield a migrated database for this test."""
    with servers.database() as settings:
        yield settings


@pytest.fixture
def redis_url(servers: Servers) -> Iterator[str]:
    """Yield an empty Redis database for this test."""
    with servers.redis_database() as url:
        yield url


@pytest.fixture
def jobs_settings(redis_url: str) -> JobsSettings:
    """Return settings for a worker on this test's Redis database."""
    return JobsSettings.model_construct(redis_url=redis_url, targets_allowed=LOOPBACK)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return the path of a data folder for a local stack. It does not exist yet."""
    with data_folder() as path:
        yield path


@pytest.fixture
def up_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment of `duetime up`: the servers that the environment names for the tests, or its own."""
    if "DUETIME_TEST_DATABASE_URL" not in os.environ:
        return {}
    database: DatabaseSettings = request.getfixturevalue("database")
    return {"DATABASE_URL": str(database.database_url), "REDIS_URL": request.getfixturevalue("redis_url")}


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """Run a server to call."""
    async with running_target() as running:
        yield running
