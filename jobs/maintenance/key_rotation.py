"""Rotates the key for secrets: what older keys have sealed is sealed again with the first key.

Fingerprints cannot be rotated, because their inputs are not stored.
"""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.models import AuditEntry
from db.security import sealed_values
from db.tasks import idempotency
from jobs.http.request import origin_of
from jobs.security import signatures
from jobs.security.api_keys import COMMAND_LINE
from jobs.security.channel_urls import context_of
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.secret_headers import SEALED, is_sealed, open_headers, seal

BATCH = 200
FINGERPRINTS = 5_000
BEFORE_ALL = UUID(int=0)


async def rotate_secrets(engine: AsyncEngine, keys: SecretKeys) -> tuple[int, list[UUID]]:
    """Seal secrets again, a few hundred tasks per transaction. Return how many, and the tasks that no key opens.

    The latter stay as they are. Workers keep running during the rotation, and need both the old keys and the new one.
    """
    count, unopened = 0, set[UUID]()
    for table in (None, *sealed_values.OF_VERSIONS):
        place = (BEFORE_ALL, -1)
        while True:
            async with engine.begin() as connection:
                rows = await sealed_values.lock(
                    connection, table=table, task_id=place[0], version=place[1], limit=BATCH
                )
                if not rows:
                    break
                resealed = [changed for row in rows if (changed := reseal(row, keys, unopened)) is not None]
                if resealed:
                    await sealed_values.write_back(connection, resealed, table=table)
            count += len(resealed)
            place = (rows[-1].task_id, rows[-1].version)
    async with AsyncSession(engine) as session, session.begin():
        session.add(AuditEntry(key_name=COMMAND_LINE.name, action="rotateSecrets", after={"sealed_anew": count}))
    return count, sorted(unopened)


async def rotate_channels(engine: AsyncEngine, keys: SecretKeys) -> tuple[int, list[str]]:
    """Seal the secrets of channels again. Return how many, and the names of the channels that no key opens."""
    unopened: list[str] = []
    async with engine.begin() as connection:
        rows = await sealed_values.lock_channels(connection)
        resealed = [changed for row in rows if (changed := reseal_channel(row, keys, unopened)) is not None]
        if resealed:
            await sealed_values.write_channels_back(connection, resealed)
    return len(resealed), unopened


def reseal_channel(row: Row[Any], keys: SecretKeys, unopened: list[str]) -> dict[str, Any] | None:
    """Return what to write back for a channel, or None if there is nothing to do, or no key opens its secrets."""
    signing, url = row.signing_secrets or [], row.sealed_url
    if all(map(keys.is_current, [*signing, *([url] if url else [])])):
        return None
    context = context_of(row.id)
    try:
        opened = [keys.open(each, context=signatures.CONTEXT) for each in signing]
        address = url and keys.open(url, context=context)
    except NoSecretKey:
        unopened.append(row.name)
        return None
    return {
        "id": row.id,
        "signing_secrets": [keys.seal(each, context=signatures.CONTEXT) for each in opened] or None,
        "sealed_url": address and keys.seal(address, context=context),
    }


async def key_fingerprints(engine: AsyncEngine, keys: SecretKeys) -> None:
    """Replace plain digests of inputs, which earlier versions stored, by fingerprints under the first key."""
    after = ("", "")
    while keys.present:
        async with engine.begin() as connection:
            rows = await idempotency.plain_fingerprints(connection, after=after, limit=FINGERPRINTS)
            if not rows:
                break
            replaced = [(scope, key, keys.fingerprint(digest)) for scope, key, digest in rows]
            await idempotency.replace_fingerprints(connection, replaced)
        after = rows[-1][:2]


def reseal(row: Row[Any], keys: SecretKeys, unopened: set[UUID]) -> dict[str, Any] | None:
    """Return what to write back for a row, or None if the first key already seals its secrets, or no key opens them."""
    headers, signing = row.headers or {}, row.signing_secrets or []
    secret = {name: value for name, value in headers.items() if is_sealed(value)}
    if all(map(keys.is_current, [*(value[SEALED] for value in secret.values()), *signing])):
        return None
    origin = origin_of(row.url)
    try:
        opened = open_headers(secret, origin=origin, keys=keys)
        signing = [keys.open(each, context=signatures.CONTEXT) for each in signing]
    except NoSecretKey:
        unopened.add(row.task_id)
        return None
    headers |= {name: seal(value, name=name, origin=origin, keys=keys) for name, value in opened.items()}
    return {
        "task_id": row.task_id,
        "headers": json.dumps(headers) if headers else None,
        "signing_secrets": [keys.seal(each, context=signatures.CONTEXT) for each in signing] or None,
        **({"version": row.version} if row.version else {}),
    }
