"""The statements that remove what was deleted, in chunks, so that no lock is held for long."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.conditions import few, is_looked_up, is_run

# For IS NOT NULL, reading any index of tasks from end to end looks as good as reading that of the deleted ones.
DELETED = "t.deleted_at <= 'infinity'"

REMOVE_RUNS = text(f"""
WITH removed AS MATERIALIZED (
    SELECT r.id, r.task_id, r.scheduled_for FROM tasks t JOIN task_results r ON {is_looked_up("r.task_id", "t.id")}
    WHERE {DELETED}
    LIMIT :limit
    FOR UPDATE OF r SKIP LOCKED
)
DELETE FROM task_results r USING {few("removed", number="(SELECT count(*) FROM removed)")} g
WHERE {is_run("r", "g")}
""")

REMOVE_TASKS = text(f"""
DELETE FROM tasks WHERE id = ANY(ARRAY(
    SELECT t.id FROM tasks t
    WHERE {DELETED} AND NOT EXISTS (SELECT FROM task_results r WHERE {is_looked_up("r.task_id", "t.id")})
    LIMIT :limit
    FOR UPDATE OF t SKIP LOCKED
))
""")


ANY_DELETED = text(f"SELECT EXISTS (SELECT FROM tasks t WHERE {DELETED})")


async def any_deleted(connection: AsyncConnection) -> bool:
    """Return whether there are deleted tasks. To look for their runs, a statement opens each day of the history."""
    found: bool = (await connection.execute(ANY_DELETED)).scalar_one()
    return found


async def remove_runs(connection: AsyncConnection, *, limit: int) -> int:
    """Remove up to `limit` runs of deleted tasks. Return their number."""
    return (await connection.execute(REMOVE_RUNS, {"limit": limit})).rowcount


async def remove_tasks(connection: AsyncConnection, *, limit: int) -> int:
    """Remove up to `limit` deleted tasks without runs, with their versions. Return their number."""
    return (await connection.execute(REMOVE_TASKS, {"limit": limit})).rowcount
