"""The statements that remove what was deleted, in chunks, so that no lock is held for long."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

REMOVE_RUNS = text("""
DELETE FROM task_results WHERE id = ANY(ARRAY(
    SELECT r.id FROM tasks t JOIN task_results r ON r.task_id = t.id
    WHERE t.deleted_at IS NOT NULL
    LIMIT :limit
    FOR UPDATE OF r SKIP LOCKED
))
""")

REMOVE_TASKS = text("""
DELETE FROM tasks WHERE id = ANY(ARRAY(
    SELECT t.id FROM tasks t
    WHERE t.deleted_at IS NOT NULL AND NOT EXISTS (SELECT FROM task_results r WHERE r.task_id = t.id)
    LIMIT :limit
    FOR UPDATE OF t SKIP LOCKED
))
""")


async def remove_runs(connection: AsyncConnection, *, limit: int) -> int:
    """Remove up to `limit` runs of deleted tasks. Return their number."""
    return (await connection.execute(REMOVE_RUNS, {"limit": limit})).rowcount


async def remove_tasks(connection: AsyncConnection, *, limit: int) -> int:
    """Remove up to `limit` deleted tasks without runs, with their versions. Return their number."""
    return (await connection.execute(REMOVE_TASKS, {"limit": limit})).rowcount
