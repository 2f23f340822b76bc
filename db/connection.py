"""The connection pool to Postgres."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from functools import partial

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from db.timestamptz import register_timestamptz_codec

STATEMENT_TIMEOUT = timedelta(seconds=30)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=5)
ANSWERS_WITHIN = STATEMENT_TIMEOUT + timedelta(seconds=5)
"""After which a connection without an answer counts as lost: the server would have ended the statement by then."""
GOODBYE_WITHIN = timedelta(seconds=0.5)
CONNECTION_ERRORS = (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a statement or a connection may raise while Postgres is away. Connecting raises some of these as they are."""


class Connection(asyncpg.Connection):
    """A connection whose end does not wait for a server that is silent; a pool ends its connections one by one."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 (asyncpg's own parameter)
        """Says goodbye, and breaks off what the server has not closed within half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN.total_seconds()):
                await super().close(timeout=timeout)


def open_engine(
    url: URL,
    *,
    pool_size: int,
    application_name: str,
    plans_once: bool = False,
    answers_within: timedelta | None = ANSWERS_WITHIN,
) -> AsyncEngine:
    """A pool of at most `pool_size` connections. The caller disposes of it.

    `plans_once` is for a process that runs a few statements over and over: none of a worker's gains from being planned
    anew for its values, which took longer than running it. Those of the API, whose filters differ, do.

    A statement that has no answer `answers_within` raises TimeoutError, and all connections are made anew: when the
    server's host vanished, nothing is ever heard on them, not even that they have ended. None, for migrations, waits.

    Every session ends a transaction that idles, so that a process which stops in the middle of one
    cannot hold its row locks for longer than a few seconds.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # The connection used last knows the statements already.
        pool_use_lifo=True,
        # A payload is sent as the column of type json keeps it: as short as it came.
        json_serializer=partial(json.dumps, ensure_ascii=False),
        connect_args={
            "connection_class": Connection,
            "timeout": 5,
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                # Statements are short; compiling one that touches many partitions took longer than running it.
                "jit": "off",
                "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
                "idle_in_transaction_session_timeout": str(int(IDLE_IN_TRANSACTION_TIMEOUT.total_seconds() * 1000)),
                "plan_cache_mode": "force_generic_plan" if plans_once else "auto",
            },
            "command_timeout": answers_within and answers_within.total_seconds(),
        },
    )
    event.listen(engine.sync_engine, "handle_error", give_up_on_silence)
    event.listen(engine.sync_engine, "connect", set_up)
    return engine


def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Has a new connection keep instants as they are."""
    connection.run_async(register_timestamptz_codec)


def give_up_on_silence(failed: ExceptionContext) -> None:
    """Has SQLAlchemy count a statement without an answer as a lost connection, and not use the others either."""
    if isinstance(failed.original_exception, TimeoutError):
        failed.is_disconnect = True


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, for transactions of one statement: one round trip instead of three, and locks held no longer."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def is_refusal_of_data(error: BaseException) -> bool:
    """Whether the database refused a value (out of range, not text, against a constraint): trying again is vain."""
    cause = getattr(error, "orig", error)
    return isinstance(
        cause.__cause__ or cause, asyncpg.exceptions.DataError | asyncpg.exceptions.IntegrityConstraintViolationError
    )
