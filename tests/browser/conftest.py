"""Fixtures of the tests in a browser, which is no part of the process that serves the pages."""

import shutil
from collections.abc import AsyncIterator

import pytest

from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.settings import JobsSettings
from tests.support import keys
from tests.support.engine import working
from tests.support.graphql import Api, serving

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium. CI installs it; elsewhere these tests are skipped with a reason."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium here (on Debian: apt-get install chromium)")
    return found


@pytest.fixture
async def service(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Yield a running API with a worker."""
    async with serving(database, jobs_settings) as api, working(database, jobs_settings):
        yield api


@pytest.fixture
async def guarded(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[tuple[Api, str]]:
    """Yield a running API with a worker that requires keys, and a key of the scope write."""
    async with keys.guarded(database, jobs_settings) as api, working(database, jobs_settings):
        yield api, await keys.make_key(api.engine, "me", scope=KeyScope.WRITE)
