"""What is older than its retention goes away: days of runs as a whole, the rest in batches; all else is kept."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import SQLModel

from db.maintenance import partitions, retention
from db.models import DEFAULT_PARTITION, ApiKey, AuditEntry, Task, TaskVersion, utc_now
from db.reads import runs
from db.settings import DatabaseSettings
from db.states import KeyScope, RunState
from graphql_api import cursors
from jobs.maintenance.retention import Retention
from jobs.maintenance.statistics import count_ended_runs
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, opened, runs_of, save, working
from tests.support.graphql import serving
from tests.support.history import append_events, fill, run_of
from tests.support.target import Target
from tests.support.waiting import wait_until

DAY = timedelta(days=1)
URL = "http://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove one day after another without a pause in between."""
    monkeypatch.setattr("jobs.maintenance.retention.BETWEEN_DAYS", timedelta())


def days_ago(days: int) -> datetime:
    """Return noon, so many days before today, in UTC."""
    return (utc_now() - days * DAY).replace(hour=12, minute=0, second=0, microsecond=0)


async def with_days(engine: AsyncEngine, *days: int) -> None:
    """Create the partitions of old days."""
    for each in days:
        async with engine.begin() as connection:
            await partitions.make(connection, days_ago(each).date())


async def tables(engine: AsyncEngine) -> set[date]:
    """Return the days that have a partition."""
    async with engine.connect() as connection:
        return set(await retention.days_with_partitions(connection))


async def prune_uncounted(engine: AsyncEngine, **settings: Any) -> None:
    """Remove what is too old, although the statistics may be behind."""
    await Retention(engine=engine, settings=JobsSettings.model_construct(**settings)).prune()


async def prune(engine: AsyncEngine, **settings: Any) -> None:
    """Do the duty once, with these settings. The totals of results follow what has gone."""
    await count_ended_runs(engine)
    await prune_uncounted(engine, **settings)
    async with AsyncSession(engine) as session:
        for success, condition in ((None, "true"), (True, "success"), (False, "NOT success")):
            counted = text(f"SELECT count(*) FROM finished_runs WHERE run_at IS NOT NULL AND {condition}")
            there = (await session.execute(counted)).scalar_one()
            assert await runs.number_of_results(session, task_id=None, success=success) == there


async def add(engine: AsyncEngine, rows: Sequence[SQLModel]) -> None:
    """Insert rows."""
    async with AsyncSession(engine) as session, session.begin():
        session.add_all(rows)


async def scalar(engine: AsyncEngine, statement: str) -> Any:
    """Return the only value of a query."""
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).scalar_one()


async def kept_days(engine: AsyncEngine, task: Task) -> set[int]:
    """Return how many days ago the runs of a task were that are still there."""
    return {round((days_ago(0) - run.scheduled_for) / DAY) for run in await runs_of(engine, task.id)}


async def test_a_day_of_successful_runs_goes_as_a_whole(database: DatabaseSettings) -> None:
    """A day all of whose runs are old loses its partition; the day before the limit and today keep theirs."""
    async with opened(database) as engine:
        await with_days(engine, 40, 29)
        task = one_off(URL, utc_now())
        await save(engine, task, *(run_of(task, scheduled_for=days_ago(each)) for each in (40, 29, 0)))
        await prune(engine)
        assert await kept_days(engine, task) == {29, 0}
        assert days_ago(40).date() not in await tables(engine)
        assert {days_ago(29).date(), days_ago(0).date()} <= await tables(engine)


async def test_unsuccessful_runs_stay_longer(database: DatabaseSettings) -> None:
    """Of a day of the 30th to the 90th, only the unsuccessful runs stay, and their answers; the disk is given back."""
    async with opened(database) as engine:
        await with_days(engine, 100, 40)
        task, busy = one_off(URL, utc_now()), one_off(URL, utc_now())
        await save(engine, busy)
        async with engine.begin() as connection:
            await fill(connection, 3_000, first=days_ago(40))
        await save(
            engine,
            task,
            *(
                run_of(task, scheduled_for=days_ago(each), state=RunState.FAILED, response_body="why")
                for each in (100, 40)
            ),
        )
        size = f"SELECT pg_total_relation_size('task_results_{days_ago(40):%Y%m%d}')"
        before = await scalar(engine, size)
        await prune(engine)
        assert await runs_of(engine, busy.id) == []
        [run] = await runs_of(engine, task.id)
        assert (run.scheduled_for, run.response_body) == (days_ago(40), "why")
        assert await scalar(engine, size) < before / 3
        assert days_ago(100).date() not in await tables(engine)
        await prune(engine)
        assert await kept_days(engine, task) == {40}
        await prune(engine, retention_failed_days=35)
        assert days_ago(40).date() not in await tables(engine)


