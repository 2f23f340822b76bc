"""The statements of workers' leases, and of the runs of workers that lost theirs.

A lease is one row per worker, judged only by the database's clock.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.attempts import ended_attempt
from db.engine.conditions import (
    after,
    by_id,
    few,
    has_lost_its_worker,
    has_no_instant_left,
    holds_lease,
    is_looked_up,
    same_worker,
)
from db.engine.ends import assignments, ended_row, moved_to_history
from db.engine.events import with_events
from db.engine.finishes import promote_waiting
from db.engine.rollups import with_rollup
from db.prepared import fetch

LEASE = timedelta(seconds=5)
"""A worker that has not renewed its lease for this long loses its runs."""

RENEW = text("""
INSERT INTO workers (id, host, pid, slots, version) VALUES (:id, :host, :pid, :slots, :version)
ON CONFLICT (id) DO UPDATE SET renewed_at = clock_timestamp()
RETURNING renewed_at
""")

LOCK_LOST_TASKS = text(f"""
SELECT t.id FROM tasks t
WHERE t.id = ANY(ARRAY(
    SELECT r.task_id FROM unfinished_runs r WHERE {has_lost_its_worker("r")} LIMIT :limit
))
{by_id("t")}
FOR NO KEY UPDATE SKIP LOCKED
""")

LOST_ATTEMPT = ended_attempt(
    started_at="r.attempt_started_at",
    finished_at="CAST(:now AS timestamptz)",
    error_message="CAST(:reason AS text)",
    next_attempt_at="CASE WHEN p.on_lost = 'retry' THEN CAST(:now AS timestamptz) END",
)
LOSS = {"epoch": "r.epoch + 1", "error_message": "CAST(:reason AS text)", "attempts": f"r.attempts || {LOST_ATTEMPT}"}
"""The values that a lost attempt gives to the columns of its run."""
UNKNOWN = LOSS | {"state": "'unknown'", "finished_at": "CAST(:now AS timestamptz)", "success": "false"}
HELD = few("held", number="(SELECT count(*) FROM held)")
IS_HELD = f"""{is_looked_up("r.id", "p.id")} AND {same_worker("r", "p.worker_id")} AND r.epoch = p.epoch"""
SHOWN = "r.id, r.task_id, r.cause, r.state, r.attempt, r.error_message, r.due_at, r.run_at"


def lost_attempts(condition: str) -> str:
    """Return expressions of a WITH that end the attempts of the runs `r` that meet a condition, without a response.

    By its task's policy a run is retried at once, or ends as UNKNOWN.
    """
    return f"""
held AS (
    SELECT r.id, r.worker_id, r.epoch, COALESCE((
        SELECT v.on_lost FROM task_versions v WHERE v.task_id = t.id AND v.version >= r.task_version
        ORDER BY v.version LIMIT 1
    ), t.on_lost) AS on_lost
    FROM unfinished_runs r JOIN tasks t ON {is_looked_up("t.id", "r.task_id")}
    WHERE {condition}
    {by_id("r")}
    FOR NO KEY UPDATE OF r
),
retried AS (
    UPDATE unfinished_runs r
    SET state = 'retrying', worker_id = NULL, next_attempt_at = CAST(:now AS timestamptz), {assignments(LOSS)}
    FROM {HELD} p
    WHERE p.on_lost = 'retry' AND {IS_HELD}
    RETURNING {SHOWN}
),
ended AS (
    DELETE FROM unfinished_runs r USING {HELD} p
    WHERE p.on_lost <> 'retry' AND {IS_HELD}
    RETURNING {ended_row(UNKNOWN)}
),
{moved_to_history("ended", returning=SHOWN)},
lost AS (
    SELECT *, CAST(NULL AS bigint) AS duration_ms FROM (SELECT * FROM moved UNION ALL SELECT * FROM retried) both_kinds
),
completed AS (
    UPDATE tasks t SET status = 'completed'
    FROM lost
    WHERE {is_looked_up("t.id", "lost.task_id")} AND lost.state = 'unknown' AND lost.cause = 'schedule'
      AND t.trigger_type = 'one-off' AND {has_no_instant_left("t")}
    RETURNING t.id
),
{with_rollup("lost", condition="e.state = 'unknown'")},
events AS (
    SELECT CASE state WHEN 'unknown' THEN 'unknown' ELSE 'attempt_lost' END AS type, task_id, id AS run_id, state,
           attempt, CAST(NULL AS int) AS status_code, error_message, duration_ms
    FROM lost WHERE {after("completed", "rollup")}
)
"""


RESCUE = with_events(lost_attempts(f"r.task_id = ANY(CAST(:task_ids AS uuid[])) AND {has_lost_its_worker('r')}"))

LOCK_TASKS_OF_WORKER = text(f"""
SELECT t.id FROM tasks t
WHERE t.id = ANY(ARRAY(
    SELECT r.task_id FROM unfinished_runs r
    WHERE r.worker_id = :worker_id AND NOT (r.id = ANY(CAST(:run_ids_kept AS uuid[])))
))
{by_id("t")}
FOR NO KEY UPDATE
""")

RELEASE_RUNS = with_events(
    lost_attempts("r.worker_id = :worker_id AND NOT (r.id = ANY(CAST(:run_ids_kept AS uuid[])))")
)

# No index serves IS TRUE, so that this reads the runs of the worker.
STILL_HELD = text("""
SELECT id, epoch FROM unfinished_runs WHERE worker_id = :worker_id AND (id = ANY(CAST(:run_ids AS uuid[]))) IS TRUE
""")

HOLDS = text(f"""
SELECT EXISTS (
    SELECT FROM workers w
    WHERE w.host = :host AND (CAST(:pid AS int) IS NULL OR w.pid = :pid) AND {holds_lease("w")}
)
""")

HOLDING = text(f"SELECT count(*) FROM workers w WHERE {holds_lease('w')}")

RETIRE = text("DELETE FROM workers WHERE id = :id")

WAS_LOST_LONG_AGO = """w.renewed_at < clock_timestamp() - interval '1 minute'
  AND NOT EXISTS (SELECT FROM unfinished_runs r WHERE r.worker_id = w.id)"""
FORGET = text(f"DELETE FROM workers w WHERE {WAS_LOST_LONG_AGO}")


async def renew(
    connection: AsyncConnection, *, worker_id: UUID, host: str, pid: int, slots: int, version: str
) -> datetime:
    """Renew the lease, or take it for the first time. Return the database's clock."""
    values = {"id": worker_id, "host": host, "pid": pid, "slots": slots, "version": version}
    [[moment]] = await fetch(connection, RENEW, values)
    return cast("datetime", moment)


