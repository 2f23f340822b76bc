"""Fills a database by statements that may take minutes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from db.connection import autocommit, open_engine
from db.settings import DatabaseSettings
from tests.bench.rounds import Servers

EMPTY = "TRUNCATE tasks, task_results, run_events CASCADE"


async def execute(servers: Servers, *statements: str, values: Mapping[str, Any] | None = None) -> None:
    """Execute statements, each in a transaction of its own and without a time limit."""
    url = DatabaseSettings.model_construct(database_url=servers.environment["DATABASE_URL"]).url()
    engine = open_engine(url, pool_size=1, application_name="duetime bench", answers_within=None)
    try:
        async with autocommit(engine).connect() as connection:
            await connection.execute(text("SET statement_timeout = 0"))
            for statement in statements:
                await connection.execute(text(statement), values or {})
    finally:
        await engine.dispose()
