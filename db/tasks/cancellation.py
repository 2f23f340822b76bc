"""The statements that cancel runs."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine.attempts import ended_attempt
from db.engine.conditions import after, by_id, has_no_instant_left
from db.engine.ends import ended_row, moved_to_history
from db.engine.events import with_events
from db.engine.rollups import with_rollup

TOOK_MS = "CAST(greatest(0, extract(epoch FROM CAST(:now AS timestamptz) - r.attempt_started_at) * 1000) AS bigint)"
CANCELLED_ATTEMPT = ended_attempt(
    started_at="r.attempt_started_at",
    finished_at="CAST(:now AS timestamptz)",
    duration_ms=TOOK_MS,
    error_message="'cancelled'",
)
CANCELLED = {
    "state": "'cancelled'",
    "finished_at": "CAST(:now AS timestamptz)",
    "epoch": "r.epoch + 1",
    "success": "CASE WHEN r.attempt > 0 THEN false END",
    "attempts": f"r.attempts || CASE r.state WHEN 'running' THEN jsonb_build_array({CANCELLED_ATTEMPT}) ELSE '[]' END",
    "duration_ms": f"CASE r.state WHEN 'running' THEN {TOOK_MS} ELSE r.duration_ms END",
    "error_message": "CASE r.state WHEN 'running' THEN 'cancelled' ELSE r.error_message END",
    "status_code": "CASE WHEN r.state <> 'running' THEN r.status_code END",
    "response_headers": "CASE WHEN r.state <> 'running' THEN r.response_headers END",
    "response_body": "CASE WHEN r.state <> 'running' THEN r.response_body END",
    "body_encoding": "CASE r.state WHEN 'running' THEN 'utf8' ELSE r.body_encoding END",
    "body_truncated": "r.state <> 'running' AND r.body_truncated",
}
"""The values that a cancellation gives to the columns of its run.

The response or error of an earlier attempt is cleared, because it would look like the result of the aborted one.
"""
SHOWN = """r.id, r.task_id, r.cause, r.state, r.attempt, r.status_code, r.error_message, r.duration_ms, r.due_at,
              r.run_at"""


def cancelled_runs(condition: str) -> str:
    """Return expressions of a WITH that cancel the unfinished runs `r` that meet a condition, and count them.

    The runs are locked in the order of their ids, as by every statement that waits for runs. A running attempt loses
    its worker, which notices and aborts the call; the epoch refuses its late outcome.
    """
    return f"""
locked_runs AS (
    SELECT r.id FROM unfinished_runs r WHERE {condition} {by_id("r")} FOR NO KEY UPDATE
),
ended AS (
    DELETE FROM unfinished_runs r USING locked_runs l
    WHERE r.id = l.id AND {condition}
    RETURNING {ended_row(CANCELLED)}
),
{moved_to_history("ended", returning=SHOWN)},
{with_rollup("moved", condition="e.attempt > 0")}"""


def cancellation_events(*before: str) -> str:
    """Return the events of cancelled runs, recorded after the named expressions of the WITH."""
    return f"""
events AS (
    SELECT 'cancelled' AS type, task_id, id AS run_id, state, attempt, status_code, error_message, duration_ms
    FROM moved WHERE {after(*before)}
)
"""


CANCEL_WAITING_RUNS = with_events(f"""
{cancelled_runs("r.task_id = ANY (CAST(:task_ids AS uuid[])) AND r.state IN ('queued', 'retrying')")},
{cancellation_events("rollup")}
""")
CANCEL_UNFINISHED_RUNS = with_events(f"""
{cancelled_runs("r.task_id = ANY (CAST(:task_ids AS uuid[]))")},
{cancellation_events("rollup")}
""")

# A one-off task has had its only run with one of these, however the run ended.
CANCEL_RUNS = with_events(f"""
{cancelled_runs("r.id = ANY (CAST(:run_ids AS uuid[]))")},
completed AS (
    UPDATE tasks t SET status = 'completed'
    FROM moved c
    WHERE t.id = c.task_id AND c.cause = 'schedule' AND t.trigger_type = 'one-off'
      AND {has_no_instant_left("t")}
    RETURNING t.id
),
{cancellation_events("rollup", "completed")}
""")

TASKS_OF_RUNS = text("SELECT id, task_id FROM task_results WHERE id = ANY (CAST(:run_ids AS uuid[]))")


async def cancel_waiting_runs(session: AsyncSession, *, task_ids: Collection[UUID], now: datetime) -> int:
    """Cancel the tasks' runs that wait for a slot, for an earlier run or for a retry. Return their number.

    A running one finishes. `success` is null for a run without an attempt.
    """
    cancelled = await session.execute(CANCEL_WAITING_RUNS, {"task_ids": list(task_ids), "now": now})
    return len(cancelled.all())


async def cancel_unfinished_runs(session: AsyncSession, *, task_ids: Collection[UUID], now: datetime) -> int:
    """Cancel the tasks' unfinished runs, including those in progress. Return their number."""
    cancelled = await session.execute(CANCEL_UNFINISHED_RUNS, {"task_ids": list(task_ids), "now": now})
    return len(cancelled.all())


async def cancel_runs(session: AsyncSession, *, run_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Cancel runs. Return those that were not finished. Their tasks have to be locked before."""
    cancelled = await session.execute(CANCEL_RUNS, {"run_ids": list(run_ids), "now": now})
    return {row.run_id for row in cancelled}


async def tasks_of_runs(session: AsyncSession, *, run_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return, by the ids of the runs that exist, the tasks that have to be locked before the runs are changed."""
    found = await session.execute(TASKS_OF_RUNS, {"run_ids": list(run_ids)})
    return {row.id: row.task_id for row in found}
