"""The statements that count the failures of tasks that pause themselves, and pause them.

Run these after the tasks were locked and the outcomes of their runs written, in the same transaction: no claim comes in
between.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.conditions import TASKS_BY_ID, few, is_looked_up

COUNTS = text(f"""
SELECT t.id, t.failures, t.pause_after_failures FROM {TASKS_BY_ID} b JOIN tasks t ON {is_looked_up("t.id", "b.id")}
WHERE t.pause_after_failures > 0
""")

KEEP_COUNTS = text(f"""
UPDATE tasks t SET failures = c.failures
FROM {
    few(
        "unnest(CAST(:task_ids AS uuid[]), CAST(:failures AS int[])) AS one (id, failures)",
        number="cardinality(CAST(:task_ids AS uuid[]))",
    )
} c
WHERE {is_looked_up("t.id", "c.id")}
""")

# The audit log shows what `pauseTask` shows there. A task that has ended in the meantime is not changed.
PAUSE = text(f"""
WITH paused AS (
    UPDATE tasks t
    SET status = 'paused', resume_from = t.next_run, next_run = NULL, due_at = NULL, misfire_once = NULL,
        paused_at = CAST(:now AS timestamptz), paused_by = CAST(:paused_by AS text), pause_reason = c.reason,
        version = t.version + 1, updated_at = CAST(:now AS timestamptz)
    FROM {
    few(
        "unnest(CAST(:task_ids AS uuid[]), CAST(:run_ids AS uuid[]), CAST(:reasons AS text[])) AS one"
        " (id, run_id, reason)",
        number="cardinality(CAST(:task_ids AS uuid[]))",
    )
} c
    WHERE {is_looked_up("t.id", "c.id")} AND t.status = 'scheduled'
    RETURNING t.id, t.version, t.pause_reason, c.run_id
),
noted AS (
    INSERT INTO audit_log (at, key_name, action, task_id, run_id, before, after)
    SELECT CAST(:now AS timestamptz), CAST(:paused_by AS text), 'pauseTask', id, run_id,
           json_build_object('status', 'scheduled', 'version', version - 1),
           json_build_object('status', 'paused', 'version', version, 'pause_reason', pause_reason)
    FROM paused
)
SELECT id FROM paused
""")


class Count(NamedTuple):
    """How many runs of a task have failed one after another, and after how many it pauses itself."""

    failures: int
    pauses_after: int


class Pause(NamedTuple):
    """A task to pause: the run that failed last, and the reason."""

    task_id: UUID
    run_id: UUID
    reason: str


async def counts(connection: AsyncConnection, *, task_ids: Collection[UUID]) -> dict[UUID, Count]:
    """Return the counts of those tasks that pause themselves."""
    found = await connection.execute(COUNTS, {"task_ids": list(task_ids)})
    return {row.id: Count(row.failures, row.pause_after_failures) for row in found}


async def keep_counts(connection: AsyncConnection, failures: Mapping[UUID, int]) -> None:
    """Write the counts back."""
    await connection.execute(KEEP_COUNTS, {"task_ids": list(failures), "failures": list(failures.values())})


async def pause(connection: AsyncConnection, pauses: Sequence[Pause], *, paused_by: str, now: datetime) -> list[UUID]:
    """Pause those of the tasks whose schedule has not ended, with an entry in the audit log. Return them."""
    paused = await connection.execute(
        PAUSE,
        {
            "task_ids": [each.task_id for each in pauses],
            "run_ids": [each.run_id for each in pauses],
            "reasons": [each.reason for each in pauses],
            "paused_by": paused_by,
            "now": now,
        },
    )
    return list(paused.scalars())
