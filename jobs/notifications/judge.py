"""Evaluates all rules on run events and the state of tasks, and stores the messages, in one transaction at a time. The
cursor moves in the same transaction, so each event is judged exactly once, however many processes try: one of them
holds the cursor's lock, and the others skip the work.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connection import autocommit
from db.engine.leases import LEASE
from db.notifications import judging, outbox
from db.notifications.judging import NO_TASK
from db.states import NotificationEvent
from jobs.notifications import alerts, message
from jobs.notifications.alerts import Alert, Judgement, Rule, Telling

logger = logging.getLogger(__name__)

EVENTS_PER_TRANSACTION = 1_000
EVENTS_PER_TURN = 50
"""Events that are judged in one turn of the event loop, which belongs to the engine."""
ABSENT_PER_TRANSACTION = 10_000
REMINDERS_PER_TRANSACTION = 10_000


async def judge(engine: AsyncEngine, *, public_url: str | None) -> None:
    """Judge all events up to now, unless another process does. Without rules, this reads one row."""
    async with autocommit(engine).connect() as connection:
        if not await judging.has_rules(connection):
            return
    more = True
    while more:
        async with engine.begin() as connection:
            more = await judge_some(connection, public_url=public_url)


async def judge_some(connection: AsyncConnection, *, public_url: str | None) -> bool:
    """Judge up to `EVENTS_PER_TRANSACTION` events. Return whether there are more of them."""
    position = await judging.lock_cursor(connection)
    if position is None:
        return False
    rules = {row.id: Rule.of(row) for row in await judging.rules(connection)}
    judgement = Judgement(now=position.now)
    newest = await judging.newest(connection)
    until = min(newest, position.seq + EVENTS_PER_TRANSACTION)
    if until > position.seq:
        await judge_events(connection, judgement, list(rules.values()), seq=position.seq, until=until)
        await judging.move_cursor(connection, until)
    if until == newest:
        await judge_state(connection, judgement, rules)
    await store(connection, judgement)
    await close_messages(connection, now=position.now, public_url=public_url)
    return until < newest


async def judge_events(
    connection: AsyncConnection, judgement: Judgement, rules: Sequence[Rule], *, seq: int, until: int
) -> None:
    """Judge run events in their order."""
    late = min((each for rule in rules if (each := rule.least_lateness) is not None), default=None)
    tolerance = min((rule.tolerance for rule in rules if rule.tells(NotificationEvent.ABSENT)), default=None)
    events = await judging.events(connection, seq=seq, until=until, late=late, tolerance=tolerance)
    if not events:
        return
    task_ids = {event.task_id for event in events}
    tasks = await judging.tasks(connection, task_ids)
    runs = await judging.runs(connection, {event.run_id for event in events})
    judgement.add(map(alert_of, await judging.alerts(connection, task_ids)))
    failed = {event.run_id for event in events if event.type == "failed"}
    tells_pauses = failed and any(rule.tells(NotificationEvent.PAUSED) for rule in rules)
    pauses = await judging.pauses(connection, task_ids=task_ids, run_ids=failed) if tells_pauses else {}
    for place, event in enumerate(events):
        if place % EVENTS_PER_TURN == 0:
            await asyncio.sleep(0)
        task = tasks.get(event.task_id)
        for rule in rules if task is not None and not task.deleted else ():
            if event.seq > rule.after_seq and rule.matches(task):
                alerts.judge_event(judgement, rule, event, task=task, run=runs.get(event.run_id), pauses=pauses)


async def judge_state(connection: AsyncConnection, judgement: Judgement, rules: dict[UUID, Rule]) -> None:
    """Judge conditions without an event: absent instants, lost workers, and due reminders."""
    await judging.forget_alerts(connection)
    seeking = [rule for rule in rules.values() if rule.tells(NotificationEvent.ABSENT)]
    if seeking:
        await judge_absences(connection, judgement, seeking)
    watching = [rule for rule in rules.values() if rule.tells(NotificationEvent.NO_WORKERS)]
    if watching:
        living = await judging.living_workers(connection, late_after=LEASE)
        judgement.add(map(alert_of, await judging.alerts(connection, [NO_TASK])))
        for rule in watching:
            alerts.judge_workers(judgement, rule, living=living)
    if any(rule.remind_every is not None for rule in rules.values()):
        due = await judging.due_reminders(connection, now=judgement.now, limit=REMINDERS_PER_TRANSACTION)
        tasks = await judging.tasks(connection, {row.task_id for row in due})
        for row in due:
            alert = judgement.alerts.setdefault(alert_of(row).key, alert_of(row))
            if alert.key not in judgement.closed:
                alerts.remind(judgement, rules[row.rule_id], alert, task=tasks.get(row.task_id))


async def judge_absences(connection: AsyncConnection, judgement: Judgement, rules: Sequence[Rule]) -> None:
    """Judge the instants that were due and have no finished run."""
    before = judgement.now - min(rule.tolerance for rule in rules)
    found = await judging.absences(connection, before=before, limit=ABSENT_PER_TRANSACTION)
    task_ids = {row.task_id for row in found}
    tasks = await judging.tasks(connection, task_ids)
    known = {alert.key for alert in judgement.alerts.values()} | judgement.closed
    rows = await judging.alerts(connection, task_ids)
    judgement.add(alert for row in rows if (alert := alert_of(row)).key not in known)
    for row in found:
        task = tasks.get(row.task_id)
        for rule in rules if task is not None and not task.deleted else ():
            if rule.matches(task) and judgement.now - row.due_at > rule.tolerance:
                alerts.judge_absence(judgement, rule, task=task, instant=row.instant)


async def store(connection: AsyncConnection, judgement: Judgement) -> None:
    """Store the alerts and their notifications."""
    await judging.close_alerts(connection, [(rule, task, str(event)) for rule, task, event in judgement.closed])
    await judging.keep_alerts(connection, [columns_of(judgement.alerts[key]) for key in judgement.changed])
    if judgement.told:
        await gather(connection, judgement.told, now=judgement.now)


async def gather(connection: AsyncConnection, told: Sequence[Telling], *, now: datetime) -> None:
    """Store notifications: one message for each rule and event, or an addition to the open one."""
    groups: dict[tuple[UUID, str, bool], list[Telling]] = {}
    for telling in told:
        groups.setdefault((telling.rule.id, telling.event, telling.reminder), []).append(telling)
    gathering = {(row.rule_id, row.event, row.reminder): row for row in await outbox.gathering(connection)}
    for key, tellings in groups.items():
        row, rule = gathering.get(key), tellings[0].rule
        hosts = Counter({} if row is None else json.loads(row.hosts))
        hosts.update(telling.host for telling in tellings)
        items = [] if row is None else json.loads(row.items)
        items += [telling.item for telling in tellings[: message.KEPT_ITEMS - len(items)]]
        await outbox.gather(
            connection,
            notification_id=uuid4() if row is None else row.id,
            rule_id=rule.id,
            rule_name=rule.name,
            event=tellings[0].event,
            reminder=tellings[0].reminder,
            count=len(tellings) + (0 if row is None else row.number),
            hosts=hosts,
            items=items,
            now=now,
            send_at=now + rule.gather,
        )


async def close_messages(connection: AsyncConnection, *, now: datetime, public_url: str | None) -> None:
    """Write the content of messages whose collection time is over, and store a delivery for each channel."""
    for row in await outbox.complete(connection, now=now):
        items = json.loads(row.items)
        tasks = await judging.tasks(connection, {UUID(item["taskId"]) for item in items if "taskId" in item})
        content = message.content_of(
            event=NotificationEvent(row.event),
            reminder=row.reminder,
            count=row.number,
            hosts=json.loads(row.hosts),
            items=items,
            rule=None if row.rule_id is None else {"id": str(row.rule_id), "name": row.rule_name},
            next_runs={task.id: task.next_run for task in tasks.values()},
            public_url=public_url,
        )
        deliveries = {channel_id: uuid4() for channel_id in row.channel_ids or ()}
        await outbox.close(connection, notification_id=row.id, content=content, deliveries=deliveries, now=now)
        logger.info(
            "A notification is due.",
            extra={"action": "notification", "event": row.event, "count": row.number, "rule": row.rule_name},
        )


def alert_of(row: Any) -> Alert:
    """Return an alert from its row."""
    return Alert(
        rule_id=row.rule_id,
        task_id=row.task_id,
        event=NotificationEvent(row.event),
        failures=row.failures,
        instant=row.instant,
        opened_at=row.opened_at,
        told_at=row.told_at,
        reminded_at=row.reminded_at,
    )


def columns_of(alert: Alert) -> tuple[Any, ...]:
    """Return an alert as `db.notifications.judging.keep_alerts` takes it."""
    return (
        alert.rule_id,
        alert.task_id,
        str(alert.event),
        alert.failures,
        alert.instant,
        alert.opened_at,
        alert.told_at,
        alert.reminded_at,
    )
