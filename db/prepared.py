"""Executes statements on asyncpg itself, on SQLAlchemy's connections and in its transactions.

SQLAlchemy takes about ten times as long to execute a statement as asyncpg. So this serves the hot path of the worker,
and the lists.
"""

import asyncio
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy import JSON, Dialect, Enum, Select, TextClause, TypeDecorator
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from db.compat import commits_by_itself, execute_prepared, execute_together
from db.connection import setting_locally

Row = Any
"""A named tuple of the columns. Each read of an attribute is much faster than one from asyncpg's record."""

KEPT_SELECTIONS = 64
"""Number of selections whose text is kept. To write one takes longer than to execute it."""


async def fetch(connection: AsyncConnection, statement: TextClause, parameters: Mapping[str, Any]) -> list[Row]:
    """Execute a statement, which has the parameters as `:name`, and return its rows, with values as asyncpg reads them.

    Raises asyncpg's errors, OSError and TimeoutError. A lost connection, with the rest of its pool, is replaced.
    """
    sql, names = compiled(statement)
    records = await execute_prepared(connection, sql, [parameters[name] for name in names])
    return [*map(row_type(tuple(records[0].keys())), records)] if records else []


async def select(connection: AsyncConnection, statement: Select[Any]) -> list[Row]:
    """Execute a selection, which is kept if it was executed before, and return its rows, with values of its types.

    Raises the same as `fetch`.
    """
    selection = selected(statement, connection.dialect)
    records = await execute_prepared(connection, selection.sql, selection.arguments)
    return [*map(selection.row, records)]


@asynccontextmanager
async def transaction(connection: AsyncConnection, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """Run a transaction with settings of its own, also on a connection whose statements commit by themselves.

    That one begins it in one round trip, and is closed after any error, since SQLAlchemy knows of no transaction.
    """
    if not commits_by_itself(connection):
        async with connection.begin():
            await connection.execute(setting_locally(settings))
            yield
        return
    begin = "; ".join(["BEGIN", *(f"SET LOCAL {name} = {value}" for name, value in settings.items())])
    try:
        await execute_together(connection, begin)
        yield
        await execute_together(connection, "COMMIT")
    except BaseException:
        await asyncio.shield(connection.invalidate())
        raise


@cache
def compiled(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """Return a statement as asyncpg takes it, and the names of its parameters in their order."""
    found = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    return str(found), tuple(found.positiontup or ())


@cache
def row_type(columns: tuple[str, ...]) -> Callable[[Iterable[Any]], Row]:
    """Return what makes a row from its values."""
    return partial(tuple.__new__, namedtuple("Row", columns, rename=True))


class Selection(NamedTuple):
    """A selection as asyncpg takes it, and what makes a row from a record."""

    sql: str
    arguments: Sequence[Any]
    row: Callable[[Iterable[Any]], Row]


@lru_cache(maxsize=KEPT_SELECTIONS)
def selected(statement: Select[Any], of: Dialect) -> Selection:
    """Return a selection for connections of a dialect, which knows the server's version."""
    found = statement.compile(dialect=of, compile_kwargs={"render_postcompile": True})
    columns = statement.selected_columns
    readers = [(place, read) for place, column in enumerate(columns) if (read := reader(column.type, of)) is not None]
    make = row_type(tuple(column.key for column in columns))

    def row(record: Iterable[Any]) -> Row:
        values = [*record]
        for place, read in readers:
            values[place] = read(values[place])
        return make(values)

    names = found.positiontup or ()
    return Selection(str(found), [found.params[name] for name in names], row if readers else make)


def reader(kind: TypeEngine[Any], of: Dialect) -> Callable[[Any], Any] | None:
    """Return how a column's value is read, or None if asyncpg has already read it: all but enums and JSON."""
    if isinstance(kind, Enum) and kind.enum_class is not None:
        members: dict[str | None, Any] = {member.value: member for member in kind.enum_class}
        return (members | {None: None}).__getitem__
    return kind.dialect_impl(of).result_processor(of, None) if isinstance(kind, JSON | TypeDecorator) else None
