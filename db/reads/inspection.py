"""Reads what `duetime doctor` looks at: the server, its settings, and the state of the tables."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PROBE = "duetime.doctor"
MANY_DEAD_ROWS = 100_000

SERVER = text("""
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number,
       clock_timestamp() AS now, pg_is_in_recovery() AS is_standby,
       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS is_durable,
       current_setting('autovacuum') = 'on' AS cleans_up,
       current_setting('max_connections')::integer AS most_connections,
       (SELECT sum(numbackends) FROM pg_stat_database)::integer AS connections,
       pg_database_size(current_database()) AS size
""")
DAYS = text("""
SELECT count(*) FILTER (WHERE c.relname ~ '^task_results_[0-9]{8}$') AS days,
       min(right(c.relname, 8)) FILTER (WHERE c.relname ~ '^task_results_[0-9]{8}$') AS first
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'finished_runs'::regclass
""")
BLOATED = text("""
SELECT relname FROM pg_stat_user_tables WHERE n_dead_tup > greatest(:many, n_live_tup) ORDER BY n_dead_tup DESC LIMIT 5
""")
COUNT_TABLES = text("""
SELECT count(*) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%'
""")
HAS_SECRETS = text("""
SELECT EXISTS (
    SELECT FROM tasks WHERE CAST(headers AS text) LIKE '%"sealed":%' OR signing_secrets IS NOT NULL
)
""")


class Server(NamedTuple):
    """Facts about a Postgres server. `size` is that of the database, in bytes."""

    version: str
    number: int
    now: datetime
    is_standby: bool
    is_durable: bool
    cleans_up: bool
    most_connections: int
    connections: int
    size: int


class Days(NamedTuple):
    """The daily partitions of runs: how many there are, and the first one, as YYYYMMDD."""

    days: int
    first: str | None


async def server(connection: AsyncConnection) -> Server:
    """Return what the server says of itself."""
    return Server(*(await connection.execute(SERVER)).one())


async def days(connection: AsyncConnection) -> Days:
    """Return the daily partitions of runs."""
    return Days(*(await connection.execute(DAYS)).one())


async def bloated_tables(connection: AsyncConnection, *, many: int = MANY_DEAD_ROWS) -> Sequence[str]:
    """Return the tables that have more than `many` dead rows, and more of them than live ones."""
    return (await connection.execute(BLOATED, {"many": many})).scalars().all()


async def has_secrets(connection: AsyncConnection) -> bool:
    """Return whether any task has a secret that is encrypted."""
    return bool((await connection.execute(HAS_SECRETS)).scalar_one())


async def shares_connections_by_transaction(engine: AsyncEngine) -> bool:
    """Return whether a pooler gives each transaction another session of the server.

    The engine needs two connections. The second one occupies the session in which the first one has set something.
    """
    async with engine.connect() as first, engine.connect() as second:
        async with first.begin():
            await first.execute(text("SELECT set_config(:name, 'set', false)"), {"name": PROBE})
        async with second.begin():
            await second.execute(text("SELECT set_config(:name, '', false)"), {"name": PROBE})
            async with first.begin():
                found = await first.execute(text("SELECT current_setting(:name, true)"), {"name": PROBE})
                return bool(found.scalar_one() != "set")


async def round_trip(connection: AsyncConnection, *, times: int) -> timedelta:
    """Return the shortest time in which the server has answered."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await connection.execute(text("SELECT 1"))
        took.append(time.perf_counter() - began)
    return timedelta(seconds=min(took))


def major_version(connection: Connection) -> int:
    """Return the major version of the server."""
    number = connection.execute(text("SELECT current_setting('server_version_num')::integer / 10000"))
    return int(number.scalar_one())


async def count_tables(connection: AsyncConnection) -> int:
    """Return how many tables the database has, apart from those of Postgres."""
    return int((await connection.execute(COUNT_TABLES)).scalar_one())
