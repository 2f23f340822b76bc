"""The statements of a sweep: what it finds to do, and that it ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.conditions import has_lost_its_worker
from db.engine.finishes import STRANDED_TASKS
from db.engine.leases import LEASE, WAS_LOST_LONG_AGO
from db.prepared import fetch

LOOK = text(f"""
SELECT ARRAY(
           SELECT min(due_at) FROM (
               SELECT due_at FROM tasks WHERE due_at > :now AND due_at <= :until
               UNION ALL
               SELECT next_attempt_at FROM unfinished_runs
               WHERE next_attempt_at > :now AND next_attempt_at <= :until AND flow_limit_id IS NULL
           ) near
           GROUP BY floor(extract(epoch FROM due_at) * 10)
       ) AS near,
       EXISTS (SELECT FROM tasks WHERE due_at <= :now)
       OR EXISTS (SELECT FROM unfinished_runs WHERE next_attempt_at <= :now AND flow_limit_id IS NULL) AS overdue,
       EXISTS ({STRANDED_TASKS}) AS stranded,
       EXISTS (SELECT FROM unfinished_runs r WHERE {has_lost_its_worker("r")}) AS lost_runs,
       EXISTS (SELECT FROM workers w WHERE {WAS_LOST_LONG_AGO}) AS lost_workers
""")

NOTE = text("UPDATE last_sweep SET at = clock_timestamp()")


class Found(NamedTuple):
    """What a sweep finds: the first due moment in each 100 ms in which anything is due soon, and whether anything is
    overdue, a task waits for a run that no longer exists, a lost worker has runs, or one without runs can be removed.
    """

    near: Sequence[datetime]
    overdue: bool
    stranded: bool
    lost_runs: bool
    lost_workers: bool


async def look(connection: AsyncConnection, *, now: datetime, until: datetime) -> Found:
    """Return what there is to do at `now`, and what is due between then and `until`.

    One statement costs an idle worker less than each part of the sweep that looks for itself.
    """
    [row] = await fetch(connection, LOOK, {"now": now, "until": until, "lease": LEASE})
    return Found(*row)


async def record_sweep(connection: AsyncConnection) -> None:
    """Record that a sweep ended now, by the database's clock."""
    await fetch(connection, NOTE, {})
