"""Statements that are executed on asyncpg itself, and the types of their parameters."""

import asyncio
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import prepared
from db.connecting import connect
from db.connection import FOR_VALUES, autocommit, open_engine
from db.settings import DatabaseSettings
from tests.support.waiting import wait_until


async def test_a_statement_that_a_migration_has_outdated(database: DatabaseSettings) -> None:
    """It fails once, and then reads the column as it is now."""
    statement = text("SELECT key_name FROM audit_log LIMIT CAST(:limit AS int)")
    engine = open_engine(database.url(), pool_size=1, application_name="duetime test")
    try:
        async with engine.connect() as connection:
            await prepared.fetch(connection, statement, {"limit": 1})
            await connection.commit()
            await connection.execute(text("ALTER TABLE audit_log ALTER key_name TYPE varchar(999)"))
            await connection.commit()
            with pytest.raises(asyncpg.exceptions.InvalidCachedStatementError):
                await prepared.fetch(connection, statement, {"limit": 1})
        async with engine.connect() as connection:
            assert await prepared.fetch(connection, statement, {"limit": 1}) == []
    finally:
        await engine.dispose()


async def plan_mode(connection: AsyncConnection) -> str:
    """Return a setting that `FOR_VALUES` changes."""
    [[mode]] = await prepared.fetch(connection, text("SELECT current_setting('plan_cache_mode')"), {})
    return str(mode)


@pytest.mark.parametrize("commits", [True, False])
async def test_a_transaction_has_settings_of_its_own(engine: AsyncEngine, *, commits: bool) -> None:
    """They end with it, also on a connection whose statements commit by themselves."""
    async with (autocommit(engine) if commits else engine).connect() as connection:
        for _ in range(2):
            async with prepared.transaction(connection, FOR_VALUES):
                assert await plan_mode(connection) == "force_custom_plan"
            assert await plan_mode(connection) == "auto"
            await connection.rollback()


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("error", [asyncpg.exceptions.DivisionByZeroError, KeyError, asyncio.CancelledError])
async def test_no_failed_transaction_stays_open(
    engine: AsyncEngine, error: type[BaseException], *, commits: bool
) -> None:
    """The pool lends no connection on which one has failed, whatever has ended it."""
    statements = autocommit(engine) if commits else engine

    async def fail() -> None:
        async with statements.connect() as connection, prepared.transaction(connection, FOR_VALUES):
            if error is asyncpg.exceptions.DivisionByZeroError:
                await prepared.fetch(connection, text("SELECT 1 / 0"), {})
            await plan_mode(connection)
            raise error

    with pytest.raises(error):
        await fail()
    async with statements.connect() as connection:
        assert await plan_mode(connection) == "auto"
        await wait_until(partial(none_is_in_transaction, connection), what="no transaction is open")


async def test_a_transaction_that_cannot_begin_does_not_stay_open(engine: AsyncEngine) -> None:
    """The pool lends no connection on which only a part of the beginning has succeeded."""
    with pytest.raises(asyncpg.exceptions.InvalidParameterValueError):
        async with (
            autocommit(engine).connect() as connection,
            prepared.transaction(connection, {"plan_cache_mode": "unheard_of"}),
        ):
            raise AssertionError
    async with autocommit(engine).connect() as connection:
        assert await plan_mode(connection) == "auto"
        await wait_until(partial(none_is_in_transaction, connection), what="no transaction is open")


async def none_is_in_transaction(connection: AsyncConnection) -> bool:
    """Return whether no other session of this database is in a transaction."""
    statement = """
    SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND backend_type = 'client backend' AND xact_start IS NOT NULL)
    """
    [[none]] = await prepared.fetch(connection, text(statement), {})
    return bool(none)


@pytest.mark.parametrize(("array", "asks"), [("int8range[]", False), ("weekday[]", True)])
async def test_built_in_types_are_asked_about_once(
    database: DatabaseSettings, engine: AsyncEngine, array: str, *, asks: bool
) -> None:
    """Another connection knows them and sends nothing but its statement; types of the database's own it asks about."""
    async with engine.begin() as creating:
        await creating.execute(text("CREATE TYPE weekday AS ENUM ('monday')"))
    statement = f"SELECT coalesce(CAST($1 AS {array}), '{{}}')"
    sent: list[str] = []
    settings = {"jit": "off"}
    for _ in range(2):
        connection = await connect(
            database.url(), application_name="duetime test", pooler="session", settings=settings, command_timeout=None
        )
        sent.clear()
        with connection.query_logger(lambda query: sent.append(query.query)):
            assert await connection.fetchval(statement, None) == []
        await connection.close()
    assert (sent != [statement]) == asks
