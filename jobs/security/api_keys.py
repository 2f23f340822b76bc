"""The keys that let people and programs in. A key is shown once; what is kept of it is its hash.

A key has 256 random bits, so nothing slower than SHA-256 is needed to keep a stolen hash from being turned back.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ApiKey, AuditEntry
from db.security import api_keys
from db.states import KeyScope

PREFIX = "duetime_"
NAME = re.compile(r"[\w.@-][\w .@-]{0,62}[\w.@-]|[\w.@-]")


class InvalidKeyRequest(ValueError):
    """What was asked of keys cannot be done; the message says why, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever asks: the bearer of a key, or anybody at all where keys are off (then `key_id` is None)."""

    name: str
    scope: KeyScope
    key_id: UUID | None = None
    expires_at: datetime | None = None

    def may(self, scope: KeyScope) -> bool:
        """Whether the caller's scope reaches as far as this one: each holds those before it."""
        order = list(KeyScope)
        return order.index(self.scope) >= order.index(scope)

    def expired(self, now: datetime) -> bool:
        """Whether the caller's key has expired at `now`."""
        return self.expires_at is not None and self.expires_at <= now


ANYBODY = Caller(name="anybody", scope=KeyScope.ADMIN)
"""Who asks where keys are off."""
COMMAND_LINE = "command line"
"""What the audit log calls whoever runs a command. No key has that name."""


async def create_key(
    session: AsyncSession, *, name: str, scope: KeyScope, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Makes a key and returns it with its token, which is known here and never again. Raises `InvalidKeyRequest`."""
    if not NAME.fullmatch(name):
        raise InvalidKeyRequest(
            f"the name {name!r} must have 1 to 64 letters, digits, or . _ @ -, with spaces in between only"
        )
    if name in {ANYBODY.name, COMMAND_LINE}:
        raise InvalidKeyRequest(f"the name {name!r} means something else in the audit log; choose another")
    if expires_at is not None and expires_at <= now:
        raise InvalidKeyRequest(f"the key would have expired already; it is {now:%Y-%m-%dT%H:%M:%SZ} now")
    if await api_keys.active_named(session, name=name, now=now):
        raise InvalidKeyRequest(f"there is a key named {name!r}; revoke it first, or choose another name")
    token = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(name=name, scope=scope, token_sha256=digest(token), expires_at=expires_at, created_at=now)
    session.add(key)
    session.add(AuditEntry(key_name=COMMAND_LINE, action="createKey", after=shown(key)))
    await session.flush()
    return key, token


async def revoke_key(session: AsyncSession, name_or_id: str, *, now: datetime) -> ApiKey:
    """Ends a key, by its id or by the name of a key in force. Raises `InvalidKeyRequest` when there is none."""
    key = await api_keys.revoke(session, name_or_id=name_or_id, now=now)
    if key is None:
        raise InvalidKeyRequest(f"there is no key in force with the name or id {name_or_id!r}; see `duetime keys list`")
    session.add(AuditEntry(key_name=COMMAND_LINE, action="revokeKey", before=shown(key)))
    await session.flush()
    return key


def shown(key: ApiKey) -> dict[str, Any]:
    """A key as the audit log shows it."""
    return key.model_dump(mode="json", include={"id", "name", "scope", "expires_at"}, exclude_none=True)


async def caller_of(session: AsyncSession, token: str, *, now: datetime) -> Caller | None:
    """Whose token this is; None when it is unknown, revoked or expired."""
    key = await api_keys.find(session, token_sha256=digest(token), now=now)
    if key is None:
        return None
    return Caller(name=key.name, scope=key.scope, key_id=key.id, expires_at=key.expires_at)


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
