"""The statements of messages and their deliveries. A message is stored in the transaction that judges, so that it is
neither lost nor stored twice; a delivery is attempted by one process at a time, which holds a lease of it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.states import DeliveryState

GATHERING = text("""
SELECT id, rule_id, event, reminder, count AS number, CAST(hosts AS text) AS hosts, CAST(items AS text) AS items
FROM notifications WHERE closed_at IS NULL
""")

GATHER = text("""
INSERT INTO notifications (id, rule_id, rule_name, event, reminder, count, hosts, items, created_at, send_at)
VALUES (:id, :rule_id, :rule_name, :event, :reminder, :count, CAST(:hosts AS jsonb), CAST(:items AS jsonb),
        CAST(:now AS timestamptz), CAST(:send_at AS timestamptz))
ON CONFLICT (id) DO UPDATE SET count = excluded.count, hosts = excluded.hosts, items = excluded.items
""")

COMPLETE = text("""
SELECT n.id, n.rule_id, n.rule_name, n.event, n.reminder, n.count AS number, CAST(n.hosts AS text) AS hosts,
       CAST(n.items AS text) AS items, n.created_at,
       ARRAY(SELECT c.id FROM notification_channels c WHERE c.id = ANY(r.channel_ids)) AS channel_ids
FROM notifications n LEFT JOIN notification_rules r ON r.id = n.rule_id
WHERE n.closed_at IS NULL AND n.send_at <= :now
FOR NO KEY UPDATE OF n SKIP LOCKED
""")

CLOSE = text("""
UPDATE notifications SET closed_at = CAST(:now AS timestamptz), content = CAST(:content AS jsonb) WHERE id = :id
""")

ADD_DELIVERIES = text("""
INSERT INTO notification_deliveries (id, notification_id, channel_id, state, next_attempt_at, created_at)
SELECT d.id, :notification_id, d.channel_id, 'pending', CAST(:now AS timestamptz), CAST(:now AS timestamptz)
FROM unnest(CAST(:ids AS uuid[]), CAST(:channel_ids AS uuid[])) AS d (id, channel_id)
""")

IS_PENDING = text("""
SELECT EXISTS (
    SELECT FROM notification_deliveries
    WHERE state = 'pending' AND next_attempt_at <= (SELECT clock_timestamp())
      AND (leased_until IS NULL OR leased_until < (SELECT clock_timestamp()))
)
""")

CLAIM = text("""
WITH due AS MATERIALIZED (
    SELECT d.id FROM notification_deliveries d
    WHERE d.state = 'pending' AND d.next_attempt_at <= (SELECT clock_timestamp())
      AND (d.leased_until IS NULL OR d.leased_until < (SELECT clock_timestamp()))
    ORDER BY d.next_attempt_at
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE notification_deliveries d
    SET attempts = d.attempts + 1, leased_until = clock_timestamp() + CAST(:lease AS interval)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.notification_id, d.channel_id, d.attempts
)
SELECT d.id, d.attempts, n.id AS notification_id, n.closed_at, CAST(n.content AS text) AS content,
       c.id AS channel_id, c.kind, c.url, c.signing_secrets, c.sealed_url
FROM claimed d JOIN notifications n ON n.id = d.notification_id JOIN notification_channels c ON c.id = d.channel_id
""")

# The attempt is the fence: after a lease has run out, another process may have begun the next one.
RECORD = text("""
UPDATE notification_deliveries
SET state = :state, leased_until = NULL, status_code = CAST(:status_code AS int),
    error_message = CAST(:error_message AS text),
    next_attempt_at = clock_timestamp() + CAST(:delay AS interval),
    finished_at = CASE WHEN CAST(:delay AS interval) IS NULL THEN clock_timestamp() END
WHERE id = :id AND attempts = :attempts AND state = 'pending'
""")

PRUNE = text("""
DELETE FROM notifications WHERE id = ANY(ARRAY(
    SELECT id FROM notifications WHERE created_at < :before AND closed_at IS NOT NULL LIMIT :limit
))
""")


async def gathering(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return the messages that others can still join."""
    return (await connection.execute(GATHERING)).all()


async def gather(
    connection: AsyncConnection,
    *,
    notification_id: UUID,
    rule_id: UUID,
    rule_name: str,
    event: str,
    reminder: bool,
    count: int,
    hosts: Mapping[str, int],
    items: Sequence[Any],
    now: datetime,
    send_at: datetime,
) -> None:
    """Store a message, or what it has gathered since. `now` and `send_at` count for a new one only."""
    await connection.execute(
        GATHER,
        {
            "id": notification_id,
            "rule_id": rule_id,
            "rule_name": rule_name,
            "event": event,
            "reminder": reminder,
            "count": count,
            "hosts": json.dumps(hosts),
            "items": json.dumps(items),
            "now": now,
            "send_at": send_at,
        },
    )


async def complete(connection: AsyncConnection, *, now: datetime) -> Sequence[Row[Any]]:
    """Return the messages that have gathered long enough, with the channels of their rules."""
    return (await connection.execute(COMPLETE, {"now": now})).all()


async def close(
    connection: AsyncConnection,
    *,
    notification_id: UUID,
    content: Mapping[str, Any],
    deliveries: Mapping[UUID, UUID],
    now: datetime,
) -> None:
    """Store the content of a message, which stays, and its deliveries: ids by the ids of their channels."""
    await connection.execute(CLOSE, {"id": notification_id, "content": json.dumps(content), "now": now})
    await connection.execute(
        ADD_DELIVERIES,
        {
            "notification_id": notification_id,
            "ids": list(deliveries.values()),
            "channel_ids": list(deliveries),
            "now": now,
        },
    )


async def is_pending(connection: AsyncConnection) -> bool:
    """Return whether a delivery is due."""
    found: bool = (await connection.execute(IS_PENDING)).scalar_one()
    return found


async def claim(connection: AsyncConnection, *, lease: timedelta, limit: int) -> Sequence[Row[Any]]:
    """Return up to `limit` deliveries to attempt, each with its message and channel, and begin their next attempt."""
    return (await connection.execute(CLAIM, {"lease": lease, "limit": limit})).all()


async def record(
    connection: AsyncConnection,
    *,
    delivery_id: UUID,
    attempts: int,
    state: DeliveryState,
    status_code: int | None,
    error_message: str | None,
    delay: timedelta | None,
) -> bool:
    """Store how an attempt ended; `delay` is the time to the next one. Return whether it still was the last attempt."""
    recorded = await connection.execute(
        RECORD,
        {
            "id": delivery_id,
            "attempts": attempts,
            "state": state,
            "status_code": status_code,
            "error_message": error_message,
            "delay": delay,
        },
    )
    return recorded.rowcount > 0


async def prune(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Remove up to `limit` old messages with their deliveries. Return their number."""
    return (await connection.execute(PRUNE, {"before": before, "limit": limit})).rowcount
