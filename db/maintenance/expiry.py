"""The statements that find tasks whose time after their end is over."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine.conditions import has_unfinished_run

IS_OVER = "delete_at <= statement_timestamp() AND deleted_at IS NULL"
EXPIRED = f"{IS_OVER} AND NOT {has_unfinished_run('t.id')}"

# In EXISTS, Postgres would ignore the order, and with it the index.
FIRST_EXPIRED = text(f"SELECT t.id FROM tasks t WHERE {IS_OVER} ORDER BY t.delete_at LIMIT 1")
"""The first task whose time is over, whether it has an unfinished run or not."""

LOCK_EXPIRED = text(f"""
SELECT t.id FROM tasks t WHERE {EXPIRED} ORDER BY t.delete_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
""")

STILL_EXPIRED = text(f"SELECT t.id FROM tasks t WHERE t.id = ANY (CAST(:task_ids AS uuid[])) AND {EXPIRED}")


async def lock_expired(session: AsyncSession, *, limit: int) -> list[UUID]:
    """Lock up to `limit` tasks to delete, and return them. A task with an unfinished run is left to a later call.

    Runs are created under the lock of their task, so a second statement knows whether one was created meanwhile.
    """
    found: Collection[UUID] = (await session.scalars(LOCK_EXPIRED, {"limit": limit})).all()
    return list(await session.scalars(STILL_EXPIRED, {"task_ids": list(found)})) if found else []
