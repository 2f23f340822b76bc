"""Statements that are executed on asyncpg itself, and the types of their parameters."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db import prepared
from db.connecting import connect
from db.connection import open_engine
from db.settings import DatabaseSettings


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
