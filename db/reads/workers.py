"""Reads the workers from the rows of their leases."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.reads.health import LATE_AFTER

WORKERS = text("""
SELECT w.id, w.host, w.slots, w.version, w.started_at, w.renewed_at,
       w.renewed_at > clock_timestamp() - CAST(:late_after AS interval) AS alive,
       (SELECT count(*) FROM unfinished_runs r WHERE r.worker_id = w.id) AS running
FROM workers w ORDER BY w.started_at, w.id
""")


async def workers(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return the workers, including those that lost their lease a moment ago, in the order of their start."""
    return (await connection.execute(WORKERS, {"late_after": LATE_AFTER})).all()
