"""Removes the rows of deleted tasks and of their runs, in chunks."""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.maintenance import deletion
from jobs.maintenance.duties import UNASKED_EVERY, Duty

REMOVED_PER_STATEMENT = 500
"""Few enough that each statement holds its locks for only a few milliseconds."""


def deletion_duty(engine: AsyncEngine) -> Duty:
    """Return the duty that removes what was deleted."""

    async def remove() -> None:
        await remove_deleted(engine)

    return Duty(name="deletion", every=UNASKED_EVERY, do=remove)


async def remove_deleted(engine: AsyncEngine) -> None:
    """Remove everything that was deleted, runs before their tasks."""
    async with autocommit(engine).connect() as connection:
        if not await deletion.any_deleted(connection):
            return
    for remove in (deletion.remove_runs, deletion.remove_tasks):
        removed = REMOVED_PER_STATEMENT
        while removed == REMOVED_PER_STATEMENT:
            async with autocommit(engine).connect() as connection:
                removed = await remove(connection, limit=REMOVED_PER_STATEMENT)
