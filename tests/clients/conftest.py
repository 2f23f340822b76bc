"""What the tests of clients share."""

from collections.abc import AsyncIterator

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """A running API on a database of the test's own."""
    async with serving(database, jobs_settings) as running:
        yield running
