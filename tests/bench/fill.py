"""Makes databases and fills them by statements that may take minutes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import make_url, text

from db.connection import autocommit, open_engine
from db.migrations import migrate
from db.settings import DatabaseSettings
from tests.bench.rounds import Servers

EMPTY = "TRUNCATE tasks, task_results, run_events CASCADE"


@asynccontextmanager
async def another_database(servers: Servers, name: str) -> AsyncIterator[Servers]:
    """Yield the same servers with a migrated database of this name."""
    async with autocommit(servers.engine).connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(servers.environment["DATABASE_URL"]).set(database=name).render_as_string(hide_password=False)
    engine = open_engine(DatabaseSettings(database_url=url).url(), pool_size=2, application_name="duetime bench")
    try:
        await migrate(engine)
        yield replace(servers, engine=engine, environment=servers.environment | {"DATABASE_URL": url})
    finally:
        await engine.dispose()


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
