"""Reads what the database holds, from Postgres's own statistics and the sizes of files, and never from the rows.

So the numbers of rows are estimates. Only events are exact, because they are numbered without gaps.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST_AUDIT_ENTRIES = 10_000

# The counters follow each change but start from nothing after a crash; then the last ANALYZE knows better.
TABLES = text("""
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes,
       CAST(greatest(COALESCE(NULLIF(s.n_live_tup, 0), c.reltuples), 0) AS bigint) AS rows
FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
ORDER BY c.relname
""")

# Events are numbered in the order of time, so that the first one of a day is found by halving.
EVENT_DAYS = text("""
WITH RECURSIVE ends AS (
    SELECT min(seq) AS first, max(seq) + 1 AS last FROM run_events
),
days AS (
    SELECT generate_series(
        date_trunc('day', (SELECT at FROM run_events ORDER BY seq LIMIT 1), 'UTC'),
        date_trunc('day', (SELECT at FROM run_events ORDER BY seq DESC LIMIT 1), 'UTC'), interval '1 day'
    ) AS day
    ORDER BY day DESC LIMIT :limit
),
search (day, low, high) AS (
    SELECT day, first, last FROM days, ends
    UNION ALL
    SELECT day, CASE WHEN at < day THEN middle + 1 ELSE low END, CASE WHEN at < day THEN high ELSE middle END
    FROM (SELECT day, low, high, (low + high) / 2 AS middle FROM search WHERE low < high) halves
    CROSS JOIN LATERAL (SELECT e.at FROM run_events e WHERE e.seq >= middle ORDER BY e.seq LIMIT 1) event
)
SELECT day, COALESCE(lead(low) OVER (ORDER BY day), (SELECT last FROM ends)) - low AS rows
FROM search WHERE low >= high
ORDER BY day
""")
MOST_EVENT_DAYS = 400

OLDEST_AUDIT_DAY = text("""
SELECT day, (
    SELECT count(*) FROM (SELECT FROM audit_log WHERE at < day + interval '1 day' ORDER BY at LIMIT :limit) entries
) AS rows
FROM (SELECT date_trunc('day', min(at), 'UTC') AS day FROM audit_log) oldest
WHERE day IS NOT NULL
""")


class Table(NamedTuple):
    """A table or a partition, its estimated number of rows, and its bytes with indexes and large values."""

    name: str
    bytes: int
    rows: int


class Day(NamedTuple):
    """A day in UTC, and its number of rows."""

    day: date
    rows: int


async def tables(connection: AsyncConnection) -> Sequence[Table]:
    """Return all tables and partitions that have rows of their own."""
    return [Table(*row) for row in await connection.execute(TABLES)]


async def event_days(connection: AsyncConnection) -> Sequence[Day]:
    """Return the number of events of each day that has any, or lies between such days; of the latest days if many."""
    found = await connection.execute(EVENT_DAYS, {"limit": MOST_EVENT_DAYS})
    return [Day(in_utc(row.day), row.rows) for row in found]


async def oldest_audit_day(connection: AsyncConnection) -> Day | None:
    """Return the first day of the audit log with its number of entries, up to a limit; None without any."""
    row = (await connection.execute(OLDEST_AUDIT_DAY, {"limit": MOST_AUDIT_ENTRIES})).one_or_none()
    return None if row is None else Day(in_utc(row.day), row.rows)


def in_utc(moment: datetime) -> date:
    """Return the day of an instant in UTC."""
    return moment.astimezone(UTC).date()