async def holds(connection: AsyncConnection, *, host: str, pid: int | None = None) -> bool:
    """Return whether a worker on a host, or the one with this process id there, holds its lease."""
    found: bool = (await connection.execute(HOLDS, {"host": host, "pid": pid, "lease": LEASE})).scalar_one()
    return found


async def holding(connection: AsyncConnection) -> int:
    """Return the number of workers that hold their lease."""
    number: int = (await connection.execute(HOLDING, {"lease": LEASE})).scalar_one()
    return number


async def rescue(connection: AsyncConnection, *, now: datetime, limit: int) -> int:
    """End the attempts of workers whose lease has run out, of up to `limit` tasks. Return the number of attempts."""
    lost = await connection.execute(LOCK_LOST_TASKS, {"lease": LEASE, "limit": limit})
    task_ids = list(lost.scalars())
    if not task_ids:
        return 0
    rescued = await connection.execute(
        RESCUE, {"now": now, "lease": LEASE, "task_ids": task_ids, "reason": "the worker was lost during the attempt"}
    )
    count = len(rescued.all())
    await promote_waiting(connection, task_ids=task_ids, now=now)
    return count


async def release_runs(
    connection: AsyncConnection, *, worker_id: UUID, run_ids_kept: Collection[UUID], now: datetime, reason: str
) -> int:
    """End the attempts of a living worker that it will not make, all but `run_ids_kept`. Return their number."""
    held = {"worker_id": worker_id, "run_ids_kept": list(run_ids_kept)}
    task_ids = list((await connection.execute(LOCK_TASKS_OF_WORKER, held)).scalars())
    if not task_ids:
        return 0
    given = await connection.execute(RELEASE_RUNS, held | {"now": now, "reason": reason})
    count = len(given.all())
    await promote_waiting(connection, task_ids=task_ids, now=now)
    return count


async def still_held(
    connection: AsyncConnection, *, worker_id: UUID, run_ids: Collection[UUID]
) -> set[tuple[UUID, int]]:
    """Return those of the runs, each with its epoch, that still belong to this worker."""
    found = await connection.execute(STILL_HELD, {"worker_id": worker_id, "run_ids": list(run_ids)})
    return {(row.id, row.epoch) for row in found}


async def retire(connection: AsyncConnection, *, worker_id: UUID) -> None:
    """End the lease of a worker that has released all its runs."""
    await connection.execute(RETIRE, {"id": worker_id})


async def forget_lost_workers(connection: AsyncConnection) -> None:
    """Remove workers that were lost long ago and have no runs left to rescue."""
    await connection.execute(FORGET)
