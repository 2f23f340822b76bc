"""The statement that creates tasks, together with their entries in the audit log."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import configure_mappers

from db import json_text
from db.models import AuditEntry, Task

TASK_COLUMNS = tuple(Task.model_fields)
ENTRY_COLUMNS = tuple(name for name in AuditEntry.model_fields if name != "id")
DEFAULTS = {
    name: member.default
    for name, member in Task.model_fields.items()
    if not member.is_required() and member.default_factory is None
}

# The rows come as JSON, which has room for arrays and for JSON of their own; Postgres stores the latter as it is.
CREATE = text(f"""
WITH made AS (
    INSERT INTO tasks ({", ".join(TASK_COLUMNS)})
    SELECT {", ".join(TASK_COLUMNS)} FROM json_populate_recordset(CAST(NULL AS tasks), CAST(:tasks AS json))
)
INSERT INTO audit_log ({", ".join(ENTRY_COLUMNS)})
SELECT {", ".join(ENTRY_COLUMNS)} FROM json_populate_recordset(CAST(NULL AS audit_log), CAST(:entries AS json))
""")

Columns = dict[str, Any]

# Without this, the attributes of a class work only after something else has used it.
configure_mappers()


def new_task(columns: Columns) -> Task:
    """Return a task that is not stored yet, with these columns and the defaults of the others.

    It belongs to no session, as if it had been read and expunged. The constructor would note every column as a change,
    which took half of the time of creating a task.
    """
    task: Task = inspect(Task).class_manager.new_instance()
    vars(task).update(DEFAULTS | {"id": uuid4(), "tags": []} | columns)
    return task


async def create(session: AsyncSession | AsyncConnection, tasks: Sequence[Task], entries: Sequence[Columns]) -> None:
    """Store new tasks and the entries about them, both in the given order."""
    await session.execute(
        CREATE,
        {"tasks": records(map(vars, tasks), TASK_COLUMNS), "entries": records(entries, ENTRY_COLUMNS)},
    )


def records(rows: Iterable[Columns], names: Sequence[str]) -> str:
    """Return rows as JSON. Members that are left out are null in the database."""
    given = [{name: row[name] for name in names if row.get(name) is not None} for row in rows]
    return json_text.write(given, default=scalar, ensure_ascii=False)


def scalar(value: Any) -> str:
    """Return an instant or an id as Postgres reads it. Raises TypeError for other values."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
