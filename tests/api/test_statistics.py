"""Statistics of runs: counted behind the events, up to date, and the same as a count of the runs themselves."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.connection import autocommit, open_engine
from db.engine.statistics import ALL_TASKS, OUTCOMES
from db.maintenance.statistics import count_some
from db.models import Run, RunStatistic, Task, utc_now
from db.settings import DatabaseSettings
from db.states import RunState, StatisticsWidth
from graphql_api import instants
from graphql_api.types.statistics import LENGTHS
from jobs.datetimes import MILLISECOND
from jobs.maintenance.statistics import add_up_old_counts, count_ended_runs
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, opened, save, soon, working
from tests.support.graphql import Api
from tests.support.history import HOUR, end, run_of
from tests.support.statements import statements
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

FIGURES = "from to runs succeeded failed cancelled skipped missed unknown"
PERCENTILES = "successRatePercent latenessP50Ms latenessP99Ms durationP50Ms durationP95Ms"
QUERY = f"""query ($from: DateTime!, $to: DateTime!, $bucket: StatisticsBucket!, $filter: StatisticsFilter) {{
    runStatistics(from: $from, to: $to, bucket: $bucket, filter: $filter) {{ {FIGURES} {PERCENTILES} }}
}}"""
DAY = timedelta(days=1)


async def shown(api: Api, since: datetime, until: datetime, bucket: str, **filters: Any) -> list[dict[str, Any]]:
    """Return the statistics of each bucket."""
    values = {"from": since.isoformat(), "to": until.isoformat(), "bucket": bucket, "filter": filters or None}
    found: list[dict[str, Any]] = (await api.data(QUERY, **values))["runStatistics"]
    return found


def expected(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the figures of runs, counted one by one."""
    by_state = Counter(run.state for run in runs)
    tried = sum(by_state[state] for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.UNKNOWN))
    late = [(run.run_at - run.due_at) / MILLISECOND for run in runs if run.run_at is not None]
    took = [float(run.duration_ms) for run in runs if run.duration_ms is not None]
    return {
        "runs": len(runs),
        **{str(state): by_state[state] for state in OUTCOMES},
        "successRatePercent": pytest.approx(by_state[RunState.SUCCEEDED] / tried * 100) if tried else None,
        "latenessP50Ms": near(late, 0.5),
        "latenessP99Ms": near(late, 0.99),
        "durationP50Ms": near(took, 0.5),
        "durationP95Ms": near(took, 0.95),
    }


def near(values: Iterable[float], part: float) -> Any:
    """Return what a percentile may be: within a quarter of the exact one, or a millisecond."""
    ordered = sorted(values)
    if not ordered:
        return None
    exact = ordered[ceil(len(ordered) * part) - 1]
    return pytest.approx(exact, abs=exact * 0.26 + 1)


