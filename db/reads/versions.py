"""Reads the requests of tasks before they were changed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Integer, Uuid, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.models import TaskVersion
from db.reads import large_values

Key = tuple[UUID, int]


async def find(session: AsyncSession, *, keys: Sequence[Key], without_large: bool = False) -> dict[Key, TaskVersion]:
    """Return the request of each of several versions of tasks, as far as it was changed since; else the task has it.

    A request is stored under the last version that had it, so it is in the row with the least version that is not
    below. Large columns are left out if requested.
    """
    requested = (
        func.unnest(
            literal([task_id for task_id, _ in keys], ARRAY(Uuid)),
            literal([version for _, version in keys], ARRAY(Integer)),
        )
        .table_valued(column("task_id", Uuid), column("version", Integer), name="requested")
        .render_derived()
    )
    kept = (
        select(TaskVersion)
        .where(col(TaskVersion.task_id) == requested.c.task_id, col(TaskVersion.version) >= requested.c.version)
        .order_by(col(TaskVersion.version))
        .limit(1)
        .lateral("kept")
    )
    definition = aliased(TaskVersion, kept)
    statement = select(requested.c.task_id, requested.c.version, definition).select_from(requested.join(kept, true()))
    if without_large:
        statement = statement.options(*large_values.left_out(large_values.OF_VERSIONS, of=definition))
    found = await session.execute(statement)
    return {(task_id, version): row for task_id, version, row in found}
