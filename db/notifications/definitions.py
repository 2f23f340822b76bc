"""Reads and locks channels and rules."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import NotificationAlert, NotificationChannel, NotificationRule

# Channels and rules are few, and change together, so one lock serves all of them. It also waits for the one who judges.
LOCK = text("SELECT seq FROM notification_cursor FOR UPDATE")


async def lock(session: AsyncSession) -> None:
    """Lock channels and rules against other changes and against evaluation until the commit."""
    await session.execute(LOCK)


async def channels(session: AsyncSession, ids: Collection[UUID] | None = None) -> Sequence[NotificationChannel]:
    """Return channels by name, all or those that have one of the ids."""
    statement = select(NotificationChannel).order_by(col(NotificationChannel.name))
    if ids is not None:
        statement = statement.where(col(NotificationChannel.id).in_(ids))
    return (await session.scalars(statement)).all()


async def rules(session: AsyncSession, ids: Collection[UUID] | None = None) -> Sequence[NotificationRule]:
    """Return rules by name, all or those that have one of the ids."""
    statement = select(NotificationRule).order_by(col(NotificationRule.name))
    if ids is not None:
        statement = statement.where(col(NotificationRule.id).in_(ids))
    return (await session.scalars(statement)).all()


async def count(session: AsyncSession, of: type[NotificationChannel | NotificationRule]) -> int:
    """Return the number of channels or rules."""
    return await session.scalar(select(func.count()).select_from(of)) or 0


async def holder_of_name(
    session: AsyncSession, of: type[NotificationChannel | NotificationRule], name: str
) -> UUID | None:
    """Return the channel or rule that has a name."""
    return await session.scalar(select(col(of.id)).where(col(of.name) == name))


async def rules_of_channel(session: AsyncSession, channel_id: UUID) -> Sequence[str]:
    """Return the names of the rules that use a channel."""
    used = col(NotificationRule.channel_ids).contains([channel_id])
    return (await session.scalars(select(col(NotificationRule.name)).where(used))).all()


async def forget_alerts(session: AsyncSession, rule_id: UUID) -> None:
    """Remove what a rule has seen, so that it begins again."""
    await session.execute(delete(NotificationAlert).where(col(NotificationAlert.rule_id) == rule_id))
