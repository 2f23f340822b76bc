"""Statements that are executed on asyncpg itself."""

import asyncpg
import pytest
from sqlalchemy import text

from db import prepared
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