async def check(api: Api, since: datetime, bucket: str, tasks: Sequence[Task] | None, **filters: Any) -> None:
    """Check the statistics of each bucket from an instant until now against the runs of the tasks, or of all."""
    length = LENGTHS[StatisticsWidth[bucket]]
    async with AsyncSession(api.engine) as session:
        runs = (await session.scalars(select(Run).where(col(Run.finished_at) >= since))).all()
    ids = None if tasks is None else {task.id for task in tasks}
    by_bucket = defaultdict(list)
    for run in runs:
        if run.finished_at is not None and (ids is None or run.task_id in ids):
            by_bucket[since + (run.finished_at - since) // length * length].append(run)
    found = await shown(api, since, utc_now(), bucket, **filters)
    starts = [instants.parse(each.pop("from")) for each in found]
    assert [instants.parse(each.pop("to")) for each in found] == [start + length for start in starts]
    assert starts == [since + number * length for number in range(len(starts))]
    for start, its in zip(starts, found, strict=True):
        assert its == expected(by_bucket[start]), start
    assert by_bucket.keys() == set(starts)


def random_run(chance: random.Random, task: Task, now: datetime) -> Run:
    """Return a run of the last ten days that ended somehow, and began more or less late, if it began."""
    days = chance.choice((0.01, 0.5, 3, 10))
    due_at = now - DAY * chance.uniform(0.001, days)
    state = chance.choice(OUTCOMES)
    begun = state not in (RunState.SKIPPED, RunState.MISSED)
    run_at = due_at + timedelta(milliseconds=chance.lognormvariate(2, 1)) if begun else None
    duration = round(chance.lognormvariate(4, 1)) if state in (RunState.SUCCEEDED, RunState.FAILED) else None
    finished_at = (run_at or due_at) + timedelta(milliseconds=duration or 0)
    columns = {"due_at": due_at, "run_at": run_at, "duration_ms": duration, "finished_at": finished_at}
    return run_of(task, scheduled_for=due_at, state=state, success=state == RunState.SUCCEEDED, **columns)


async def test_counts_are_those_of_the_runs(api: Api) -> None:
    """Whenever the counting is killed, and whatever was added up, each run counts once, in its bucket, at once."""
    chance = random.Random(17)
    now = utc_now()
    tasks = [
        every(f"http://{host}/", HOUR, now + DAY, tags=tags)
        for host, tags in (("A.example:80", ["x", "y"]), ("b.example:80", ["x"]), ("b.example:8080", []))
    ]
    await save(api.engine, *tasks)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for turn in range(30):
        await end(api.engine, *(random_run(chance, chance.choice(tasks), now) for _ in range(chance.randint(1, 20))))
        counting = [asyncio.create_task(count_ended_runs(api.engine)) for _ in range(2)]
        if turn % 10 == 5:
            counting.append(asyncio.create_task(add_up_old_counts(api.engine, now=now)))
        await asyncio.sleep(chance.uniform(0, 0.02))
        for each in counting:
            each.cancel()
        await asyncio.gather(*counting, return_exceptions=True)
        if turn % 10 == 9:
            await check(api, midnight - 12 * DAY, "DAY", None)
    for counted in (False, True):
        if counted:
            await count_ended_runs(api.engine)
            await add_up_old_counts(api.engine, now=now)
        await check(api, midnight - 11 * DAY, "HOUR", None)
        await check(api, now.replace(second=0, microsecond=0) - 23 * HOUR, "MINUTE", tasks[:1], taskId=str(tasks[0].id))
        await check(api, midnight - 6 * DAY, "HOUR", tasks[:2], tags=["x"])
        await check(api, midnight - 11 * DAY, "DAY", tasks[1:], host="B.example")
        await check(api, midnight - 11 * DAY, "DAY", tasks[:1], host="a.EXAMPLE:80", tags=["x", "y"])
    assert await shown(api, now, now + HOUR, "DAY", tags=["nobody"])
    async with autocommit(api.engine).connect() as connection:
        widths = Counter((await connection.execute(select(col(RunStatistic.width)))).scalars())
        assert widths.keys() == set(StatisticsWidth)
        await connection.execute(text("DELETE FROM tasks"))
        left = {row.task_id for row in await connection.execute(text("SELECT task_id FROM run_statistics"))}
    assert left == {ALL_TASKS}


async def test_statistics_of_a_page_of_tasks(
    api: Api, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Runs that a worker has just made count at once, in one statement for all tasks, and after they are counted."""
    bad = target.responds("/bad", CannedResponse(status=500))
    at = soon()
    tasks = [one_off(f"{target.url}/good", at, name="good"), one_off(bad, at, name="bad", max_attempts=1)]
    await save(api.engine, *tasks, every("http://localhost/", HOUR, at + DAY, name="none"))
    query = f"""query ($from: DateTime) {{
        tasks(orderBy: NAME_ASC) {{ nodes {{ statistics(from: $from) {{ {FIGURES} {PERCENTILES} }} }} }}
    }}"""

    async def both_count(table: str) -> bool:
        async with autocommit(api.engine).connect() as connection:
            return bool((await connection.execute(text(f"SELECT count(*) = 2 FROM {table}"))).scalar_one())

    async with working(database, jobs_settings):
        await wait_until(lambda: both_count("finished_runs"), what="both have ended")
        with statements(api) as seen:
            live = [each["statistics"] for each in (await api.data(query))["tasks"]["nodes"]]
        assert len([statement for statement in seen if "run_statistics" in statement]) == 1
        is_counted = "run_statistics WHERE task_id <> '00000000-0000-0000-0000-000000000000'"
        await wait_until(lambda: both_count(is_counted), what="both are counted")
    again = [each["statistics"] for each in (await api.data(query))["tasks"]["nodes"]]
    assert [[each[name] for name in FIGURES.split()[2:]] for each in live] == [
        [1, 0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0] * 7,
    ]  # fmt: skip
    assert [each["successRatePercent"] for each in live] == [0, 100, None]
    assert [each["durationP95Ms"] is None for each in live] == [False, False, True]
    assert [each | {"to": "", "from": ""} for each in again] == [each | {"to": "", "from": ""} for each in live]
    old = (utc_now() - 20 * DAY).isoformat()
    [widened, *_] = [each["statistics"] for each in (await api.data(query, **{"from": old}))["tasks"]["nodes"]]
    assert widened["from"].endswith("T00:00:00Z")


async def test_what_cannot_be_shown(api: Api) -> None:
    """Too many buckets, an empty time, and buckets that are no longer kept are refused, with what would be right."""
    now = utc_now().astimezone(UTC)

    async def refusal(since: datetime, until: datetime, bucket: str, **filters: Any) -> tuple[str, str]:
        values = {"from": since.isoformat(), "to": until.isoformat(), "bucket": bucket, "filter": filters or None}
        [error] = (await api.ask(QUERY, **values))["errors"]
        return error["extensions"]["code"], error["message"]

    code, message = await refusal(now - 7 * DAY, now, "MINUTE")
    assert code == "LIMIT_EXCEEDED"
    assert "at most 1,500" in message
    assert "HOUR" in message
    assert (await refusal(now, now, "HOUR"))[0] == "INVALID_RANGE"
    for since, bucket, filters, fits in (
        (now - 9 * DAY, "MINUTE", {}, "HOUR"),
        (now - 3 * DAY, "MINUTE", {"host": "a"}, "HOUR"),
        (now - 9 * DAY, "HOUR", {"tags": ["x"]}, "DAY"),
    ):
        code, message = await refusal(since, since + HOUR, bucket, **filters)
        assert code == "INVALID_RANGE"
        assert f"use {fits}" in message
    assert (await refusal(now - HOUR, now, "HOUR", taskId="1"))[0] == "INVALID_ID"


async def test_the_ends_of_the_calendar(api: Api) -> None:
    """A bucket that would end beyond the calendar ends with it."""
    task = one_off("http://127.0.0.1:1/", utc_now())
    await save(api.engine, task)
    first, last, day = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T00:00:00Z"
    found = await api.data(
        """query ($id: ID!, $last: DateTime!, $day: DateTime!) {
            runStatistics(from: $day, to: $last, bucket: DAY) { from to runs }
            task(id: $id) { early: statistics(to: "0001-01-02T00:00:00Z") { from } late: statistics(to: $last) { to } }
        }""",
        id=str(task.id), last=last, day=day,
    )  # fmt: skip
    assert found["runStatistics"] == [{"from": day, "to": last, "runs": 0}]
    assert found["task"] == {"early": {"from": first}, "late": {"to": last}}


async def test_counting_reads_its_own_rows_alone(database: DatabaseSettings) -> None:
    """A worker plans the statement once, and finds each row by its key, although many are about the same minute."""
    now = utc_now()
    tasks = [every("http://localhost/", HOUR, now + DAY) for _ in range(200)]
    worker = open_engine(database.url(), pool_size=1, application_name="duetime worker", plans_once=True)
    read = text("""
    SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
    WHERE relname = 'run_statistics'
    """)
    async with opened(database) as engine:
        await save(engine, *tasks)
        for second in range(3):
            at = now.replace(second=second, microsecond=0)
            await end(engine, *(run_of(task, scheduled_for=at) for task in tasks))
            async with worker.begin() as connection:
                await count_some(connection, limit=1_000)
                rows = (await connection.execute(read)).scalar_one()
            assert rows <= 3 * len(tasks)
    await worker.dispose()
