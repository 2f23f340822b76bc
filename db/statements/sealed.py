"""Statements that seal what is sealed anew, when the keys for secrets are rotated."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Versions sort after the task itself, whose version stands for none here.
LOCK_SEALED = text("""
SELECT id AS task_id, 0 AS version, url, headers FROM tasks
WHERE CAST(headers AS text) LIKE '%"sealed":%' AND (id, 0) > (:task_id, :version)
ORDER BY id
LIMIT :limit
FOR NO KEY UPDATE
""")
LOCK_SEALED_VERSIONS = text("""
SELECT task_id, version, url, headers FROM task_versions
WHERE CAST(headers AS text) LIKE '%"sealed":%' AND (task_id, version) > (:task_id, :version)
ORDER BY task_id, version
LIMIT :limit
FOR NO KEY UPDATE
""")
SET_HEADERS = text("UPDATE tasks SET headers = CAST(:headers AS jsonb) WHERE id = :task_id")
SET_HEADERS_OF_VERSION = text("""
UPDATE task_versions SET headers = CAST(:headers AS jsonb) WHERE task_id = :task_id AND version = :version
""")


async def lock(
    connection: AsyncConnection, *, versions: bool, task_id: UUID, version: int, limit: int
) -> Sequence[Row[Any]]:
    """The next tasks, or earlier versions of tasks, that hold a sealed header; locked."""
    statement = LOCK_SEALED_VERSIONS if versions else LOCK_SEALED
    return (await connection.execute(statement, {"task_id": task_id, "version": version, "limit": limit})).all()


async def set_headers(connection: AsyncConnection, headers: Sequence[Mapping[str, Any]], *, versions: bool) -> None:
    """Writes headers, JSON text, back to the tasks or versions that `lock` found."""
    await connection.execute(SET_HEADERS_OF_VERSION if versions else SET_HEADERS, list(headers))
