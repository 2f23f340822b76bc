"""Reads the deliveries of notifications."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import Notification, NotificationDelivery
from db.reads import keyset
from db.reads.keyset import Condition, Order, Slice
from db.states import DeliveryState

NEWEST_FIRST = Order(value=col(NotificationDelivery.created_at), id=col(NotificationDelivery.id), descending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Selects deliveries. Empty members select all."""

    channel_id: UUID | None = None
    rule_id: UUID | None = None
    states: Collection[DeliveryState] = ()


def conditions(filters: DeliveryFilter) -> list[Condition]:
    """Return the filter as SQL."""
    found: list[Condition] = []
    if filters.channel_id is not None:
        found.append(col(NotificationDelivery.channel_id) == filters.channel_id)
    if filters.rule_id is not None:
        of_rule = select(col(Notification.id)).where(col(Notification.rule_id) == filters.rule_id)
        found.append(col(NotificationDelivery.notification_id).in_(of_rule))
    if filters.states:
        found.append(col(NotificationDelivery.state).in_(filters.states))
    return found


async def page(
    session: AsyncSession, filters: DeliveryFilter, *, rows: Slice
) -> tuple[list[NotificationDelivery], bool]:
    """Return a slice of the deliveries, newest first, and whether there are more in its direction."""
    statement = select(NotificationDelivery).where(*conditions(filters))
    statements = keyset.statements(statement, order=NEWEST_FIRST, page=rows)
    found, more = await keyset.fetch(session, statements, page=rows)
    return [delivery for (delivery,) in found], more


async def has_more(
    session: AsyncSession, filters: DeliveryFilter, *, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any delivery follows (or, `backward`, precedes) the key."""
    statement = select(NotificationDelivery).where(*conditions(filters))
    return await keyset.has_rows_beyond(
        session, statement, order=NEWEST_FIRST, key=key, backward=backward, inclusive=inclusive
    )


async def count(session: AsyncSession, filters: DeliveryFilter) -> int:
    """Return the number of deliveries, counted at most to one beyond `keyset.COUNT_CAP`."""
    return await keyset.count(session, conditions(filters), of=col(NotificationDelivery.id))


async def messages(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Notification]:
    """Return the messages of deliveries."""
    found = await session.scalars(select(Notification).where(col(Notification.id).in_(ids)))
    return {message.id: message for message in found}
