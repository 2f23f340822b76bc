"""The statements of API keys."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, any_, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from db.models import ApiKey

USE_NOTED_EVERY = timedelta(minutes=1)
"""Resolution of `last_used_at`: recording each use would make each read a write."""

KEYS_LOCK = 0x44_75_65_6B_65_79
"""Makes all who create or revoke keys at the same time wait for each other."""


def in_force(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a key is neither revoked nor expired."""
    return and_(col(ApiKey.revoked_at).is_(None), or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now))


async def lock(session: AsyncSession) -> None:
    """Wait for all others who create or revoke keys, until the end of the transaction."""
    await session.execute(select(func.pg_advisory_xact_lock(KEYS_LOCK)))


async def find(session: AsyncSession, *, digests: Collection[bytes], now: datetime) -> Sequence[ApiKey]:
    """Return the valid keys among those with these hashes."""
    given = any_(literal(list(digests), ARRAY(BYTEA)))
    return (await session.scalars(select(ApiKey).where(col(ApiKey.token_sha256) == given, in_force(now)))).all()


async def note_uses(session: AsyncSession, *, key_ids: Collection[UUID], now: datetime) -> None:
    """Record that the keys were used, with a resolution of a minute.

    A key that another transaction is changing is left out, because all callers would wait for that transaction.
    """
    if not key_ids:
        return
    long_ago = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) < now - USE_NOTED_EVERY)
    due = select(col(ApiKey.id)).where(col(ApiKey.id) == any_(literal(list(key_ids), ARRAY(Uuid))), long_ago)
    due = due.with_for_update(skip_locked=True)
    await session.execute(update(ApiKey).where(col(ApiKey.id).in_(due)).values(last_used_at=now))


async def still_in_force(session: AsyncSession, *, key_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Return those of the keys that are valid."""
    found = await session.scalars(select(col(ApiKey.id)).where(col(ApiKey.id).in_(key_ids), in_force(now)))
    return set(found)


async def active_named(session: AsyncSession, *, name: str, now: datetime) -> bool:
    """Return whether a key with this name is valid."""
    active_keys = select(func.count()).select_from(ApiKey).where(col(ApiKey.name) == name, in_force(now))
    return bool(await session.scalar(active_keys))


async def ends_of_keys_in_force(connection: AsyncConnection, *, now: datetime) -> Sequence[tuple[str, datetime | None]]:
    """Return the name of each valid key and when it expires, beginning with the one that expires first."""
    keys = select(col(ApiKey.name), col(ApiKey.expires_at)).where(in_force(now)).order_by(col(ApiKey.expires_at))
    return [(name, expires_at) for name, expires_at in await connection.execute(keys)]


async def any_in_force(session: AsyncSession, *, now: datetime) -> bool:
    """Return whether any key is valid."""
    return bool(await session.scalar(select(func.count()).select_from(ApiKey).where(in_force(now))))


async def none_yet(session: AsyncSession) -> bool:
    """Return whether there has never been a key. Until the end of the transaction, no other caller is told so."""
    await lock(session)
    return not await session.scalar(select(func.count()).select_from(ApiKey))


async def everything(session: AsyncSession) -> Sequence[ApiKey]:
    """Return all keys, including those that are no longer valid, oldest first."""
    return (await session.scalars(select(ApiKey).order_by(col(ApiKey.created_at), col(ApiKey.id)))).all()


async def revoke(session: AsyncSession, *, name_or_id: str, now: datetime) -> ApiKey | None:
    """Revoke the valid key with this name or id, and return it."""
    named = or_(col(ApiKey.name) == name_or_id, cast(col(ApiKey.id), Text) == name_or_id.lower())
    return await session.scalar(update(ApiKey).where(named, in_force(now)).values(revoked_at=now).returning(ApiKey))
