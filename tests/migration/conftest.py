"""Fixtures of the tests of migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from db.settings import DatabaseSettings
from tests.support.servers import Servers, empty_database
from tests.support.target import Target

DUMP = Path(__file__).parents[1] / "data" / "old_service.sql"


@pytest.fixture
def empty(servers: Servers) -> Iterator[DatabaseSettings]:
    """A database without tables."""
    with empty_database(servers.admin) as settings:
        yield settings


@pytest.fixture
async def old(empty: DatabaseSettings, target: Target) -> DatabaseSettings:
    """A database of the service before Duetime."""
    await load(empty, DUMP.read_text().replace("TARGET", target.url))
    return empty


async def load(database: DatabaseSettings, script: str) -> None:
    """Run a script of several statements."""
    engine = create_async_engine(database.url())
    try:
        async with engine.begin() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute(script)
    finally:
        await engine.dispose()


async def scalar(database: DatabaseSettings, statement: str) -> object:
    """Return the result of a statement."""
    engine = create_async_engine(database.url())
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(statement))).scalar_one()
    finally:
        await engine.dispose()
