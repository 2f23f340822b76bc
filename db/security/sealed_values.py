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
OF_VERSIONS = ("task_versions", "task_definitions")
"""The tables of what tasks had before they were changed."""
LOCK_SEALED_VERSIONS = {
    table: text(f"""
SELECT task_id, version, url, headers, signing_secrets FROM {table}
WHERE (CAST(headers AS text) LIKE '%"sealed":%' OR signing_secrets IS NOT NULL)
    AND (task_id, version) > (:task_id, :version)
ORDER BY task_id, version
LIMIT :limit
FOR NO KEY UPDATE
""")
    for table in OF_VERSIONS
}
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
SET_SEALED_OF_VERSION = {
    table: text(f"""
UPDATE {table} SET headers = CAST(:headers AS jsonb), signing_secrets = CAST(:signing_secrets AS text[])
WHERE task_id = :task_id AND version = :version
""")
    for table in OF_VERSIONS
}


async def lock(
    connection: AsyncConnection, *, table: str | None, task_id: UUID, version: int, limit: int
) -> Sequence[Row[Any]]:
    """Return the next tasks, or earlier versions in one of their tables, that contain sealed values; locked."""
    statement = LOCK_SEALED if table is None else LOCK_SEALED_VERSIONS[table]
    return (await connection.execute(statement, {"task_id": task_id, "version": version, "limit": limit})).all()


async def write_back(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], *, table: str | None) -> None:
    """Write headers, as JSON text, and signing secrets back to the tasks or versions that `lock` returned."""
    await connection.execute(SET_SEALED if table is None else SET_SEALED_OF_VERSION[table], list(rows))


async def lock_channels(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return all channels, which have sealed values and are few; locked."""
    return (await connection.execute(LOCK_CHANNELS)).all()


async def write_channels_back(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write sealed values back to channels that `lock_channels` returned."""
    await connection.execute(SET_CHANNEL, list(rows))
