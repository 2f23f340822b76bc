"""The ends of the calendar: every instant of Python's datetime survives Postgres, and tasks may use it."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.compat import FIRST_INSTANT, LAST_INSTANT
from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, runs_of, save, soon, task_of, working
from tests.support.target import Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)


async def test_a_task_may_start_and_end_with_the_calendar(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """An interval from the first instant to the last fires like any other, and does not affect other tasks."""
    at = soon().replace(microsecond=0) + SECOND
    whole = every(target.url, SECOND, FIRST_INSTANT, end_at=LAST_INSTANT, next_run=at, due_at=at)
    last = one_off(target.url, LAST_INSTANT)
    async with working(database, jobs_settings):
        [whole_id, last_id, other_id] = await save(engine, whole, last, one_off(target.url, at))
        for task_id in (whole_id, other_id):
            [run, *_] = await wait_until(partial(runs_of, engine, task_id, at_least=1), what="a run is finished")
            assert run.state == RunState.SUCCEEDED
    kept = await task_of(engine, whole_id)
    assert (kept.start_at, kept.end_at) == (FIRST_INSTANT, LAST_INSTANT)
    assert (await task_of(engine, last_id)).next_run == LAST_INSTANT


async def test_the_ends_of_the_calendar_are_not_infinities(engine: AsyncEngine) -> None:
    """Python's first and last instants are stored unchanged, alone and in arrays."""
    async with engine.connect() as connection:
        shown = await connection.execute(
            text("SELECT CAST(CAST(:one AS timestamptz) AS text), CAST(CAST(:many AS timestamptz[]) AS text)"),
            {"one": LAST_INSTANT, "many": [FIRST_INSTANT, None]},
        )
    assert shown.one() == ("9999-12-31 23:59:59.999999+00", '{"0001-01-01 00:00:00+00",NULL}')


@pytest.mark.parametrize(
    ("foreign", "nearest"),
    [
        ("infinity", LAST_INSTANT),
        ("-infinity", FIRST_INSTANT),
        ("20000-01-01 00:00Z", LAST_INSTANT),
        ("4713-01-01 00:00Z BC", FIRST_INSTANT),
    ],
)
async def test_an_instant_beyond_the_calendar_is_read_as_its_end(
    engine: AsyncEngine, foreign: str, nearest: object
) -> None:
    """An imported row may have an instant beyond the calendar; it is read as the calendar's end."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT CAST(CAST(:foreign AS text) AS timestamptz)"), {"foreign": foreign}
        )
    assert found.scalar_one() == nearest
