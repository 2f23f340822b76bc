"""Fixtures of the tests of clients."""

import fcntl
from collections.abc import AsyncIterator

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support import recipes as page
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.recipes import Recipes
from tests.support.xdist_worker import PROCESSES


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """A running API with a database of its own."""
    async with serving(database, jobs_settings) as running:
        yield running


@pytest.fixture
async def service(api: Api, database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """A running API and a worker."""
    async with working(database, jobs_settings):
        yield api


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Recipes:
    """The recipes of docs/clients.md, generated and compiled once for all clients and all processes of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if PROCESSES > 1 else own
    folder = shared / "recipes"
    with (shared / "recipes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / page.COMPILED).exists():
            page.write(folder)
            page.graphql_codegen(folder)
            page.relay_compiler(folder)
            page.compile_all(folder)
    return Recipes(folder)
