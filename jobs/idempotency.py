"""A request with a key makes one thing, however often it is sent: the first makes it, the others are told of it."""

import dataclasses
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from db.statements import idempotency
from jobs.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the key has made, and whether of the same input."""

    task_id: UUID
    run_id: UUID | None
    same_input: bool


class Key:
    """A client's key within a scope, the mutation and what it acts on. Any text will do, so its SHA-256 is kept."""

    def __init__(self, scope: str, key: str, *, fingerprint: str = "") -> None:
        self._scope = scope
        self._key = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        self._fingerprint = fingerprint

    async def made(self, work: Transaction) -> Made | None:
        """What the key has made before; nothing when it is new, and then no other request can use it meanwhile."""
        found = await idempotency.lock_and_find(work.session, scope=self._scope, key=self._key)
        if found is None:
            return None
        same_input = found.fingerprint == self._fingerprint
        return Made(task_id=found.task_id, run_id=found.run_id, same_input=same_input)

    async def remember(self, work: Transaction, *, task_id: UUID, run_id: UUID | None = None) -> None:
        """Notes what was made, in the transaction that makes it."""
        await idempotency.remember(
            work.session,
            scope=self._scope,
            key=self._key,
            task_id=task_id,
            run_id=run_id,
            fingerprint=self._fingerprint,
        )


def fingerprint(draft: Any) -> str:
    """SHA-256 of a draft as JSON with sorted members: equal drafts, and hardly any others, have it in common."""
    text = json.dumps(dataclasses.asdict(draft), sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()
