"""The statements about what a request with a key has made already."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

# Whoever holds this lock is the only one that looks the key up and writes it, until the transaction ends.
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:scope AS text) || ' ' || CAST(:key AS text), 0))")

FIND = text("SELECT task_id, run_id, fingerprint FROM idempotency_keys WHERE scope = :scope AND key = :key")

REMEMBER = text("""
INSERT INTO idempotency_keys (scope, key, task_id, run_id, fingerprint)
VALUES (:scope, :key, :task_id, :run_id, :fingerprint)
""")

FORGET = text("DELETE FROM idempotency_keys WHERE task_id = :task_id")


async def lock_and_find(session: AsyncSession, *, scope: str, key: str) -> Row[Any] | None:
    """What the key has made, if anything; nobody else uses the key until the transaction ends."""
    await session.execute(LOCK, {"scope": scope, "key": key})
    return (await session.execute(FIND, {"scope": scope, "key": key})).one_or_none()


async def remember(
    session: AsyncSession, *, scope: str, key: str, task_id: UUID, run_id: UUID | None, fingerprint: str
) -> None:
    """Notes what a key has made; its lock has to be held."""
    values = {"scope": scope, "key": key, "task_id": task_id, "run_id": run_id, "fingerprint": fingerprint}
    await session.execute(REMEMBER, values)


async def forget(session: AsyncSession, *, task_id: UUID) -> None:
    """Frees the keys that a task has used, since keys are kept as long as their task."""
    await session.execute(FORGET, {"task_id": task_id})
