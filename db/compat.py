"""Workarounds for the behaviour of asyncpg and SQLAlchemy, each with the reason for it and when it can go.

- `Connection`: SQLAlchemy closes the connections of a pool one by one and without a timeout, and asyncpg then waits for
  the server, which hangs for as long as a host stays silent. It can go once SQLAlchemy passes a timeout to asyncpg's
  `close` whenever it closes a connection. It also asks the server only once in a process about built-in types, such as
  `uuid[]`: asyncpg asks on each connection, which takes 10 ms of the server's CPU. That can go once asyncpg knows the
  arrays of built-in types.
- `TransactionPooledConnection`: a pooler that shares connections by transaction keeps no settings of a session, so they
  have to come with each transaction. asyncpg begins transactions by `execute`, and this adds the settings there, which
  costs no further round trip. It can go once asyncpg's `transaction` takes settings.
- `unnamed`: behind such a pooler, the next connection does not know a prepared statement, or knows another one by its
  name. asyncpg without a cache parses an unnamed statement together with its execution, but SQLAlchemy asks for named
  ones. It can go once SQLAlchemy lets asyncpg choose the name.
- `register_timestamptz_codec`: asyncpg's codec turns the first and the last instant of Python's calendar into
  infinities, and returns them without an offset, so that they cannot be compared; yet a task may end at
  9999-12-31T23:59:59.999999Z. It can go once asyncpg sends and returns these two like any other instant, and does not
  raise for an instant beyond them.
- `execute_prepared`: SQLAlchemy has no way to execute a statement on asyncpg alone, in the transaction that it begins
  with its first statement, with the statements that it keeps prepared, and with its reaction to a lost connection. It
  can go once SQLAlchemy has one, or takes no longer than asyncpg. The same holds for `execute_together`.
- `count_timeout_as_disconnect`: SQLAlchemy's asyncpg dialect asks only whether a connection is closed, so it keeps one
  whose statement timed out, and the rest of the pool, although all stay silent when the server's host has disappeared.
  It can go once the dialect counts asyncpg's `command_timeout` as a disconnect.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, PGDialect_asyncpg
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection

CLOSE_TIMEOUT = timedelta(seconds=0.5)

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


KEPT_INSTANTS = 4096
"""Number of instants that are kept: rows share them, and lists show the same rows again and again."""
FIRST_OWN_OID = 10_000
"""Postgres assigns smaller numbers to its own types by hand, the same in each version."""
ASKED_BEFORE = SimpleNamespace(name="asked before")
"""Stands for the statement that asyncpg would have had to prepare."""
built_in_types: dict[frozenset[int], Any] = {}
"""What a server has answered about built-in types."""


class Connection(asyncpg.Connection):
    """A connection whose close does not wait for a silent server, and which knows built-in types of earlier ones."""

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> tuple[Any, Any]:  # noqa: ASYNC109 (asyncpg's own parameter)
        wanted = frozenset(typeoids)
        if wanted in built_in_types:
            return built_in_types[wanted], ASKED_BEFORE
        types, statement = await super()._introspect_types(wanted, timeout)  # type: ignore[misc]
        if max(wanted) < FIRST_OWN_OID:
            built_in_types[wanted] = types
        return types, statement

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 (asyncpg's own parameter)
        """Close the connection, and drop it if the server has not closed it within half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT.total_seconds()):
                await super().close(timeout=timeout)


