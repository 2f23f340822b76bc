"""The statements that end the history: of runs, answers, events, the audit log, versions of tasks, and keys.

A retention of 0 days keeps forever. A task's own `retention_days` counts for all of its runs.
"""

from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.conditions import few, is_run
from db.engine.days import lower_bound
from db.models import DEFAULT_PARTITION

MOST_KEPT = 20_000
"""The maximum number of runs of a day that are copied when the others are removed together."""

Pruned = Literal["none", "dropped", "emptied", "rows"]
Place = tuple[datetime, UUID]
"""The instant and the id of the run up to which the runs were looked at."""

DAYS = text("""
SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'finished_runs'::regclass AND c.relname ~ '^task_results_[0-9]{8}$'
ORDER BY day
""")
PRUNE_DAY = text("SELECT prune_run_day(:day, :days, :failed_days, :most_kept)")

DAYS_KEPT = """COALESCE(
    t.retention_days, CASE r.state WHEN 'succeeded' THEN CAST(:days AS int) ELSE CAST(:failed_days AS int) END
)"""
IS_EXPIRED = f"{DAYS_KEPT} > 0 AND r.scheduled_for < now() - make_interval(days => {DAYS_KEPT})"


REMOVE_OF_DAY = text(f"""
WITH next AS MATERIALIZED (
    SELECT r.id, r.task_id, r.state, r.scheduled_for FROM finished_runs r
    WHERE r.id > CAST(:after AS uuid) AND r.id < CAST(:before AS uuid) ORDER BY r.id LIMIT :limit
),
gone AS (
    DELETE FROM finished_runs d
    WHERE d.id > CAST(:after AS uuid) AND d.id < CAST(:before AS uuid) AND d.id = ANY(ARRAY(
        SELECT r.id FROM next r LEFT JOIN tasks t ON t.id = r.task_id WHERE {IS_EXPIRED}
    ))
    RETURNING d.id
)
SELECT (SELECT count(*) FROM gone) AS removed, (SELECT id FROM next ORDER BY id DESC LIMIT 1) AS last
""")

# The runs of tasks with a retention of their own are left to the next statement.
REMOVE_OF_DEFAULT = text(f"""
WITH next AS MATERIALIZED (
    SELECT id, task_id, state, scheduled_for FROM {DEFAULT_PARTITION}
    WHERE (scheduled_for, id) > (:since, :after) AND scheduled_for < now() - make_interval(days => CAST(:days AS int))
    ORDER BY scheduled_for, id LIMIT :limit
),
gone AS (
    DELETE FROM {DEFAULT_PARTITION} d WHERE d.id = ANY(ARRAY(
        SELECT r.id FROM next r LEFT JOIN tasks t ON t.id = r.task_id
        WHERE (r.state = 'succeeded') = :succeeded AND t.retention_days IS NULL
    ))
)
SELECT scheduled_for, id FROM next ORDER BY scheduled_for DESC, id DESC LIMIT 1
""")

REMOVE_OF_TASKS = text(f"""
WITH expired AS MATERIALIZED (
    SELECT r.id, r.task_id, r.scheduled_for FROM tasks t CROSS JOIN LATERAL (
        SELECT f.id, f.task_id, f.scheduled_for FROM finished_runs f
        WHERE f.task_id = t.id AND f.scheduled_for < now() - make_interval(days => t.retention_days)
        ORDER BY f.scheduled_for LIMIT :limit
    ) r
    WHERE t.retention_days IS NOT NULL AND t.retention_days > 0
    LIMIT :limit
)
DELETE FROM finished_runs r USING {few("expired", number="(SELECT count(*) FROM expired)")} g WHERE {is_run("r", "g")}
""")

FORGET_BODIES = text("""
WITH next AS MATERIALIZED (
    SELECT id, scheduled_for FROM finished_runs
    WHERE (scheduled_for, id) > (:since, :after) AND scheduled_for < now() - make_interval(days => CAST(:days AS int))
    ORDER BY scheduled_for, id LIMIT :limit
),
forgotten AS (
    UPDATE finished_runs SET response_body = NULL, response_headers = NULL
    WHERE id = ANY(ARRAY(SELECT id FROM next)) AND (response_body IS NOT NULL OR response_headers IS NOT NULL)
)
SELECT scheduled_for, id FROM next ORDER BY scheduled_for DESC, id DESC LIMIT 1
""")

# Events are numbered in the order of commits, so the oldest ones have the lowest numbers. The statistics come first.
REMOVE_EVENTS = text("""
DELETE FROM run_events WHERE seq = ANY(ARRAY(
    SELECT e.seq FROM (SELECT seq, at FROM run_events ORDER BY seq LIMIT :limit) e
    WHERE e.at < now() - make_interval(days => CAST(:days AS int)) AND e.seq <= (SELECT seq FROM statistics_cursor)
))
""")

