"""Policies for instants that overlap or were missed, and for attempts that are no longer wanted."""

from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from jobs.settings import JobsSettings
from jobs.triggers.due import CAUGHT_UP
from tests.support.engine import events_of, every, one_off, runs_of, save, soon, task_of, working
from tests.support.history import run_of
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LONG = CannedResponse(delay=timedelta(minutes=5))


async def finished(engine: AsyncEngine, task_id: UUID, *, number: int, within: float = 30) -> list[Run]:
    """Return the task's runs once that many are finished."""
    runs = await wait_until(
        lambda: runs_of(engine, task_id, at_least=number), what=f"{number} runs are finished", within=within
    )
    return list(runs)


def summary(runs: list[Run], start: datetime, period: timedelta) -> list[tuple[float, RunState, int, float | None]]:
    """Return for each run the number of its instant, its state, how many it stands for, and the number of the first."""
    return [
        (
            (run.scheduled_for - start) / period,
            run.state,
            run.missed_count,
            None if run.missed_since is None else (run.missed_since - start) / period,
        )
        for run in runs
    ]


async def test_overlapping_runs_go_side_by_side_when_allowed(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """ALLOW starts each run at its instant, whatever is in progress."""
    url = target.responds("/slow", CannedResponse(delay=10 * SECOND))
    async with working(database, jobs_settings):
        start = soon()
        [task_id] = await save(
            engine, every(url, 3 * SECOND, start, end_at=start + 6 * SECOND, overlap=OverlapPolicy.ALLOW)
        )
        runs = await finished(engine, task_id, number=3)
    assert [run.state for run in runs] == [RunState.SUCCEEDED] * 3
    assert target.calls[2].at < target.calls[0].at + 10 * SECOND


async def test_one_run_waits_behind_another_and_a_third_is_skipped(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """QUEUE makes one run wait, which starts as soon as the earlier one has ended, and skips a third."""
    url = target.responds("/slow", CannedResponse(delay=5 * SECOND), CannedResponse())
    async with working(database, jobs_settings):
        start = soon()
        [task_id] = await save(
            engine, every(url, SECOND, start, end_at=start + 2 * SECOND, overlap=OverlapPolicy.QUEUE)
        )
        first, queued, skipped = await finished(engine, task_id, number=3)
    assert (first.state, queued.state, skipped.state) == (RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.SKIPPED)
    assert first.finished_at is not None
    assert queued.run_at is not None
    assert first.finished_at <= queued.run_at < first.finished_at + SECOND
    assert await events_of(engine, queued.id) == ["queued", "started", "succeeded"]
    assert await events_of(engine, skipped.id) == ["skipped"]
    assert len(target.calls) == 2
    assert (await task_of(engine, task_id)).status == TaskStatus.COMPLETED


async def test_an_instant_waits_behind_a_run_that_is_about_to_begin(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """With QUEUE, an instant waits behind a requested run that has not started."""
    start = utc_now()
    url = target.responds("/slow", CannedResponse(delay=SECOND), CannedResponse())
    task = every(url, MINUTE, start, end_at=start, overlap=OverlapPolicy.QUEUE)
    asked_for = run_of(task, scheduled_for=start - SECOND, state=RunState.QUEUED, next_attempt_at=start - SECOND)
    await save(engine, task)
    await save(engine, asked_for)
    async with working(database, jobs_settings):
        first, second = await finished(engine, task.id, number=2)
    assert [(run.id, run.state) for run in (first, second)] == [
        (asked_for.id, RunState.SUCCEEDED),
        (second.id, RunState.SUCCEEDED),
    ]
    assert first.finished_at is not None
    assert second.run_at is not None
    assert first.finished_at <= second.run_at


async def test_a_queued_run_follows_one_that_was_lost(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """The end of any run promotes the one that waits behind it: here the rescue of a lost worker's attempt."""
    task = every(
        f"{target.url}/", MINUTE, utc_now(), overlap="queue", on_lost="fail", next_run=None, due_at=None,
        status=TaskStatus.PAUSED,
    )  # fmt: skip
    lost = run_of(task, scheduled_for=utc_now() - MINUTE, state=RunState.RUNNING)
    queued = run_of(task, scheduled_for=utc_now() - SECOND, state=RunState.QUEUED)
    await save(engine, task)
    await save(engine, lost, queued)
    async with working(database, jobs_settings):
        runs = await finished(engine, task.id, number=2, within=20)
    assert [run.state for run in runs] == [RunState.UNKNOWN, RunState.SUCCEEDED]


@pytest.mark.parametrize("overlap", OverlapPolicy)
async def test_what_waits_for_nothing_is_let_on(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    engine: AsyncEngine,
    target: Target,
    overlap: OverlapPolicy,
) -> None:
    """A run that was left queued, because a policy was changed for instance, is started nevertheless."""
    task = every(
        f"{target.url}/", MINUTE, utc_now(), overlap=overlap, next_run=None, due_at=None, status=TaskStatus.PAUSED
    )
    await save(engine, task)
    await save(engine, run_of(task, scheduled_for=utc_now() - SECOND, state=RunState.QUEUED))
    async with working(database, jobs_settings):
        [run] = await finished(engine, task.id, number=1)
    assert run.state == RunState.SUCCEEDED


async def test_missed_instants_are_recorded_and_not_run(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """SKIP records all missed instants in one row, as a range; the next instant runs in time."""
    start = utc_now() - 2 * MINUTE
    period = timedelta(seconds=50)
    [task_id] = await save(engine, every(f"{target.url}/", period, start, misfire=MisfirePolicy.SKIP))
    async with working(database, jobs_settings):
        runs = await finished(engine, task_id, number=1)
    assert summary(runs, start, period) == [(2, RunState.MISSED, 2, 0)]
    assert target.calls == []
    assert await events_of(engine, runs[0].id) == ["missed"]
    assert (await task_of(engine, task_id)).next_run == start + 3 * period


async def test_the_newest_runs_when_it_is_not_late(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """SKIP skips what was missed, and nothing else."""
    start = utc_now() - 2 * MINUTE
    [task_id] = await save(engine, every(f"{target.url}/", MINUTE, start, misfire=MisfirePolicy.SKIP))
    async with working(database, jobs_settings):
        runs = await finished(engine, task_id, number=2)
    assert summary(runs, start, MINUTE) == [(1, RunState.MISSED, 1, 0), (2, RunState.SUCCEEDED, 0, None)]
    assert len(target.calls) == 1


async def test_all_missed_instants_run_one_after_another(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """ALL runs missed instants in order, each once, never two at the same time, and then the schedule continues."""
    url = target.responds("/slow", CannedResponse(delay=timedelta(milliseconds=20)))
    start = utc_now() - 40 * MINUTE
    [task_id] = await save(engine, every(url, MINUTE, start, misfire=MisfirePolicy.ALL))
    async with working(database, jobs_settings), working(database, jobs_settings):
        runs = await finished(engine, task_id, number=41, within=20)
    assert summary(runs, start, MINUTE) == [(n, RunState.SUCCEEDED, 0, None) for n in range(41)]
    for earlier, later in pairwise(runs):
        assert earlier.finished_at is not None
        assert later.run_at is not None
        assert earlier.finished_at <= later.run_at
    task = await task_of(engine, task_id)
    assert task.next_run == task.due_at == start + 41 * MINUTE


async def test_of_very_many_missed_instants_the_newest_run(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """ALL counts instants older than the newest thousand in the first run."""
    start = utc_now() - (CAUGHT_UP + 500) * MINUTE
    [task_id] = await save(engine, every(f"{target.url}/", MINUTE, start, misfire=MisfirePolicy.ALL))
    async with working(database, jobs_settings):
        runs = await finished(engine, task_id, number=2)
    assert summary(runs[:2], start, MINUTE) == [(501, RunState.SUCCEEDED, 501, 0), (502, RunState.SUCCEEDED, 0, None)]


async def test_catching_up_goes_on_after_a_failure_and_a_policy_that_changed(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """`misfire_once` replaces the task's own policy until everything that was missed is settled, and no longer."""
    url = target.responds("/bad", CannedResponse(status=500), CannedResponse())
    start = utc_now() - 5 * MINUTE
    [task_id] = await save(
        engine, every(url, MINUTE, start, misfire=MisfirePolicy.SKIP, misfire_once=MisfirePolicy.ALL, max_attempts=1)
    )
    async with working(database, jobs_settings):
        runs = await finished(engine, task_id, number=6)
    assert [run.state for run in runs] == [RunState.FAILED, *[RunState.SUCCEEDED] * 5]
    assert (await task_of(engine, task_id)).misfire_once is None


@pytest.mark.parametrize(
    ("misfire", "state"),
    [
        (MisfirePolicy.LATEST, RunState.SUCCEEDED),
        (MisfirePolicy.ALL, RunState.SUCCEEDED),
        (MisfirePolicy.SKIP, RunState.MISSED),
    ],
)
async def test_a_one_off_that_was_missed(
    database: DatabaseSettings,
    jobs_settings: JobsSettings,
    engine: AsyncEngine,
    target: Target,
    misfire: MisfirePolicy,
    state: RunState,
) -> None:
    """A missed one-off runs late or is recorded as missed, and is completed in both cases."""
    [task_id] = await save(engine, one_off(f"{target.url}/", utc_now() - MINUTE, misfire=misfire))
    async with working(database, jobs_settings):
        [run] = await finished(engine, task_id, number=1)
    assert (run.state, run.missed_count) == (state, 0)
    assert (await task_of(engine, task_id)).status == TaskStatus.COMPLETED


async def test_a_call_that_is_no_longer_wanted_is_broken_off(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """The connection of an unwanted call is closed within a second or two, and its slot serves another task."""
    url = target.responds("/hanging", LONG)
    async with working(database, jobs_settings.model_copy(update={"slots": 1})):
        [task_id] = await save(engine, one_off(url, soon()))
        await wait_until(lambda: target.calls, what="the call came in")
        async with engine.begin() as connection:
            await connection.execute(
                text("UPDATE task_results SET state = 'cancelled', worker_id = NULL, finished_at = now(), epoch = 2")
            )
        [other] = await save(engine, one_off(f"{target.url}/other", utc_now()))
        [run] = await finished(engine, other, number=1)
        await wait_until(lambda: target.aborted == 1, what="the connection was closed")
    assert run.state == RunState.SUCCEEDED
    [cancelled] = await runs_of(engine, task_id)
    assert cancelled.state == RunState.CANCELLED


async def test_what_waits_gets_its_share_of_scarce_slots(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """When slots are short, a retry does not have to wait until nothing else is due."""
    crowd = target.responds("/crowd", CannedResponse(delay=timedelta(milliseconds=50)))
    flaky = target.responds("/flaky", CannedResponse(status=500), CannedResponse())
    async with working(database, jobs_settings.model_copy(update={"slots": 1})):
        at = soon()
        [retried] = await save(engine, one_off(flaky, at))
        ids = await save(engine, *(one_off(crowd, at + timedelta(milliseconds=n)) for n in range(1, 60)))
        await finished(engine, retried, number=1)
        await finished(engine, ids[-1], number=1)
    paths = [call.path for call in target.calls]
    assert paths.index("/flaky", 1) < len(paths) // 2


async def test_a_one_off_that_was_paused_during_its_run_is_completed_by_it(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """A pause lets a claimed run end, and then nothing is left to resume."""
    url = target.responds("/slow", CannedResponse(delay=SECOND))
    async with working(database, jobs_settings):
        [task_id] = await save(engine, one_off(url, soon()))
        await wait_until(lambda: target.calls, what="the call came in")
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE tasks SET status = 'paused'"))
        await finished(engine, task_id, number=1)
    assert (await task_of(engine, task_id)).status == TaskStatus.COMPLETED
