"""A database and a Redis that the tests of one file share. To empty them takes a thirtieth of creating a database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from redis import Redis

from db.models import metadata
from db.settings import DatabaseSettings
from tests.support.servers import Administrator, Servers

# Rows that the migrations insert, and what running processes say about themselves.
KEPT = {
    "last_sweep",
    "load_forecast_state",
    "notification_cursor",
    "process_reports",
    "run_event_counter",
    "statistics_cursor",
}
EMPTY = "; ".join(
    [
        "ALTER TABLE audit_log DISABLE TRIGGER USER",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables) if table.name not in KEPT),
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER guard_rows",
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER guard_table",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A migrated database, and a logical database of Redis."""

    database: DatabaseSettings
    redis_url: str
    administrator: Administrator
    redis: Redis

    def empty(self) -> None:
        """Delete all rows, the audit log's too, and all keys."""
        self.administrator.execute(EMPTY)
        self.redis.flushdb()


@contextmanager
def sharing(servers: Servers) -> Iterator[Shared]:
    """Yield both, removed afterwards."""
    with (
        servers.database() as database,
        servers.redis_database() as redis_url,
        closing(Administrator(database.url())) as administrator,
        Redis.from_url(redis_url) as redis,
    ):
        yield Shared(database=database, redis_url=redis_url, administrator=administrator, redis=redis)
