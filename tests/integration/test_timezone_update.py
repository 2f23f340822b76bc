"""New time zone rules and the instants that were stored by old ones."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Task
from db.settings import DatabaseSettings
from db.states import TaskStatus, TriggerType
from jobs.maintenance.timezone_update import apply_zone_rules
from tests.support.engine import common, opened, save, task_of

HOUR = timedelta(hours=1)
OLD, NEW = "2019a", "2026z"
NINE_IN_BERLIN = datetime(2031, 7, 1, 7, 0, tzinfo=UTC)
"""A moment at which it is nine in the morning there, by the rules that this test runs with."""
STORED = NINE_IN_BERLIN + HOUR
"""What rules without summer time would have stored."""
THE_DAY_BEFORE = STORED - 24 * HOUR


@pytest.fixture
async def engine(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A pool, with a database whose instants were stored by old rules."""
    async with opened(database) as opening:
        assert await apply_zone_rules(opening, version=OLD) == 0
        yield opening


def nine_in_berlin(**columns: Any) -> Task:
    """Return a task that is due each morning, with the instants of old rules."""
    defaults = {"cron_expr": "0 9 * * *", "timezone": "Europe/Berlin", "settled_until": THE_DAY_BEFORE}
    return Task(trigger_type=TriggerType.CRON, **common("http://127.0.0.1/", STORED, defaults | columns))


async def test_stored_instants_follow_new_rules(engine: AsyncEngine) -> None:
    """Stored instants follow new rules from the last settled one on, with jitter, once; older rules change nothing."""
    utc = nine_in_berlin(timezone="UTC")
    [plain, jittery, elsewhere] = await save(engine, nine_in_berlin(), nine_in_berlin(jitter_ms=60_000), utc)
    assert await apply_zone_rules(engine, version=OLD) == 0
    assert await apply_zone_rules(engine, version=NEW) == 2
    assert await apply_zone_rules(engine, version=NEW) == 0
    assert await apply_zone_rules(engine, version=OLD) == 0
    task = await task_of(engine, plain)
    assert (task.next_run, task.due_at, task.status) == (NINE_IN_BERLIN, NINE_IN_BERLIN, TaskStatus.SCHEDULED)
    task = await task_of(engine, jittery)
    assert task.next_run == NINE_IN_BERLIN
    assert task.due_at is not None
    assert NINE_IN_BERLIN < task.due_at <= NINE_IN_BERLIN + timedelta(minutes=1)
    assert (await task_of(engine, elsewhere)).next_run == STORED


async def test_tasks_that_are_not_due_are_moved_too(engine: AsyncEngine) -> None:
    """Tasks that are paused, catching up, or have never run are rescheduled as well; ended ones stay ended."""
    paused = nine_in_berlin(status=TaskStatus.PAUSED, next_run=None, due_at=None, resume_from=STORED)
    waiting = nine_in_berlin(due_at=None)
    unclaimed = nine_in_berlin(settled_until=None, updated_at=THE_DAY_BEFORE)
    ended = nine_in_berlin(status=TaskStatus.CANCELLED, next_run=None, due_at=None)
    last = nine_in_berlin(end_at=NINE_IN_BERLIN - HOUR)
    await save(engine, paused, waiting, unclaimed, ended, last)
    assert await apply_zone_rules(engine, version=NEW) == 4
    found = [await task_of(engine, task.id) for task in (paused, waiting, unclaimed, ended, last)]
    assert [(task.status, task.next_run, task.due_at, task.resume_from) for task in found] == [
        (TaskStatus.PAUSED, None, None, NINE_IN_BERLIN),
        (TaskStatus.SCHEDULED, NINE_IN_BERLIN, None, None),
        (TaskStatus.SCHEDULED, NINE_IN_BERLIN, NINE_IN_BERLIN, None),
        (TaskStatus.CANCELLED, None, None, None),
        (TaskStatus.COMPLETED, None, None, None),
    ]


async def test_instant_that_an_update_has_kept_stays(engine: AsyncEngine) -> None:
    """Its call is still to be made; its claim computes the following one by the new rules."""
    [kept] = await save(engine, nine_in_berlin(settled_until=STORED + HOUR))
    assert await apply_zone_rules(engine, version=NEW) == 0
    assert (await task_of(engine, kept)).next_run == STORED


async def test_more_tasks_than_one_batch(engine: AsyncEngine) -> None:
    """All tasks are rescheduled, a few hundred at a time; a broken one does not stop the others."""
    await save(engine, nine_in_berlin(cron_expr="not cron"), *(nine_in_berlin() for _ in range(1_100)))
    assert await apply_zone_rules(engine, version=NEW) == 1_100