async def test_more_unsuccessful_runs_than_can_be_copied(database: DatabaseSettings) -> None:
    """In a day that mostly failed, the successful runs are removed one by one."""
    async with opened(database) as engine:
        await with_days(engine, 40)
        task = one_off(URL, utc_now())
        failed = [
            run_of(task, scheduled_for=days_ago(40) + timedelta(seconds=each), state=RunState.FAILED)
            for each in range(3)
        ]
        await save(engine, task, run_of(task, scheduled_for=days_ago(40) - timedelta(hours=1)), *failed)
        await prune(engine)
        assert {run.state for run in await runs_of(engine, task.id)} == {RunState.FAILED}


async def test_zero_keeps_for_ever(database: DatabaseSettings) -> None:
    """With 0 days everything stays."""
    async with opened(database) as engine:
        await with_days(engine, 400)
        task = one_off(URL, utc_now())
        states = {500: RunState.FAILED, 400: RunState.SUCCEEDED, 401: RunState.FAILED}
        await save(
            engine, task, *(run_of(task, scheduled_for=days_ago(each), state=state) for each, state in states.items())
        )
        await append_events(engine, 3, task_id=task.id, run_id=uuid4(), at=days_ago(400))
        await add(engine, [AuditEntry(key_name="ops", action="createTask", at=days_ago(4000))])
        names = ("days", "failed_days", "bodies_days", "events_days", "audit_days")
        await prune(engine, **{f"retention_{name}": 0 for name in names})
        assert await kept_days(engine, task) == set(states)
        assert await scalar(engine, "SELECT count(*) FROM run_events") == 3
        assert await scalar(engine, "SELECT count(*) FROM audit_log") == 1


async def test_tasks_with_a_retention_of_their_own(database: DatabaseSettings) -> None:
    """A task's own retention counts for all of its runs, whether it is shorter or longer, or 0."""
    async with opened(database) as engine:
        await with_days(engine, 120, 40, 10)
        own = {5: set[int](), 20: {10}, 50: {10, 40}, 0: {10, 40, 120}}
        tasks = {days: one_off(URL, utc_now(), retention_days=days) for days in own}
        for task in tasks.values():
            runs = [run_of(task, scheduled_for=days_ago(each)) for each in (120, 40, 10)]
            await save(engine, task, *runs)
        await prune(engine)
        assert {days: await kept_days(engine, task) for days, task in tasks.items()} == own


async def test_rows_of_the_default_partition(database: DatabaseSettings) -> None:
    """Imported runs, with random ids, and runs of days without a partition go in batches, at their own time."""
    async with opened(database) as engine:
        task = one_off(URL, utc_now())
        ages = {200: RunState.SUCCEEDED, 201: RunState.FAILED, 45: RunState.FAILED, 44: RunState.SUCCEEDED, 3: None}
        await save(
            engine,
            task,
            *(
                run_of(task, id=uuid4(), scheduled_for=days_ago(each), state=state or RunState.SUCCEEDED)
                for each, state in ages.items()
            ),
        )
        await prune(engine)
        assert await kept_days(engine, task) == {45, 3}


async def test_the_default_partition_is_read_once_a_day(database: DatabaseSettings) -> None:
    """What was looked at and is kept is not read again; what becomes old meanwhile goes, and once a day all is read."""
    async with opened(database) as engine:
        task = one_off(URL, utc_now())
        kept = [
            run_of(task, id=uuid4(), scheduled_for=days_ago(45) + timedelta(seconds=n), state=RunState.FAILED)
            for n in range(1_100)
        ]
        await save(engine, task, *kept)
        seen: list[str] = []
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        worker = Retention(engine=engine, settings=JobsSettings.model_construct())

        async def statements() -> int:
            seen.clear()
            await worker.prune()
            return sum(DEFAULT_PARTITION in statement for statement in seen)

        first = await statements()
        assert first > await statements() == 2
        await save(engine, run_of(task, id=uuid4(), scheduled_for=days_ago(40)))
        await statements()
        assert await kept_days(engine, task) == {45}
        worker.default_from -= DAY
        assert await statements() == first


