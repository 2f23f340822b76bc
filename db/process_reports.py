"""The statements of the metrics that processes report. Any API process shows those of all."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import fetch

REPORTED_EVERY = timedelta(seconds=5)
SHOWN_FOR = 3 * REPORTED_EVERY
"""A process that has not reported for this long is not shown."""

# Also removes the reports of processes that have long ended.
RECORD = text("""
WITH ended AS (DELETE FROM process_reports WHERE reported_at < clock_timestamp() - interval '1 hour')
INSERT INTO process_reports (process, metrics) VALUES (:process, :metrics)
ON CONFLICT (process) DO UPDATE SET reported_at = clock_timestamp(), metrics = excluded.metrics
""")

RECENT = text("""
SELECT metrics FROM process_reports
WHERE reported_at > clock_timestamp() - CAST(:shown_for AS interval)
ORDER BY process
""")


def process_name(kind: str, process_id: UUID) -> str:
    """Return the name of a process in metrics: its kind, and the beginning of its id."""
    return f"{kind}-{str(process_id)[:8]}"


async def record(connection: AsyncConnection, *, process: str, metrics: str) -> None:
    """Store what a process reports, in place of its last report."""
    await fetch(connection, RECORD, {"process": process, "metrics": metrics})


async def recent(connection: AsyncConnection) -> Sequence[str]:
    """Return what each process that runs has reported last."""
    return (await connection.execute(RECENT, {"shown_for": SHOWN_FOR})).scalars().all()