class TransactionPooledConnection(Connection):
    """A connection through a pooler that shares connections by transaction."""

    transaction_settings = ""
    """Statements that begin each transaction, with which the server's connection is left as it was."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 (asyncpg's own parameter)
        """Execute statements. A `BEGIN` takes the settings along."""
        if query.startswith("BEGIN") and not args:
            query += self.transaction_settings
        return await super().execute(query, *args, timeout=timeout)


def unnamed() -> str:
    """Return the name of the unnamed statement."""
    return ""


def count_timeout_as_disconnect(failed: ExceptionContext) -> None:
    """Make SQLAlchemy count a statement without an answer as a lost connection, and reopen the others as well."""
    if isinstance(failed.original_exception, TimeoutError):
        failed.is_disconnect = True


async def register_timestamptz_codec(connection: asyncpg.Connection) -> None:
    """Make a connection read and write `timestamptz` without loss. This sends nothing to the server."""
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=encode_instant, decoder=decode_instant
    )


def encode_instant(instant: datetime) -> tuple[int]:
    """Return the microseconds since Postgres's epoch. Raises TypeError for an instant without an offset."""
    return ((instant - POSTGRES_EPOCH) // MICROSECOND,)


@lru_cache(maxsize=KEPT_INSTANTS)
def decode_instant(encoded: tuple[int]) -> datetime:
    """Return the instant; for one beyond Python's calendar, such as an infinity, the nearest end of the calendar."""
    try:
        return POSTGRES_EPOCH + encoded[0] * MICROSECOND
    except OverflowError:
        return LAST_INSTANT if encoded[0] > 0 else FIRST_INSTANT


async def execute_prepared(connection: AsyncConnection, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
    """Execute a statement on asyncpg's connection, where it is prepared once, and return its records."""
    async with executing(connection, sql, arguments) as (adapted, own):
        sync = cast("SyncConnection", connection.sync_connection)
        if not adapted.autocommit and not sync.in_transaction():
            sync.begin()
        if not adapted.autocommit and adapted._transaction is None:  # noqa: SLF001
            transaction = own.transaction()
            await transaction.start()
            adapted._transaction = transaction  # noqa: SLF001
        changed = cast("PGDialect_asyncpg", sync.dialect)._invalidate_schema_cache_asof  # noqa: SLF001
        prepared, _ = await adapted._prepare(sql, changed)  # type: ignore[no-untyped-call]  # noqa: SLF001
        records: list[asyncpg.Record] = await prepared.fetch(*arguments)
    return records


async def execute_together(connection: AsyncConnection, sql: str) -> None:
    """Execute several statements in one round trip, on a connection whose statements commit by themselves."""
    async with executing(connection, sql, ()) as (_, own):
        await own.execute(sql)


def commits_by_itself(connection: AsyncConnection) -> bool:
    """Return whether each statement of a connection commits by itself."""
    adapted, _ = of_driver(connection)
    return bool(adapted.autocommit)


def has_ended(connection: AsyncConnection) -> bool:
    """Return whether the server has ended a connection, as far as this process has read that."""
    _, own = of_driver(connection)
    return own.is_closed()


@asynccontextmanager
async def executing(
    connection: AsyncConnection, sql: str, arguments: Sequence[Any]
) -> AsyncIterator[tuple[AsyncAdapt_asyncpg_connection, asyncpg.Connection]]:
    """Lend asyncpg's connection and SQLAlchemy's wrapper of it for one execution, with SQLAlchemy's events around it.

    A lost connection, with the rest of its pool, is replaced.
    """
    sync = cast("SyncConnection", connection.sync_connection)
    adapted, own = of_driver(connection)
    for before in sync.dispatch.before_cursor_execute:
        before(sync, None, sql, tuple(arguments), None, False)  # noqa: FBT003 (the event's signature)
    try:
        yield adapted, own
    except Exception as error:
        if not is_ready_after(error, own):
            await connection.run_sync(drop_all, error)
        if isinstance(error, asyncpg.InternalClientError):
            raise asyncpg.InterfaceError(str(error)) from error
        raise
    except BaseException as interrupted:
        await asyncio.shield(connection.invalidate(interrupted))
        raise
    for after in sync.dispatch.after_cursor_execute:
        after(sync, None, sql, tuple(arguments), None, False)  # noqa: FBT003 (the event's signature)


def of_driver(connection: AsyncConnection) -> tuple[AsyncAdapt_asyncpg_connection, asyncpg.Connection]:
    """Return SQLAlchemy's wrapper of an open connection of asyncpg, and the connection."""
    sync = connection.sync_connection
    assert sync is not None  # noqa: S101 (the connection is open)
    adapted = cast("AsyncAdapt_asyncpg_connection", sync.connection.dbapi_connection)
    return adapted, cast("asyncpg.Connection", adapted.driver_connection)


def is_ready_after(error: Exception, connection: asyncpg.Connection) -> bool:
    """Return whether a connection can execute further statements after an error.

    After a fatal error the server closes the connection, and the end of it may not have arrived yet. Only what the
    server sent has a severity. A statement that was prepared before a migration changed its columns never works again.
    """
    is_fatal = getattr(error, "severity_en", None) in {"FATAL", "PANIC"}
    is_outdated = isinstance(error, asyncpg.exceptions.InvalidCachedStatementError)
    is_answer = isinstance(error, asyncpg.PostgresError) and not is_fatal and not is_outdated
    return is_answer and not connection.is_closed()


def drop_all(connection: SyncConnection, error: BaseException) -> None:
    """Drop a lost connection, and those of its pool that are older when they are next asked for."""
    connection.engine.pool._invalidate(connection.connection, error)  # noqa: SLF001
    connection.invalidate(error)
