"""The connections that stay open for reading: they are lent again, and none outlives the service."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit, open_engine
from db.readers import Readers
from db.settings import DatabaseSettings
from tests.support.waiting import wait_until

NAME = "duetime readers"
OPEN = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND datname = current_database()")
PID = text("SELECT pg_backend_pid()")


async def count(engine: AsyncEngine) -> int:
    """Return how many connections of the readers the server has."""
    async with engine.connect() as connection:
        number: int = (await connection.execute(OPEN, {"name": NAME})).scalar_one()
    return number


async def test_a_connection_is_lent_again(database: DatabaseSettings, engine: AsyncEngine) -> None:
    """The connection that was used last is used next, and closed with the readers."""
    pool = open_engine(database.url(), pool_size=2, application_name=NAME)
    readers = Readers(autocommit(pool), kept=1)
    pids = set()
    for _ in range(3):
        async with readers.connection() as connection:
            pids.add((await connection.execute(PID)).scalar_one())
    assert (len(pids), await count(engine)) == (1, 1)
    await readers.close()
    await pool.dispose()
    await wait_until(lambda: none_is_open(engine), what="the connection is closed")


async def test_a_reader_waits_briefly_for_one_that_is_lent(
    database: DatabaseSettings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the connection that is given back, or one of the pool when all are lent for long."""
    pool = open_engine(database.url(), pool_size=2, application_name=NAME)
    readers = Readers(autocommit(pool), kept=1)

    async def pid() -> int:
        async with readers.connection() as connection:
            found: int = (await connection.execute(PID)).scalar_one()
            return found

    monkeypatch.setattr("db.readers.LENT_FOR_LONG", timedelta(hours=1))
    async with readers.connection() as connection:
        lent = (await connection.execute(PID)).scalar_one()
        waiting = asyncio.create_task(pid())
        await asyncio.sleep(0)
    assert await waiting == lent
    monkeypatch.setattr("db.readers.LENT_FOR_LONG", timedelta(milliseconds=1))
    async with readers.connection():
        assert await pid() != lent
    assert await pid() == lent
    await readers.close()
    await pool.dispose()
    await wait_until(lambda: none_is_open(engine), what="the connections are closed")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_connection_that_is_given_back_late_is_closed(
    database: DatabaseSettings, engine: AsyncEngine, *, fails: bool
) -> None:
    """A read may end, or fail, after the service has closed its readers and its pool."""
    pool = open_engine(database.url(), pool_size=2, application_name=NAME)
    readers = Readers(autocommit(pool), kept=1)
    with suppress(ConnectionError):
        async with readers.connection() as connection:
            await connection.execute(PID)
            await readers.close()
            await pool.dispose()
            assert await count(engine) == 1
            if fails:
                raise ConnectionError
    await wait_until(lambda: none_is_open(engine), what="the connection is closed")


async def none_is_open(engine: AsyncEngine) -> bool:
    """Return whether the server has no connection of the readers."""
    return not await count(engine)