async def test_nothing_unfinished_is_removed(database: DatabaseSettings) -> None:
    """A run that is unfinished stays, however old, and so does its task's version."""
    async with opened(database) as engine:
        await with_days(engine, 400)
        task = one_off(URL, utc_now(), version=3, retention_days=1)
        states = (RunState.QUEUED, RunState.RUNNING, RunState.RETRYING)
        runs = [
            run_of(task, scheduled_for=days_ago(400) + timedelta(seconds=place), state=state, task_version=2)
            for place, state in enumerate(states)
        ]
        await save(engine, task)
        await save(engine, *runs)
        await add(engine, [version_of(task, 1), version_of(task, 2)])
        await prune(engine)
        assert await scalar(engine, "SELECT array_agg(state ORDER BY scheduled_for) FROM task_results") == list(states)
        assert await scalar(engine, "SELECT array_agg(version) FROM task_versions") == [2]


def version_of(task: Task, number: int) -> TaskVersion:
    """Return the request of a version of a task."""
    return TaskVersion(
        version=number,
        **{"task_id": task.id} | task.model_dump(include=set(TaskVersion.model_fields) - {"task_id", "version"}),
    )


async def test_answers_go_before_their_runs(database: DatabaseSettings) -> None:
    """The bodies and headers of old responses go, and their runs stay."""
    async with opened(database) as engine:
        await with_days(engine, 10)
        task = one_off(URL, utc_now())
        answer: dict[str, Any] = {"response_body": "a", "response_headers": [["a", "b"]], "status_code": 200}
        await save(engine, task, *(run_of(task, scheduled_for=days_ago(each), **answer) for each in (10, 2)))
        await prune(engine, retention_bodies_days=5)
        old, new = sorted(await runs_of(engine, task.id), key=lambda run: run.scheduled_for)
        assert (old.response_body, old.response_headers, old.status_code) == (None, None, 200)
        assert new.response_body == "a"


async def test_events_audit_log_and_keys(database: DatabaseSettings) -> None:
    """Old events, entries of the audit log and keys that are no longer valid are removed, and newer ones stay.

    Events stay until the statistics have counted them.
    """
    async with opened(database) as engine:
        for days in (8, 6):
            await append_events(engine, 600, task_id=uuid4(), run_id=uuid4(), at=days_ago(days))
        long, now = days_ago(400), utc_now()
        await add(engine, [AuditEntry(key_name="ops", action="createTask", at=at) for at in (long, now)])
        ends: dict[str, dict[str, Any]] = {
            "revoked": {"revoked_at": long},
            "expired": {"expires_at": long},
            "valid": {},
            "ended": {"expires_at": now, "revoked_at": now},
        }
        await add(
            engine,
            [ApiKey(name=name, scope=KeyScope.READ, token_sha256=name.encode(), **end) for name, end in ends.items()],
        )
        await prune_uncounted(engine)
        assert await scalar(engine, "SELECT min(seq) FROM run_events") == 1
        await prune(engine)
        assert await scalar(engine, "SELECT min(seq) FROM run_events") == 601
        assert await scalar(engine, "SELECT count(*) FROM audit_log") == 1
        assert await scalar(engine, "SELECT array_agg(name ORDER BY name) FROM api_keys") == ["ended", "valid"]


async def test_the_functions_remove_nothing_that_is_not_old(database: DatabaseSettings) -> None:
    """The functions of the owner remove neither today's runs nor recent entries of the audit log."""
    statements = (
        "SELECT prune_run_day(CURRENT_DATE, 1, 1, 10)",
        "SELECT prune_run_day(CURRENT_DATE - 1, 1, 1, 10)",
        "SELECT prune_run_day(CURRENT_DATE, 0, 0, 10)",
        "SELECT prune_run_day(CURRENT_DATE, -100, 1, 10)",
        "SELECT prune_audit_log(89, 10)",
        "SELECT prune_audit_log(-1, 10)",
    )
    async with opened(database) as engine:
        for statement in statements:
            with pytest.raises(DBAPIError, match=r"not old|at least 90 days"):
                await scalar(engine, statement)
        assert days_ago(0).date() in await tables(engine)


