"""The statements that keep external ids unique among tasks that are not deleted."""

from collections.abc import Collection
from uuid import UUID

from asyncpg import UniqueViolationError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

INDEX = "tasks_external_id"

HOLDERS = text("""
SELECT external_id, id FROM tasks WHERE external_id = ANY (CAST(:external_ids AS text[])) AND deleted_at IS NULL
""")

SET = text("UPDATE tasks SET external_id = :external_id WHERE id = :task_id")


def is_taken(error: IntegrityError) -> bool:
    """Return whether a statement failed because a task has the external id."""
    cause = error.orig and error.orig.__cause__
    return isinstance(cause, UniqueViolationError) and cause.constraint_name == INDEX


async def holders(session: AsyncSession, external_ids: Collection[str]) -> dict[str, UUID]:
    """Return the tasks that have the external ids."""
    if not external_ids:
        return {}
    found = await session.execute(HOLDERS, {"external_ids": list(external_ids)})
    return {row.external_id: row.id for row in found}


async def give(session: AsyncSession, external_id: str, *, task_id: UUID) -> bool:
    """Give a task an external id. Return False, without effect, if another task has it.

    It waits for a transaction that is giving or taking away the same external id.
    """
    try:
        async with session.begin_nested():
            await session.execute(SET, {"external_id": external_id, "task_id": task_id})
    except IntegrityError as error:
        if not is_taken(error):
            raise
        return False
    return True
