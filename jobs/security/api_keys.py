"""API keys. A key is shown once, and only its hash is stored.

A key has 256 random bits, so SHA-256 is enough to keep a stolen hash from being reversed.
"""

import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ApiKey, AuditEntry
from db.security import api_keys
from db.states import KeyScope
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound, Refusal
from jobs.problems import Problem

PREFIX = "duetime_"
RANDOM_BYTES = 32
FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
"""A prefix and the random bytes in base64url."""
NAME = re.compile(r"[\w.@-][\w .@-]{0,62}[\w.@-]|[\w.@-]")


class UnknownKey(Refusal):
    """No valid key has the name or id; the message says how to find one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of the API: the holder of a key, or anyone while authentication is off (then `key_id` is None)."""

    name: str
    scope: KeyScope
    key_id: UUID | None = None
    expires_at: datetime | None = None

    def may(self, scope: KeyScope) -> bool:
        """Return whether the caller's scope includes this one. Each scope includes those before it."""
        order = list(KeyScope)
        return order.index(self.scope) >= order.index(scope)

    def expired(self, now: datetime) -> bool:
        """Return whether the caller's key has expired at `now`."""
        return self.expires_at is not None and self.expires_at <= now


ANYBODY = Caller(name="anybody", scope=KeyScope.ADMIN)
"""The caller while authentication is off."""
COMMAND_LINE = Caller(name="command line", scope=KeyScope.ADMIN)
"""The command line in the audit log. No key has that name."""
MAINTENANCE = "maintenance"
"""The name of the service itself in the audit log, for what it does at an interval. No new key gets that name."""
DUETIME = "duetime"
"""The name of the service itself in the audit log, for tasks that pause themselves. No new key gets that name."""


async def create_key(
    session: AsyncSession,
    *,
    name: str,
    scope: KeyScope,
    now: datetime,
    expires_at: datetime | None = None,
    caller: Caller = COMMAND_LINE,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its token, which is not stored.

    Raises `InvalidInput`, and `Conflict` when a valid key has the name.
    """
    if problems := list(problems_of(name=name, expires_at=expires_at, now=now)):
        raise InvalidInput(problems)
    await api_keys.lock(session)
    if await api_keys.active_named(session, name=name, now=now):
        raise Conflict(
            f"there is a key named {name!r}; revoke it first, or choose another name", reason=ConflictReason.NAME_TAKEN
        )
    token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    key = ApiKey(name=name, scope=scope, token_sha256=digest(token), expires_at=expires_at, created_at=now)
    session.add(key)
    session.add(AuditEntry(key_id=caller.key_id, key_name=caller.name, action="createKey", after=shown(key)))
    await session.flush()
    return key, token


def problems_of(*, name: str, expires_at: datetime | None, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with a new key."""
    if not NAME.fullmatch(name):
        yield Problem(
            ("name",), f"the name {name!r} must have 1 to 64 letters, digits, or . _ @ -, with spaces in between only"
        )
    if name in {ANYBODY.name, COMMAND_LINE.name, MAINTENANCE, DUETIME}:
        yield Problem(("name",), f"the name {name!r} means something else in the audit log; choose another")
    if expires_at is not None and expires_at <= now:
        yield Problem(("expiresAt",), f"the key would have expired already; it is {now:%Y-%m-%dT%H:%M:%SZ} now")


async def revoke_key(session: AsyncSession, name_or_id: str, *, now: datetime) -> ApiKey:
    """Revoke a key on the command line, by its id or by the name of a valid key. Raises `UnknownKey`."""
    key = await api_keys.revoke(session, name_or_id=name_or_id, now=now)
    if key is None:
        raise UnknownKey(f"there is no active key with the name or id {name_or_id!r}; see `duetime keys list`")
    session.add(AuditEntry(key_name=COMMAND_LINE.name, action="revokeKey", before=shown(key)))
    await session.flush()
    return key


async def revoke_key_of_another(session: AsyncSession, key_id: UUID, *, now: datetime, caller: Caller) -> ApiKey:
    """Revoke a key for a caller of the API, protecting the caller from a lockout. A revoked key is returned as it is.

    Raises `NotFound`, and `Conflict` for the caller's own key and for the last admin key.
    """
    await api_keys.lock(session)
    key = await session.get(ApiKey, key_id)
    if key is None:
        raise NotFound("key", key_id)
    if key.revoked_at is not None:
        return key
    if key.id == caller.key_id:
        raise Conflict(
            f"This call was made with it: the key {key.name!r} can be revoked with another admin key, or by "
            "`duetime keys revoke`",
            reason=ConflictReason.WRONG_STATE,
        )
    admins = {
        each.id for each in await api_keys.everything(session) if each.scope is KeyScope.ADMIN and valid(each, now)
    }
    if admins == {key.id}:
        raise Conflict(
            f"The key {key.name!r} is the last admin key: create another one first, or use `duetime keys revoke`",
            reason=ConflictReason.WRONG_STATE,
        )
    key.revoked_at = now
    session.add(AuditEntry(key_id=caller.key_id, key_name=caller.name, action="revokeKey", before=shown(key)))
    await session.flush()
    return key


def valid(key: ApiKey, now: datetime) -> bool:
    """Return whether a key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def shown(key: ApiKey) -> dict[str, Any]:
    """Return a key as the audit log shows it."""
    return key.model_dump(mode="json", include={"id", "name", "scope", "expires_at"}, exclude_none=True)


async def use_keys(session: AsyncSession, digests: Collection[bytes], *, now: datetime) -> dict[bytes, Caller]:
    """Return the owners of those hashes that belong to valid keys, and record that the keys were used."""
    keys = await api_keys.find(session, digests=digests, now=now)
    await api_keys.note_uses(session, key_ids=[key.id for key in keys], now=now)
    return {
        key.token_sha256: Caller(name=key.name, scope=key.scope, key_id=key.id, expires_at=key.expires_at)
        for key in keys
    }


def has_form_of_key(token: str) -> bool:
    """Return whether a text can be a key at all."""
    return FORM.fullmatch(token) is not None


def digest(token: str) -> bytes:
    """Return the hash of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
