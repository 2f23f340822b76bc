"""The connection pool to Postgres."""

from datetime import timedelta

import asyncpg
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

STATEMENT_TIMEOUT = timedelta(seconds=30)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=5)
AWAY = (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a statement or a connection may raise while Postgres is away. Connecting raises some of these as they are."""


def open_engine(url: URL, *, pool_size: int, application_name: str, plans_once: bool = False) -> AsyncEngine:
    """A pool of at most `pool_size` connections. The caller disposes of it.

    `plans_once` is for a process that runs a few statements over and over: none of a worker's gains from being planned
    anew for its values, which took longer than running it. Those of the API, whose filters differ, do.

    Every session ends a transaction that idles, so that a process which stops in the middle of one
    cannot hold its row locks for longer than a few seconds.
    """
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # The connection used last knows the statements already.
        pool_use_lifo=True,
        connect_args={
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
        },
    )


def in_one_trip(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, for transactions of one statement: one round trip instead of three, and locks held no longer."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def is_refusal_of_data(error: BaseException) -> bool:
    """Whether the database refused a value (out of range, not text, against a constraint): trying again is vain."""
    cause = getattr(error, "orig", error)
    return isinstance(
        cause.__cause__ or cause, asyncpg.exceptions.DataError | asyncpg.exceptions.IntegrityConstraintViolationError
    )