PRUNE_AUDIT_LOG = text("SELECT prune_audit_log(:days, :limit)")

REMOVE_KEYS = text("""
DELETE FROM api_keys WHERE least(revoked_at, expires_at) < now() - make_interval(days => CAST(:days AS int))
""")

# A run of version n uses the least version that is kept and not below n, so a version is needed by runs up to it.
REMOVE_VERSIONS = text("""
DELETE FROM task_versions v
WHERE v.task_id = ANY(ARRAY(
    SELECT DISTINCT o.task_id FROM task_versions o WHERE o.task_id > :after ORDER BY o.task_id LIMIT :limit
)) AND NOT EXISTS (SELECT FROM task_results r WHERE r.task_id = v.task_id AND r.task_version <= v.version)
""")
NEXT_WITH_VERSIONS = text("""
SELECT max(task_id::text)::uuid FROM (
    SELECT DISTINCT task_id FROM task_versions WHERE task_id > :after ORDER BY task_id LIMIT :limit
) o
""")


async def days_with_partitions(connection: AsyncConnection) -> list[date]:
    """Return the days of the history that have a partition of their own, oldest first."""
    return list((await connection.execute(DAYS)).scalars())


async def prune_day(connection: AsyncConnection, day: date, *, days: int, failed_days: int) -> Pruned:
    """Remove a day's partition if nothing in it is kept, or all rows but a few.

    Return what was done: `rows` asks to remove single rows, because too many are kept; `none`, that the partition is
    gone or another worker does it. Raises `LockNotAvailable` after waiting 50 ms for a lock.
    """
    values = {"day": day, "days": days, "failed_days": failed_days, "most_kept": MOST_KEPT}
    pruned: Pruned = (await connection.execute(PRUNE_DAY, values)).scalar_one()
    return pruned


async def remove_rows_of_day(
    connection: AsyncConnection, day: date, *, after: UUID | None, days: int, failed_days: int, limit: int
) -> UUID | None:
    """Remove the expired runs among the next `limit` of a day. Return the last one looked at, or None at the end."""
    bounds = {"after": after or lower_bound(day), "before": lower_bound(day + timedelta(days=1))}
    values = {"days": days, "failed_days": failed_days, "limit": limit}
    last: UUID | None = (await connection.execute(REMOVE_OF_DAY, bounds | values)).one().last
    return last


async def remove_rows_of_default(
    connection: AsyncConnection, place: Place, *, succeeded: bool, days: int, limit: int
) -> Place | None:
    """Remove the old runs, those that succeeded or the other ones, among the next `limit` of the default partition.

    Return the next place, or None at the end.
    """
    since, after = place
    values = {"since": since, "after": after, "succeeded": succeeded, "days": days, "limit": limit}
    row = (await connection.execute(REMOVE_OF_DEFAULT, values)).one_or_none()
    return None if row is None else (row.scheduled_for, row.id)


async def remove_rows_of_tasks(connection: AsyncConnection, *, limit: int) -> int:
    """Remove up to `limit` expired runs of tasks with a retention of their own. Return their number."""
    return (await connection.execute(REMOVE_OF_TASKS, {"limit": limit})).rowcount


async def forget_bodies(connection: AsyncConnection, place: Place, *, days: int, limit: int) -> Place | None:
    """Remove the answers of the next `limit` old runs after a place. Return the next place, or None at the end."""
    since, after = place
    values = {"since": since, "after": after, "days": days, "limit": limit}
    row = (await connection.execute(FORGET_BODIES, values)).one_or_none()
    return None if row is None else (row.scheduled_for, row.id)


async def remove_events(connection: AsyncConnection, *, days: int, limit: int) -> int:
    """Remove up to `limit` old events, in the order of their numbers. Return how many."""
    return (await connection.execute(REMOVE_EVENTS, {"days": days, "limit": limit})).rowcount


async def prune_audit_log(connection: AsyncConnection, *, days: int, limit: int) -> int:
    """Remove up to `limit` old entries of the audit log, with the rights of its owner. Return how many."""
    removed: int = (await connection.execute(PRUNE_AUDIT_LOG, {"days": days, "limit": limit})).scalar_one()
    return removed


async def remove_keys(connection: AsyncConnection, *, days: int) -> None:
    """Remove API keys that were revoked or have expired so long ago."""
    await connection.execute(REMOVE_KEYS, {"days": days})


async def remove_versions(connection: AsyncConnection, *, after: UUID, limit: int) -> UUID | None:
    """Remove the versions of the next `limit` tasks that no run needs. Return the last task, or None at the end."""
    values = {"after": after, "limit": limit}
    last: UUID | None = (await connection.execute(NEXT_WITH_VERSIONS, values)).scalar_one()
    await connection.execute(REMOVE_VERSIONS, values)
    return last
