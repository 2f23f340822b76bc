"""When the pinned time zone rules were changed: the instants stored by the old ones are computed anew.

Each worker looks when it starts. What is accounted for stays so; from there on the new rules hold, so an instant that
they have put into the past is settled by the task's misfire policy, like any that was missed.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # it has no types

from db.connection import autocommit
from db.engine.claims import Move
from db.maintenance import timezone_update
from db.states import TaskStatus
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of

logger = logging.getLogger(__name__)

BATCH = 500
BEFORE_ALL = UUID(int=0)
INSTANT_BEFORE = timedelta(microseconds=1)


async def apply_zone_rules(engine: AsyncEngine, *, version: str = IANA_VERSION) -> int:
    """Computes stored instants anew if they follow older rules than `version`; tells how many have changed.

    A few hundred tasks are locked at a time. Workers that start together may both do it, which changes nothing more; a
    worker with older rules than another had leaves everything as it is.
    """
    async with autocommit(engine).connect() as connection:
        known = await timezone_update.version(connection)
    changed = 0
    if known is not None and known < version:
        changed = await recompute(engine)
        logger.info("Time zone rules went from %s to %s. action=zone_rules tasks=%d", known, version, changed)
    if known is None or known < version:
        async with autocommit(engine).connect() as connection:
            await timezone_update.set_version(connection, version)
    return changed


async def recompute(engine: AsyncEngine) -> int:
    """Computes the next instants of all tasks with a time zone anew; tells how many have changed."""
    changed, after = 0, BEFORE_ALL
    while True:
        async with engine.begin() as connection:
            rows = await timezone_update.lock_tasks_with_zone(connection, after=after, limit=BATCH)
            if not rows:
                return changed
            moves = [move for row in rows if (move := moved(row)) is not None]
            await timezone_update.move(connection, moves)
        changed += len(moves)
        after = rows[-1].id


def moved(row: Row[Any]) -> Move | None:
    """Where a task's next instant is now; None when it is where it was."""
    stored = row.next_run or row.resume_from
    settled = row.settled_until or min(row.updated_at, stored - INSTANT_BEFORE)
    try:
        trigger = trigger_of(row)
        instant = schedule.next_instant(trigger, settled)
    except Exception:
        # Its claim will say so, in a run.
        logger.exception("A task's schedule cannot be computed. action=unplannable task=%s", row.id)
        return None
    if instant == stored:
        return None
    paused = row.status == TaskStatus.PAUSED
    return Move(
        task_id=row.id,
        next_run=instant,
        due_at=None
        if instant is None or paused or row.due_at is None
        else schedule.due_at(trigger, instant, task_id=row.id),
        settled_until=settled,
        status=TaskStatus.COMPLETED if instant is None and not paused else TaskStatus(row.status),
    )
