"""Fixtures that all tests share: real servers, a database and a Redis for each test, and a target to call."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import coverage
import pytest

from db.settings import DatabaseSettings
from duetime import loop
from duetime.lazy_imports import lazy_imports
from jobs.settings import LOOPBACK, JobsSettings
from tests.support import command
from tests.support.scheduling import Scheduling
from tests.support.servers import Servers, data_folder, running_servers
from tests.support.target import Target, running_target
from tests.support.xdist_worker import PROCESS

UVLOOP = "uvloop"
STARTED: set[str] = set()
"""Where the fixtures `api` are defined that have been measured."""
if find_spec("sniffio") is None:
    # httpcore tries to import it with each operation, which fails faster if Python knows that it is not installed.
    sys.modules["sniffio"] = None  # type: ignore[assignment]
OWN_VARIABLES = ("DATABASE_URL", "DB_", "REDIS_URL", "HOST", "PORT", "DUETIME_")


def pytest_configure() -> None:
    """Keep a developer's own settings out of the tests."""
    for name in list(os.environ):
        if name.startswith(OWN_VARIABLES) and not name.startswith("DUETIME_TEST_"):
            del os.environ[name]


def pytest_xdist_auto_num_workers() -> int:
    """Return twice the number of processors, because tests often wait, but no more processes than there is memory for
    servers.
    """
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_finish() -> None:
    """Exempt all modules from garbage collection, which took a fifth of the time of an API test."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Return the scheduler that distributes the tests among the processes of pytest-xdist."""
    return Scheduling(config, log)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that a test runs on: asyncio's own, and for tests with the mark `both_loops` that of processes
    too. The processes that tests start run on the latter anyway.
    """
    loops = {"asyncio": asyncio.new_event_loop}
    return loops | {UVLOOP: loop.factory()} if item.get_closest_marker("both_loops") else loops


@contextmanager
def unmeasured() -> Iterator[None]:
    """Stop coverage.py until the block ends, because it doubles the time that Python takes."""
    measuring = coverage.Coverage.current()
    if measuring is None:
        yield
        return
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Measure the collection, which imports all modules, in the first process alone. It is the same in all of them."""
    with nullcontext() if PROCESS == 0 else unmeasured(), lazy_imports():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage during the first example alone of a test with servers: the others take mostly the same lines."""
    begun: set[str] = set()
    for item in items:
        if "servers" not in getattr(item, "fixturenames", ()):
            continue
        test = item.nodeid.partition("[")[0]
        if test in begun:
            item.add_marker(pytest.mark.unmeasured)
        begun.add(test)


def is_measured(item: pytest.Item) -> bool:
    """Return whether coverage is measured during a test. A test that runs on both loops is measured on one of them."""
    return item.get_closest_marker("unmeasured") is None and UVLOOP not in item.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Do not measure tests with the mark `unmeasured`."""
    with nullcontext() if is_measured(item) else unmeasured():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Measure each way to start an API only once in this process, because each start takes the same lines."""
    if fixturedef.argname != "api" or not is_measured(request.node):
        return (yield)
    again = fixturedef.baseid in STARTED
    STARTED.add(fixturedef.baseid)
    with unmeasured() if again else nullcontext():
        return (yield)


@pytest.fixture
def measured_processes() -> AbstractContextManager[object]:
    """Return a context in which the coverage of commands is measured, too, each of which then takes a second longer."""
    return patch.object(command, "KEPT", (*command.KEPT, "COVERAGE_PROCESS_CONFIG"))


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