async def test_a_day_that_is_being_read_is_removed_later(database: DatabaseSettings) -> None:
    """A long reader holds a day for as long as it reads. Nobody waits behind the attempt to remove it."""
    async with opened(database) as engine:
        await with_days(engine, 40)
        task = one_off(URL, utc_now())
        await save(engine, task, run_of(task, scheduled_for=days_ago(40)))
        async with engine.connect() as reader:
            await reader.execute(text("SELECT count(*) FROM task_results"))
            pruning = asyncio.create_task(prune(engine))
            while not pruning.done():
                async with asyncio.timeout(5):
                    assert await scalar(engine, "SELECT count(*) FROM task_results") == 1
            await pruning
            assert days_ago(40).date() in await tables(engine)
        await prune(engine)
        assert days_ago(40).date() not in await tables(engine)


async def test_two_workers_remove_the_same(database: DatabaseSettings) -> None:
    """Workers that remove at the same time do not fail, and remove the same as one."""
    async with opened(database) as first, opened(database) as second:
        await with_days(first, 40, 41, 42)
        task = one_off(URL, utc_now(), retention_days=0)
        gone = one_off(URL, utc_now())
        await save(first, task, run_of(task, scheduled_for=days_ago(41)), gone)
        for days in (40, 41, 42, 43):
            await save(
                first, *(run_of(gone, scheduled_for=days_ago(days) + timedelta(seconds=each)) for each in range(9))
            )
        await asyncio.gather(prune(first), prune(second))
        await prune(first)
        assert await kept_days(first, task) == {41}
        assert await runs_of(first, gone.id) == []


async def test_a_worker_removes_days_while_it_works(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """A worker that starts with an old history removes it, and meanwhile makes every call."""
    async with opened(database) as engine:
        await with_days(engine, *range(31, 41))
        old = one_off(URL, utc_now())
        await save(engine, old)
        for days in range(31, 41):
            async with engine.begin() as connection:
                await fill(connection, 500, first=days_ago(days))
        task = every(f"{target.url}/200", timedelta(milliseconds=100), utc_now() + timedelta(milliseconds=500))
        await save(engine, task)

        async def are_gone() -> bool:
            return min(await tables(engine)) >= days_ago(0).date()

        async with working(database, jobs_settings):
            await wait_until(are_gone, what="the old days are gone")
        runs = await runs_of(engine, task.id)
        assert {run.state for run in runs} <= {RunState.SUCCEEDED, RunState.SKIPPED}
        for earlier, later in pairwise(sorted(runs, key=lambda run: run.scheduled_for)):
            assert later.scheduled_for - earlier.scheduled_for == (later.missed_count + 1) * timedelta(milliseconds=100)


async def test_a_subscriber_is_told_that_old_events_are_gone(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Who resumes after an event that retention has removed receives a gap; who has seen it goes on without one."""
    watch = """
    subscription ($after: String) {
      runEvents(after: $after) { __typename ... on RunEvent { attempt } ... on RunEventsGap { cursor } }
    }
    """
    async with opened(database) as engine:
        for days in (8, 1):
            await append_events(engine, 3, task_id=uuid4(), run_id=uuid4(), at=days_ago(days))
        await prune(engine)
    async with serving(database, jobs_settings) as api, api.socket() as socket:
        behind = await socket.subscribe(watch, after=cursors.of_event(1))
        assert (await behind.next())["__typename"] == "RunEventsGap"
        seen = await socket.subscribe(watch, after=cursors.of_event(3))
        assert [(await seen.next())["attempt"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED])
async def test_a_worker_that_dies_in_the_middle_removes_nothing(database: DatabaseSettings, state: RunState) -> None:
    """A connection that is lost before the commit leaves the day as it was, and the next attempt succeeds."""
    async with opened(database) as engine, opened(database) as lost:
        await with_days(engine, 40)
        task = one_off(URL, utc_now())
        instants = [days_ago(40) + timedelta(seconds=each) for each in range(5)]
        runs = [run_of(task, scheduled_for=at) for at in instants[1:]]
        await save(engine, task, run_of(task, scheduled_for=instants[0], state=state), *runs)
        async with lost.connect() as connection:
            pruned = await retention.prune_day(connection, days_ago(40).date(), days=30, failed_days=90)
            assert pruned == {RunState.SUCCEEDED: "dropped", RunState.FAILED: "emptied"}[state]
            await connection.invalidate()
        assert len(await runs_of(engine, task.id)) == 5
        await prune(engine)
        assert len(await runs_of(engine, task.id)) == (state == RunState.FAILED)
