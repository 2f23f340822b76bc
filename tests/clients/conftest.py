"""Fixtures of the tests of clients."""

from collections.abc import AsyncIterator

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """A running API with a database of its own."""
    async with serving(database, jobs_settings) as running:
        yield running
