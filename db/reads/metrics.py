"""Reads metrics, from rollups and never from the history, so the cost does not grow with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connection import look_up_rows
from db.engine.rollups import LATENESS_BOUNDS_MS
from db.reads.health import LATE_AFTER

OVERVIEW = text("""
SELECT COALESCE(sum(succeeded), 0) AS succeeded, COALESCE(sum(failed), 0) AS failed, COALESCE(sum(timed), 0) AS timed,
       COALESCE(sum(duration_ms), 0) AS duration_ms, COALESCE(sum(lateness_us), 0) AS lateness_us,
       (SELECT COALESCE(sum(ended.number), 0)
        FROM run_rollups recent, unnest(recent.per_second) WITH ORDINALITY AS ended (number, second)
        WHERE recent.minute > CAST(:now AS timestamptz) - interval '2 minutes'
          AND recent.minute + (ended.second - 1) * interval '1 second' > CAST(:now AS timestamptz) - interval '1 minute'
       ) AS in_last_minute,
       (SELECT count(*) FROM tasks WHERE due_at <= :now)
         + (SELECT count(*) FROM unfinished_runs WHERE next_attempt_at <= :now AND flow_limit_id IS NULL)
       AS queue_depth,
       (SELECT count(*) FROM workers WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)) AS workers
FROM run_rollups
""")

LATENESS = text("""
SELECT sum(late.number)
FROM run_rollups, unnest(lateness) WITH ORDINALITY AS late (number, bucket)
WHERE minute >= COALESCE(CAST(:since AS timestamptz), '-infinity')
GROUP BY late.bucket ORDER BY late.bucket
""")


NOW = text("""
SELECT (SELECT extract(epoch FROM clock_timestamp() - min(due_at)) FROM tasks WHERE due_at <= CAST(:now AS timestamptz)
       ) AS oldest_due,
       (SELECT extract(epoch FROM clock_timestamp() - at) FROM last_sweep) AS last_sweep,
       (SELECT count(*) FROM notification_deliveries WHERE state = 'pending') AS pending_deliveries
""")

LEASES = text("SELECT id, extract(epoch FROM clock_timestamp() - renewed_at) AS age FROM workers ORDER BY id")


class Overview(NamedTuple):
    """Counts since the first run, and the current state.

    `duration_ms` is the sum of the durations of `timed` runs; `lateness_us` is the sum over all runs. `queue_depth` is
    the number of runs that are due and wait for a worker.
    """

    succeeded: int
    failed: int
    timed: int
    duration_ms: int
    lateness_us: int
    in_last_minute: int
    queue_depth: int
    workers: int

    @property
    def total(self) -> int:
        """Return the number of runs that started an attempt and have ended."""
        return self.succeeded + self.failed

    @property
    def success_rate(self) -> float | None:
        """Return the share of runs that succeeded, or None without any run."""
        return self.succeeded / self.total if self.total else None

    @property
    def average_duration_ms(self) -> float | None:
        """Return the average duration of last attempts, or None without any."""
        return self.duration_ms / self.timed if self.timed else None


class Present(NamedTuple):
    """The due work, and its age in seconds; `last_sweep_age` is None before the first sweep.

    `lease_ages` has the seconds since each worker renewed its lease, by the worker's id.
    """

    oldest_due_age: float
    last_sweep_age: float | None
    pending_deliveries: int
    lease_ages: dict[UUID, float]


async def overview(connection: AsyncConnection, *, now: datetime) -> Overview:
    """Return all counts at one moment. The connection is in a transaction."""
    await look_up_rows(connection)
    row = (await connection.execute(OVERVIEW, {"now": now, "late_after": LATE_AFTER})).one()
    return Overview(**{name: int(getattr(row, name)) for name in Overview._fields})


async def present(connection: AsyncConnection, *, now: datetime) -> Present:
    """Return what waits. The connection is in a transaction that looks up rows, as after `overview`."""
    row = (await connection.execute(NOW, {"now": now})).one()
    leases = await connection.execute(LEASES)
    return Present(
        oldest_due_age=max(float(row.oldest_due or 0), 0),
        last_sweep_age=None if row.last_sweep is None else float(row.last_sweep),
        pending_deliveries=row.pending_deliveries,
        lease_ages={lease.id: float(lease.age) for lease in leases},
    )


async def lateness(connection: AsyncConnection, *, since: datetime | None = None) -> list[int]:
    """Return how many runs were how late, by the buckets of `db.engine.rollups`; empty without any run."""
    found = await connection.execute(LATENESS, {"since": since})
    return [int(number) for number in found.scalars()]


def percentile(counts: Sequence[int], part: float) -> timedelta | None:
    """Return the lateness that a share of the runs did not exceed, estimated within a bucket; None without any run."""
    rank = sum(counts) * part
    below = 0
    for bucket, number in enumerate(counts):
        if number and below + number >= rank:
            lower = LATENESS_BOUNDS_MS[bucket - 1] if bucket else 0.0
            upper = LATENESS_BOUNDS_MS[bucket] if bucket < len(LATENESS_BOUNDS_MS) else lower
            return timedelta(milliseconds=lower + (upper - lower) * (rank - below) / number)
        below += number
    return None
