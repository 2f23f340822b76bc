"""Workarounds for the behaviour of asyncpg and SQLAlchemy, each with the reason for it and when it can go.

- `Connection`: SQLAlchemy closes the connections of a pool one by one and without a timeout, and asyncpg then waits for
  the server, which hangs for as long as a host stays silent. It can go once SQLAlchemy passes a timeout to asyncpg's
  `close` whenever it closes a connection.
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
- `count_timeout_as_disconnect`: SQLAlchemy's asyncpg dialect asks only whether a connection is closed, so it keeps one
  whose statement timed out, and the rest of the pool, although all stay silent when the server's host has disappeared.
  It can go once the dialect counts asyncpg's `command_timeout` as a disconnect.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy.engine import ExceptionContext

CLOSE_TIMEOUT = timedelta(seconds=0.5)

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


class Connection(asyncpg.Connection):
    """A connection whose close does not wait for a silent server."""

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


def decode_instant(encoded: tuple[int]) -> datetime:
    """Return the instant; for one beyond Python's calendar, such as an infinity, the nearest end of the calendar."""
    try:
        return POSTGRES_EPOCH + timedelta(microseconds=encoded[0])
    except OverflowError:
        return LAST_INSTANT if encoded[0] > 0 else FIRST_INSTANT
