"""The statements that keep the definitions which a task has had, the newest `KEPT` of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.definitions import ORIGIN
from db.models import DEFINED

KEPT = 100
"""Number of definitions that a task keeps: a program may change its task every minute."""
COLUMNS = ", ".join(DEFINED)
OF_TASK = ", ".join(f"t.{name}" for name in DEFINED)
KEEP_ORIGIN = text(f"""
INSERT INTO task_definitions (task_id, version, at, actor, {COLUMNS}) {ORIGIN.format(columns=OF_TASK)}
    AND NOT EXISTS (SELECT FROM task_definitions WHERE task_id = t.id)
""")
KEEP = text(f"""
WITH kept AS (
    INSERT INTO task_definitions (task_id, version, at, actor, {COLUMNS})
    SELECT id, version, CAST(:at AS timestamptz), CAST(:actor AS text), {COLUMNS} FROM tasks WHERE id = :task_id
)
DELETE FROM task_definitions
WHERE task_id = :task_id AND version <= (
    SELECT version FROM task_definitions WHERE task_id = :task_id ORDER BY version DESC OFFSET :others LIMIT 1
)
""")


async def keep_origin(session: AsyncSession, *, task_id: UUID) -> None:
    """Store the definition of a task that was never changed, which is about to change. The task has to be locked."""
    await session.execute(KEEP_ORIGIN, {"task_id": task_id})


async def keep(session: AsyncSession, *, task_id: UUID, at: datetime, actor: str) -> None:
    """Store the definition that a task has now, and remove those beyond `KEPT`."""
    await session.execute(KEEP, {"task_id": task_id, "at": at, "actor": actor, "others": KEPT - 1})
