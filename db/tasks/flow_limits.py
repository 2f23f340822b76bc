"""Reads and locks flow limits."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import FlowLimit


async def lock(session: AsyncSession, limit_id: UUID) -> FlowLimit | None:
    """Return a limit, locked until the transaction ends, or None."""
    return await session.scalar(select(FlowLimit).where(col(FlowLimit.id) == limit_id).with_for_update())


async def holder(session: AsyncSession, *, host: str | None, flow_key: str | None) -> UUID | None:
    """Return the limit that has a key."""
    column, value = (col(FlowLimit.flow_key), flow_key) if host is None else (col(FlowLimit.host), host)
    return await session.scalar(select(col(FlowLimit.id)).where(column == value))


async def count(session: AsyncSession) -> int:
    """Return the number of limits."""
    return await session.scalar(select(func.count()).select_from(FlowLimit)) or 0


async def all_limits(session: AsyncSession) -> list[FlowLimit]:
    """Return all limits by their keys, those of hosts first."""
    found = await session.scalars(select(FlowLimit).order_by(col(FlowLimit.host), col(FlowLimit.flow_key)))
    return list(found)


async def find(session: AsyncSession, limit_ids: Collection[UUID]) -> dict[UUID, FlowLimit]:
    """Return those of the limits that exist."""
    found = await session.scalars(select(FlowLimit).where(col(FlowLimit.id).in_(limit_ids)))
    return {limit.id: limit for limit in found}
