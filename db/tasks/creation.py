"""The statement that creates tasks, together with their entries in the audit log."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db import instances
from db.models import Task
from db.records import Columns, as_json
from db.tasks import audit_entries

COLUMNS = tuple(Task.model_fields)
DEFAULTS = {
    name: member.default
    for name, member in Task.model_fields.items()
    if not member.is_required() and member.default_factory is None
}

CREATE = text(f"""
WITH made AS (
    INSERT INTO tasks ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS)} FROM json_populate_recordset(CAST(NULL AS tasks), CAST(:tasks AS json))
)
{audit_entries.ADD}
""")


def new_task(columns: Columns) -> Task:
    """Return a task that is not stored yet, with these columns and the defaults of the others."""
    return instances.new(Task, DEFAULTS | {"id": uuid4(), "tags": []} | columns)


async def create(session: AsyncSession | AsyncConnection, tasks: Sequence[Task], entries: Sequence[Columns]) -> None:
    """Store new tasks and the entries about them, both in the given order."""
    await session.execute(
        CREATE, {"tasks": as_json(map(vars, tasks), COLUMNS), "entries": as_json(entries, audit_entries.COLUMNS)}
    )
