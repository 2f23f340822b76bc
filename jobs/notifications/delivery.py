"""Delivers messages: claims due deliveries, attempts them, and records the outcomes.

A process that is killed after an attempt and before its record leaves the delivery to another one, which sends it again
under the same webhook-id once the lease has run out.
"""

import asyncio
import json
import logging
import random
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connection import autocommit
from db.notifications import outbox
from db.states import ChannelKind, DeliveryState
from jobs.notifications.apprise_service import WITHIN
from jobs.notifications.sending import TIMEOUT, Channel, Sender, Sent
from jobs.retry import RetryPolicy

logger = logging.getLogger(__name__)

LEASE = max(TIMEOUT, WITHIN) + timedelta(seconds=10)
"""Longer than any attempt can take."""
AT_ONCE = 10
POLICY = RetryPolicy(max_attempts=12, initial_delay=timedelta(seconds=5), factor=3, max_delay=timedelta(hours=1))
"""The last attempt is made about seven hours after the first one."""


async def deliver(
    engine: AsyncEngine, sender: Sender, *, policy: RetryPolicy = POLICY, lease: timedelta = LEASE
) -> None:
    """Attempt every delivery that is due. Without one, this reads one row."""
    while True:
        async with autocommit(engine).connect() as connection:
            if not await outbox.is_pending(connection):
                return
            claimed = await outbox.claim(connection, lease=lease, limit=AT_ONCE)
        if not claimed:
            return
        ended = await asyncio.gather(
            *(attempt(engine, sender, row, policy=policy) for row in claimed), return_exceptions=True
        )
        for error in filter(None, ended):
            raise error


async def attempt(engine: AsyncEngine, sender: Sender, row: Any, *, policy: RetryPolicy) -> None:
    """Attempt one delivery, and record it."""
    channel = Channel(
        id=row.channel_id,
        kind=ChannelKind(row.kind),
        url=row.url,
        signing_secrets=row.signing_secrets,
        sealed_url=row.sealed_url,
    )
    sent = await sender.send(
        channel,
        json.loads(row.content),
        delivery_id=row.id,
        notification_id=row.notification_id,
        at=row.closed_at,
    )
    state, delay = outcome_of(sent, number=row.attempts, policy=policy)
    async with autocommit(engine).connect() as connection:
        await outbox.record(
            connection,
            delivery_id=row.id,
            attempts=row.attempts,
            state=state,
            status_code=sent.status_code,
            error_message=sent.error,
            delay=delay,
        )
    sender.attempts.labels(state.value).inc()
    log(row, sent, state)


def outcome_of(sent: Sent, *, number: int, policy: RetryPolicy) -> tuple[DeliveryState, timedelta | None]:
    """Return the state of a delivery after an attempt, and the time to the next one, if there will be one."""
    if sent.error is None:
        return DeliveryState.DELIVERED, None
    delay = None
    if not sent.is_final:
        delay = policy.delay_after(number, randomness=random.random(), retry_after=sent.retry_after)  # noqa: S311
    return (DeliveryState.FAILED, None) if delay is None else (DeliveryState.PENDING, delay)


def log(row: Any, sent: Sent, state: DeliveryState) -> None:
    """Log how an attempt ended."""
    details = {"delivery": row.id, "channel": row.channel_id, "attempt": row.attempts}
    if state is DeliveryState.DELIVERED:
        logger.info("A notification was delivered.", extra={"action": "notification_delivered", **details})
    elif state is DeliveryState.PENDING:
        extra = {"action": "notification_retried", **details, "error": sent.error}
        logger.warning("A notification will be delivered again.", extra=extra)
    else:
        extra = {"action": "notification_failed", **details, "error": sent.error}
        logger.error("A notification cannot be delivered.", extra=extra)
