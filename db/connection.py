"""The connection pool to Postgres."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import URL, TextClause, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from db import json_text
from db.compat import count_timeout_as_disconnect, register_timestamptz_codec, unnamed
from db.connecting import connect
from db.connection_strings import DRIVER, Pooler
from db.slow_statements import log_slow_statements

STATEMENT_TIMEOUT = timedelta(seconds=30)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=5)
ANSWERS_WITHIN = STATEMENT_TIMEOUT + timedelta(seconds=5)
"""After this time without an answer a connection counts as lost: the server would have ended the statement by then."""
CONNECTION_ERRORS = (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The errors that a statement or a connection may raise while Postgres is down. Connecting raises some of these
unwrapped."""
# A new day's partition is empty and has no statistics when the plan is made. To read all of an empty table is cheap, so
# Postgres would go on doing that while the table fills, until autovacuum analyses it.
PLANS_ONCE = {"plan_cache_mode": "force_generic_plan"} | dict.fromkeys(
    ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off"
)
"""Settings with which each statement is planned once: rows are found through an index, one after another."""
IN_PARALLEL = {"plan_cache_mode": "force_custom_plan"}
FOR_VALUES = IN_PARALLEL | {"max_parallel_workers_per_gather": "0"}
"""Settings with which each statement is planned for its values.

A plan that is kept for all values of a filter suits neither what is rare nor what is common. The processes of a
parallel plan take longer to start than such a statement takes, unless it reads a whole table.
"""
LOOKED_UP = {"plan_cache_mode": "force_custom_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}


def setting_locally(settings: Mapping[str, str]) -> TextClause:
    """Return a statement that changes settings until the transaction ends."""
    return text("SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items()))


PLAN_FOR_VALUES, LOOK_UP = setting_locally(FOR_VALUES), setting_locally(LOOKED_UP)


def open_engine(
    url: URL,
    *,
    pool_size: int,
    application_name: str,
    pooler: Pooler = "session",
    plans_once: bool = False,
    answers_within: timedelta | None = ANSWERS_WITHIN,
    slow_statement: timedelta | None = None,
) -> AsyncEngine:
    """Return a pool of at most `pool_size` connections. The caller disposes of it.

    `plans_once` is for a process that repeats a few statements. Planning a worker's statements for their values took
    longer than running them, and improved none. The API's statements, whose filters differ, do improve. A plan that is
    made once outlives the table sizes that it was made for, so such a connection has no choice that depends on them.

    A statement without an answer after `answers_within` raises TimeoutError, and all connections are reopened: when the
    server's host disappears, its connections stay silent and do not even end. None, for migrations, waits.

    Statements that take longer than `slow_statement` are logged.

    Every session ends a transaction that idles, so that a process which stalls in a transaction cannot hold its row
    locks for longer than a few seconds.

    Behind a `pooler` that shares connections by transaction, nothing stays in a session: transactions bring their
    settings along, and each statement is parsed where it is executed.
    """
    settings = {
        # Statements are short; JIT compilation of one that touches many partitions took longer than running it.
        "jit": "off",
        "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
        "idle_in_transaction_session_timeout": str(int(IDLE_IN_TRANSACTION_TIMEOUT.total_seconds() * 1000)),
        **(PLANS_ONCE if plans_once else {"plan_cache_mode": "auto"}),
    }
    open_connection = partial(
        connect,
        url,
        application_name=application_name,
        pooler=pooler,
        settings=settings,
        command_timeout=None if answers_within is None else answers_within.total_seconds(),
    )
    statements: dict[str, Any] = {}
    if pooler == "transaction":
        statements = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": unnamed}
    engine = create_async_engine(
        # The connection string stays out of the engine: SQLAlchemy has no place for some of its parameters.
        URL.create(DRIVER),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # The connection that was used last has the statements prepared.
        pool_use_lifo=True,
        # Errors are logged, and values may be secret or large.
        hide_parameters=True,
        # A payload is sent exactly as the json column stores it.
        json_serializer=partial(json_text.write, ensure_ascii=False),
        connect_args={"async_creator_fn": open_connection, **statements},
    )
    event.listen(engine.sync_engine, "handle_error", count_timeout_as_disconnect)
    event.listen(engine.sync_engine, "connect", set_up)
    event.listen(engine.sync_engine, "checkout", refuse_ended)
    if slow_statement is not None:
        log_slow_statements(engine, longer_than=slow_statement)
    return engine


def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set up a new connection to exchange instants without loss."""
    connection.run_async(register_timestamptz_codec)


def refuse_ended(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Let the pool replace a connection that has ended since it was used last, as all do when Postgres restarts."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def plan_for_values(session: AsyncSession | AsyncConnection) -> None:
    """Plan each further statement of the transaction for its values."""
    await session.execute(PLAN_FOR_VALUES)


async def look_up_rows(session: AsyncSession | AsyncConnection) -> None:
    """Plan each further statement of the transaction for its values, and so that it reads rows in an index's order.

    A plan that was made while a new day was empty would read the whole day once it has filled.
    """
    await session.execute(LOOK_UP)


of_single_statements: WeakKeyDictionary[AsyncEngine, AsyncEngine] = WeakKeyDictionary()
"""Each pool with the same pool for single statements, which SQLAlchemy makes with new event listeners each time."""


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Return the same pool for single statements: one round trip instead of three, and locks are held no longer."""
    found = of_single_statements.get(engine)
    if found is None:
        found = of_single_statements[engine] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return found


def single_statements(engine: AsyncEngine, pooler: Pooler) -> AsyncEngine:
    """Return the pool for reads and for what one statement writes.

    Behind a pooler that shares connections by transaction, only a transaction brings its settings along.
    """
    return engine if pooler == "transaction" else autocommit(engine)


def is_refusal_of_data(error: BaseException) -> bool:
    """Return whether the database refused a value (out of range, not text, against a constraint) and will again."""
    return isinstance(
        raised_by_asyncpg(error), asyncpg.exceptions.DataError | asyncpg.exceptions.IntegrityConstraintViolationError
    )


def waited_too_long_for_a_lock(error: BaseException) -> bool:
    """Return whether the database gave up a statement that waited for a lock for longer than its `lock_timeout`."""
    return isinstance(raised_by_asyncpg(error), asyncpg.exceptions.LockNotAvailableError)


def message_of(error: BaseException) -> str:
    """Return what an error says; its class if it says nothing, as TimeoutError does."""
    return str(error) or type(error).__name__


def is_timeout(error: BaseException) -> bool:
    """Return whether the database gave up a statement that took longer than its `statement_timeout`."""
    return isinstance(raised_by_asyncpg(error), asyncpg.exceptions.QueryCanceledError)


def raised_by_asyncpg(error: BaseException) -> BaseException:
    """Return the asyncpg error that SQLAlchemy has wrapped, or the error itself if it is not wrapped."""
    original = getattr(error, "orig", None)
    return error if original is None else original.__cause__ or original
