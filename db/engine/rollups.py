"""Counts ended runs by the minute, in the statements that end them, so that the counts outlive the history.

Each row belongs to one worker and one minute, so no two workers wait for each other. Runs that end outside a worker, by
a rescue or a cancellation, are counted under `NOBODY`. Old minutes are added up in one row, under `OLD_MINUTES`.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import fetch

NOBODY = UUID(int=0)
OLD_MINUTES = datetime(1970, 1, 1, tzinfo=UTC)

LATENESS_BOUNDS_MS = tuple(round(10 ** (tenth / 10), 3) for tenth in range(71))
"""From 1 ms to 10,000 s, ten per decade, so estimates from them are off by at most a quarter."""

BUCKETS = len(LATENESS_BOUNDS_MS) + 1
"""The first bucket counts what is below the first bound, the last one what is not below the last."""

LATE_US = "CAST(greatest(extract(epoch FROM e.run_at - e.due_at) * 1000000, 0) AS bigint)"
SECOND = "CAST(floor(extract(second FROM CAST(:now AS timestamptz))) AS int) + 1"
ADD_COUNTS = """
    succeeded = m.succeeded + excluded.succeeded, failed = m.failed + excluded.failed,
    timed = m.timed + excluded.timed, duration_ms = m.duration_ms + excluded.duration_ms,
    lateness_us = m.lateness_us + excluded.lateness_us,
    lateness = ARRAY(SELECT a + b FROM unnest(m.lateness, excluded.lateness) AS sums (a, b))"""
"""What an INSERT into the rollups as `m` does to a row that exists already."""

# Several workers may compact at the same time, each its own rows.
COMPACT = text(f"""
WITH gone AS (
    DELETE FROM run_rollups WHERE (minute, worker_id) IN (
        SELECT minute, worker_id FROM run_rollups
        WHERE minute < :before AND minute > :old_minutes
        ORDER BY minute LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING succeeded, failed, timed, duration_ms, lateness_us, lateness
)
INSERT INTO run_rollups AS m (minute, worker_id, succeeded, failed, timed, duration_ms, lateness_us, lateness,
                              per_second)
SELECT :old_minutes, '{NOBODY}', sum(succeeded), sum(failed), sum(timed), sum(duration_ms), sum(lateness_us),
       ARRAY(
           SELECT sum(late.number) FROM gone g, unnest(g.lateness) WITH ORDINALITY AS late (number, place)
           GROUP BY late.place ORDER BY late.place
       ),
       '{{}}'
FROM gone
HAVING count(*) > 0
ON CONFLICT (minute, worker_id) DO UPDATE SET {ADD_COUNTS}
""")


def with_rollup(ended: str, *, condition: str, worker_id: str = f"'{NOBODY}'") -> str:
    """Return expressions of a WITH that count those rows of the expression `ended` that meet a condition.

    `ended` has the columns state, duration_ms, run_at and due_at, and the alias `e` in the condition. `:now` is the
    instant at which the runs ended. Another expression has to read `rollup` (see `db.engine.conditions.after`). All
    arguments are constants, never input.
    """
    return f"""
late AS (
    SELECT e.state, e.duration_ms, {LATE_US} AS us,
           width_bucket(CAST({LATE_US} / 1000.0 AS float8), CAST(ARRAY{list(LATENESS_BOUNDS_MS)} AS float8[])) AS bucket
    FROM {ended} e
    WHERE {condition}
),
rollup AS (
    INSERT INTO run_rollups AS m (minute, worker_id, succeeded, failed, timed, duration_ms, lateness_us, lateness,
                                  per_second)
    SELECT date_trunc('minute', CAST(:now AS timestamptz)), {worker_id},
           count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state <> 'succeeded'),
           count(duration_ms), COALESCE(sum(duration_ms), 0), sum(us),
           ARRAY(
               SELECT COALESCE(l.number, 0) FROM generate_series(0, {BUCKETS - 1}) AS b
               LEFT JOIN (SELECT bucket, count(*) AS number FROM late GROUP BY bucket) l ON l.bucket = b
               ORDER BY b
           ),
           ARRAY(
               SELECT CASE s WHEN {SECOND} THEN (SELECT count(*) FROM late) ELSE 0 END FROM generate_series(1, 60) AS s
           )
    FROM late
    HAVING count(*) > 0
    ON CONFLICT (minute, worker_id) DO UPDATE SET {ADD_COUNTS},
        per_second[{SECOND}] = m.per_second[{SECOND}] + excluded.per_second[{SECOND}]
    RETURNING minute
)"""


async def compact(connection: AsyncConnection, *, before: datetime, limit: int) -> None:
    """Add up to `limit` rows of minutes before an instant to the row of old minutes."""
    await fetch(connection, COMPACT, {"before": before, "old_minutes": OLD_MINUTES, "limit": limit})
