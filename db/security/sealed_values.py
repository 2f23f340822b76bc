"""The statements that seal values again when the key for secrets is rotated."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Versions sort after the task itself, which has no version here.
LOCK_SEALED = text("""
SELECT id AS task_id, 0 AS version, url, headers, signing_secrets FROM tasks
WHERE (CAST(headers AS text) LIKE '%"sealed":%' OR signing_secrets IS NOT NULL) AND (id, 0) > (:task_id, :version)
ORDER BY id
LIMIT :limit
FOR NO KEY UPDATE
""")
LOCK_SEALED_VERSIONS = text("""
SELECT task_id, version, url, headers, signing_secrets FROM task_versions
WHERE (CAST(headers AS text) LIKE '%"sealed":%' OR signing_secrets IS NOT NULL)
    AND (task_id, version) > (:task_id, :version)
ORDER BY task_id, version
LIMIT :limit
FOR NO KEY UPDATE
""")
LOCK_CHANNELS = text("""
SELECT id, name, signing_secrets, sealed_url FROM notification_channels ORDER BY id FOR NO KEY UPDATE
""")
SET_CHANNEL = text("""
UPDATE notification_channels
SET signing_secrets = CAST(:signing_secrets AS text[]), sealed_url = CAST(:sealed_url AS text)
WHERE id = :id
""")
SET_SEALED = text("""
UPDATE tasks SET headers = CAST(:headers AS jsonb), signing_secrets = CAST(:signing_secrets AS text[])
WHERE id = :task_id
""")
SET_SEALED_OF_VERSION = text("""
UPDATE task_versions SET headers = CAST(:headers AS jsonb), signing_secrets = CAST(:signing_secrets AS text[])
WHERE task_id = :task_id AND version = :version
""")


async def lock(
    connection: AsyncConnection, *, versions: bool, task_id: UUID, version: int, limit: int
) -> Sequence[Row[Any]]:
    """Return the next tasks, or earlier versions of tasks, that contain sealed values; locked."""
    statement = LOCK_SEALED_VERSIONS if versions else LOCK_SEALED
    return (await connection.execute(statement, {"task_id": task_id, "version": version, "limit": limit})).all()


async def write_back(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], *, versions: bool) -> None:
    """Write headers, as JSON text, and signing secrets back to the tasks or versions that `lock` returned."""
    await connection.execute(SET_SEALED_OF_VERSION if versions else SET_SEALED, list(rows))


async def lock_channels(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return all channels, which have sealed values and are few; locked."""
    return (await connection.execute(LOCK_CHANNELS)).all()


async def write_channels_back(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write sealed values back to channels that `lock_channels` returned."""
    await connection.execute(SET_CHANNEL, list(rows))
