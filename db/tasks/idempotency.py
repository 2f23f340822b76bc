"""The statements of idempotency keys."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

FIND = text("""
SELECT key, task_id, run_id, fingerprint FROM idempotency_keys
WHERE scope = :scope AND key = ANY (CAST(:keys AS text[]))
""")

# A transaction that writes a key waits for another one that is writing it. All write their keys in the same order, so
# no two of them wait for each other.
REMEMBER = text("""
INSERT INTO idempotency_keys (scope, key, task_id, run_id, fingerprint)
SELECT CAST(:scope AS text), u.key, u.task_id, u.run_id, u.fingerprint
FROM unnest(CAST(:keys AS text[]), CAST(:task_ids AS uuid[]), CAST(:run_ids AS uuid[]), CAST(:fingerprints AS text[]))
     AS u(key, task_id, run_id, fingerprint)
ORDER BY u.key
ON CONFLICT (scope, key) DO NOTHING
RETURNING key
""")

# A fingerprint without a key is a SHA-256 in hexadecimal; one with a key is longer, and that of a run without input is
# empty.
PLAIN = text("""
SELECT scope, key, fingerprint FROM idempotency_keys
WHERE length(fingerprint) = 64 AND (scope, key) > (:scope, :key)
ORDER BY scope, key LIMIT :limit
FOR UPDATE
""")

REPLACE = text("""
UPDATE idempotency_keys AS k SET fingerprint = u.fingerprint
FROM unnest(CAST(:scopes AS text[]), CAST(:keys AS text[]), CAST(:fingerprints AS text[]))
     AS u(scope, key, fingerprint)
WHERE k.scope = u.scope AND k.key = u.key
""")

FORGET = text("DELETE FROM idempotency_keys WHERE task_id = ANY (CAST(:task_ids AS uuid[]))")


class Use(NamedTuple):
    """The object that a key created, and the fingerprint of its input."""

    key: str
    task_id: UUID
    run_id: UUID | None
    fingerprint: str


async def find(session: AsyncSession, *, scope: str, keys: Collection[str]) -> dict[str, Use]:
    """Return what the keys have created, as far as that is committed or done by this transaction."""
    found = await session.execute(FIND, {"scope": scope, "keys": list(keys)})
    return {row.key: Use(*row) for row in found}


async def remember(session: AsyncSession, *, scope: str, uses: Sequence[Use]) -> int:
    """Store what the keys have created. Return how many of them were new; existing ones stay unchanged."""
    keys, task_ids, run_ids, fingerprints = zip(*uses, strict=True)
    values = {"keys": keys, "task_ids": task_ids, "run_ids": run_ids, "fingerprints": fingerprints}
    written = await session.execute(REMEMBER, {"scope": scope} | {name: list(each) for name, each in values.items()})
    return len(written.all())


async def plain_fingerprints(
    connection: AsyncConnection, *, after: tuple[str, str], limit: int
) -> list[tuple[str, str, str]]:
    """Return scope, key and fingerprint of the next keys whose fingerprint is a plain SHA-256, and lock them."""
    scope, key = after
    found = await connection.execute(PLAIN, {"scope": scope, "key": key, "limit": limit})
    return [tuple(row) for row in found]


async def replace_fingerprints(connection: AsyncConnection, rows: Sequence[tuple[str, str, str]]) -> None:
    """Store other fingerprints for these scopes and keys."""
    scopes, keys, fingerprints = zip(*rows, strict=True)
    values = {"scopes": list(scopes), "keys": list(keys), "fingerprints": list(fingerprints)}
    await connection.execute(REPLACE, values)


async def forget(session: AsyncSession, *, task_ids: Collection[UUID]) -> None:
    """Delete the keys that the tasks have used, because keys live as long as their task."""
    await session.execute(FORGET, {"task_ids": list(task_ids)})
