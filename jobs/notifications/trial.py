"""Tests a channel: one attempt at once, whose delivery is stored like any other."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Notification, NotificationChannel, NotificationDelivery, utc_now
from db.notifications import definitions
from db.states import DeliveryState, NotificationEvent
from jobs.errors import NotFound
from jobs.notifications.message import content_of
from jobs.notifications.sending import Channel, Sender
from jobs.tasks.transaction import Transaction


async def channel_to_test(session: AsyncSession, channel_id: UUID) -> NotificationChannel:
    """Return the channel. Raises `NotFound`."""
    found = await definitions.channels(session, [channel_id])
    if not found:
        raise NotFound("channel", channel_id)
    return found[0]


async def test_channel(
    channel: NotificationChannel, sender: Sender, *, public_url: str | None, now: datetime
) -> tuple[Notification, NotificationDelivery]:
    """Send a test message to a channel, and return what to store of it. Hold no open transaction during the call."""
    content = content_of(
        event=NotificationEvent.TEST,
        reminder=False,
        count=0,
        hosts={},
        items=[],
        rule=None,
        next_runs={},
        public_url=public_url,
    )
    notification = Notification(
        id=uuid4(),
        event=NotificationEvent.TEST,
        count=0,
        hosts={},
        items=[],
        content=content,
        created_at=now,
        send_at=now,
        closed_at=now,
    )
    delivery_id = uuid4()
    sent = await sender.send(
        Channel(
            id=channel.id,
            kind=channel.kind,
            url=channel.url,
            signing_secrets=channel.signing_secrets,
            sealed_url=channel.sealed_url,
        ),
        content,
        delivery_id=delivery_id,
        notification_id=notification.id,
        at=now,
    )
    delivery = NotificationDelivery(
        id=delivery_id,
        notification_id=notification.id,
        channel_id=channel.id,
        state=DeliveryState.DELIVERED if sent.error is None else DeliveryState.FAILED,
        attempts=1,
        status_code=sent.status_code,
        error_message=sent.error,
        created_at=now,
        finished_at=utc_now(),
    )
    return notification, delivery


async def keep(
    work: Transaction, notification: Notification, delivery: NotificationDelivery, *, channel: NotificationChannel
) -> None:
    """Store a test, with an entry in the audit log. Raises `NotFound` if the channel was deleted in the meantime."""
    await definitions.lock(work.session)
    await channel_to_test(work.session, channel.id)
    work.session.add(notification)
    await work.session.flush()
    work.session.add(delivery)
    work.record("testChannel", after={"id": str(channel.id), "name": channel.name, "state": delivery.state})
    await work.session.flush()
