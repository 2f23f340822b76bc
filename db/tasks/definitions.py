"""The statements that keep the definitions which a task has had, the newest `KEPT` of them."""

from collections.abc import Collection
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
    SELECT id, version, CAST(:at AS timestamptz), CAST(:actor AS text), {COLUMNS} FROM tasks
    WHERE id = ANY (CAST(:task_ids AS uuid[]))
)
DELETE FROM task_definitions
USING unnest(CAST(:task_ids AS uuid[])) AS changed (id)
CROSS JOIN LATERAL (
    SELECT d.version FROM task_definitions d WHERE d.task_id = changed.id ORDER BY d.version DESC OFFSET :others LIMIT 1
) newest
WHERE task_definitions.task_id = changed.id AND task_definitions.version <= newest.version
""")


async def keep_origins(session: AsyncSession, *, task_ids: Collection[UUID]) -> None:
    """Store the definitions of locked tasks that were never changed, and are about to change."""
    await session.execute(KEEP_ORIGIN, {"task_ids": list(task_ids)})


async def keep(session: AsyncSession, *, task_ids: Collection[UUID], at: datetime, actor: str) -> None:
    """Store the definitions that tasks have now, and remove those beyond `KEPT`."""
    parameters = {"task_ids": list(task_ids), "at": at, "actor": actor, "others": KEPT - 1}
    await session.execute(KEEP, parameters)
