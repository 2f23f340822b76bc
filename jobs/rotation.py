"""The rotation of the keys for secrets: what older keys sealed is sealed anew by the first one."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from db.statements import sealed
from jobs import signatures
from jobs.action import origin_of
from jobs.secret_headers import SEALED, is_sealed, open_headers, seal
from jobs.secrets import NoSecretKey, SecretKeys

BATCH = 200
BEFORE_ALL = UUID(int=0)


async def rotate_secrets(engine: AsyncEngine, keys: SecretKeys) -> tuple[int, list[UUID]]:
    """Seals anew, a few hundred tasks in a transaction; tells how many were, and the tasks that no key opens.

    Those stay as they are. Workers go on meanwhile, and have to hold the old keys and the new one.
    """
    count, unopened = 0, set[UUID]()
    for versions in (False, True):
        place = (BEFORE_ALL, -1)
        while True:
            async with engine.begin() as connection:
                rows = await sealed.lock(connection, versions=versions, task_id=place[0], version=place[1], limit=BATCH)
                if not rows:
                    break
                anew = [changed for row in rows if (changed := sealed_anew(row, keys, unopened)) is not None]
                if anew:
                    await sealed.set_secrets(connection, anew, versions=versions)
            count += len(anew)
            place = (rows[-1].task_id, rows[-1].version)
    return count, sorted(unopened)


def sealed_anew(row: Row[Any], keys: SecretKeys, unopened: set[UUID]) -> dict[str, Any] | None:
    """What to write back for a row; None when its secrets are the first key's already, or do not open."""
    secret = {name: value for name, value in (row.headers or {}).items() if is_sealed(value)}
    signing = row.signing_secrets or []
    if all(keys.is_current(seal) for seal in [*(value[SEALED] for value in secret.values()), *signing]):
        return None
    origin = origin_of(row.url)
    try:
        opened = open_headers(secret, origin=origin, keys=keys)
        signing = signatures.sealed_anew(signing, keys=keys)
    except NoSecretKey:
        unopened.add(row.task_id)
        return None
    anew = {name: seal(value, name=name, origin=origin, keys=keys) for name, value in opened.items()}
    changed: dict[str, Any] = {
        "task_id": row.task_id,
        "headers": None if row.headers is None else json.dumps({**row.headers, **anew}),
        "signing_secrets": signing or None,
    }
    return changed | ({"version": row.version} if row.version else {})
