"""Executes the statements of the hot path on asyncpg itself, on SQLAlchemy's connections and in its transactions.

SQLAlchemy takes about ten times as long to execute a statement as asyncpg.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from db.compat import Row, execute_prepared


async def fetch(connection: AsyncConnection, statement: TextClause, parameters: Mapping[str, Any]) -> list[Row]:
    """Execute a statement, which has the parameters as `:name`, and return its rows, whose columns are attributes.

    Raises asyncpg's errors, OSError and TimeoutError. A lost connection, with the rest of its pool, is replaced.
    """
    sql, names = compiled(statement)
    return await execute_prepared(connection, sql, [parameters[name] for name in names])


@cache
def compiled(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """Return a statement as asyncpg takes it, and the names of its parameters in their order."""
    found = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    return str(found), tuple(found.positiontup or ())
