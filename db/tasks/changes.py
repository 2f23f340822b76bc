"""The statements that change a task's definition or status."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.engine.events import with_events
from db.models import Task

DEFINITION = (
    "method", "url", "host", "headers", "header_order", "payload", "body", "success_statuses", "signing_secrets",
    "timeout_ms", "redirects", "max_attempts", "initial_delay_ms", "backoff_factor", "max_delay_ms", "retry_statuses",
    "max_elapsed_ms", "on_lost",
)  # fmt: skip
"""The columns on which a run's calls depend, and which a run keeps as they were when it was claimed."""

KEEP_DEFINITION = text(f"""
INSERT INTO task_versions (task_id, version, {", ".join(DEFINITION)})
SELECT id, version, {", ".join(DEFINITION)} FROM tasks WHERE id = ANY (CAST(:task_ids AS uuid[]))
""")

RECORD_MISSED = with_events("""
made AS (
    INSERT INTO finished_runs (id, task_id, task_version, host, cause, state, scheduled_for, due_at, missed_count,
                              missed_since, finished_at, error_message, created_at)
    SELECT m.run_id, m.task_id, m.task_version, m.host, 'schedule', 'missed', m.scheduled_for, m.scheduled_for,
           m.missed_count, m.missed_since, CAST(:now AS timestamptz), CAST(:reason AS text), CAST(:now AS timestamptz)
    FROM unnest(CAST(:run_id AS uuid[]), CAST(:task_id AS uuid[]), CAST(:task_version AS int[]), CAST(:host AS text[]),
                CAST(:scheduled_for AS timestamptz[]), CAST(:missed_count AS bigint[]),
                CAST(:missed_since AS timestamptz[]))
         AS m(run_id, task_id, task_version, host, scheduled_for, missed_count, missed_since)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, task_id, state, attempt, error_message
),
events AS (
    SELECT 'missed' AS type, task_id, id AS run_id, state, attempt, CAST(NULL AS int) AS status_code, error_message,
           CAST(NULL AS bigint) AS duration_ms
    FROM made
)
""")

HAVING_SCHEDULED_RUNS = text("""
SELECT DISTINCT task_id FROM unfinished_runs
WHERE task_id = ANY (CAST(:task_ids AS uuid[])) AND cause = 'schedule'
""")


class Missed(NamedTuple):
    """The last of a task's instants that will not run, the number of such instants before it, and the first of them.

    Its run has the version and the host that the task had.
    """

    run_id: UUID
    task_id: UUID
    task_version: int
    host: str
    scheduled_for: datetime
    missed_count: int
    missed_since: datetime | None


async def lock_tasks(session: AsyncSession, *, task_ids: Collection[UUID]) -> dict[UUID, Task]:
    """Return those of the tasks that were not deleted, locked until the transaction ends, in the order of their ids.

    Tasks are always locked before their runs, so nothing deadlocks. The lock has a statement of its own, so that the
    next statement sees what was committed while this one waited.
    """
    ids = literal(list(task_ids), ARRAY(Uuid))
    tasks = select(Task).where(col(Task.id) == any_(ids), col(Task.deleted_at).is_(None)).order_by(col(Task.id))
    return {task.id: task for task in await session.scalars(tasks.with_for_update(key_share=True))}


async def keep_definitions(session: AsyncSession, *, task_ids: Collection[UUID]) -> None:
    """Store tasks' current requests for the runs that were claimed before they change. The tasks have to be locked."""
    await session.execute(KEEP_DEFINITION, {"task_ids": list(task_ids)})


async def record_missed(session: AsyncSession, missed: Sequence[Missed], *, reason: str, now: datetime) -> None:
    """Record instants that a change of their tasks leaves unclaimed. The tasks have to be locked."""
    columns = {name: list(values) for name, values in zip(Missed._fields, zip(*missed, strict=True), strict=True)}
    await session.execute(RECORD_MISSED, columns | {"reason": reason, "now": now})


async def having_scheduled_runs(session: AsyncSession, *, task_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the tasks that have an unfinished run of their schedule."""
    return set(await session.scalars(HAVING_SCHEDULED_RUNS, {"task_ids": list(task_ids)}))
