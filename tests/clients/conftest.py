"""Fixtures of the tests of clients."""

from collections.abc import AsyncIterator

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support import recipes as page
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.recipes import Recipes


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
    """The recipes of docs/clients.md, generated and compiled once for all clients."""
    folder = tmp_path_factory.mktemp("recipes")
    page.write(folder)
    page.graphql_codegen(folder)
    page.relay_compiler(folder)
    page.compile_all(folder)
    return Recipes(folder)
