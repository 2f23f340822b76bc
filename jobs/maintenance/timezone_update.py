"""Recomputes stored instants when the pinned time zone rules have changed.

Each worker checks this when it starts. Settled instants stay as they are. The new rules apply from there on, so an
instant that they move into the past is settled by the task's misfire policy, like any missed instant.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # it has no types

from db.connection import autocommit
from db.engine.claims import Reschedule
from db.maintenance import timezone_update
from db.states import TaskStatus
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of

logger = logging.getLogger(__name__)

BATCH = 500
BEFORE_ALL = UUID(int=0)
INSTANT_BEFORE = timedelta(microseconds=1)


async def apply_zone_rules(engine: AsyncEngine, *, version: str = IANA_VERSION) -> int:
    """Recompute stored instants if they follow rules older than `version`. Return how many tasks changed.

    It locks a few hundred tasks at a time. Workers that start together may both do it, without further effect. A worker
    with older rules than those of the stored instants changes nothing.
    """
    async with autocommit(engine).connect() as connection:
        known = await timezone_update.version(connection)
    changed = 0
    if known is not None and known < version:
        changed = await recompute(engine)
        logger.info(
            "Applied new time zone rules.",
            extra={"action": "zone_rules", "from": known, "to": version, "tasks": changed},
        )
    if known is None or known < version:
        async with autocommit(engine).connect() as connection:
            await timezone_update.set_version(connection, version)
    return changed


async def recompute(engine: AsyncEngine) -> int:
    """Recompute the next instant of every task with a time zone. Return how many changed."""
    changed, after = 0, BEFORE_ALL
    while True:
        async with engine.begin() as connection:
            rows = await timezone_update.lock_tasks_with_zone(connection, after=after, limit=BATCH)
            if not rows:
                return changed
            reschedules = [found for row in rows if (found := rescheduled(row)) is not None]
            await timezone_update.reschedule(connection, reschedules)
        changed += len(reschedules)
        after = rows[-1].id


def rescheduled(row: Row[Any]) -> Reschedule | None:
    """Return the task's new next instant, or None if it has not changed."""
    stored = row.next_run or row.resume_from
    settled = row.settled_until or min(row.updated_at, stored - INSTANT_BEFORE)
    if settled >= stored:
        # An update has kept this instant, whose call is still to be made; its claim applies the new rules.
        return None
    try:
        trigger = trigger_of(row)
        instant = schedule.next_instant(trigger, settled)
    except Exception:
        # The task's next claim records this in a run.
        logger.exception("A task's schedule cannot be computed.", extra={"action": "unplannable", "task": row.id})
        return None
    if instant == stored:
        return None
    paused = row.status == TaskStatus.PAUSED
    return Reschedule(
        task_id=row.id,
        next_run=instant,
        due_at=None
        if instant is None or paused or row.due_at is None
        else schedule.due_at(trigger, instant, task_id=row.id),
        settled_until=settled,
        status=TaskStatus.COMPLETED if instant is None and not paused else TaskStatus(row.status),
    )
