"""The first promise of the ledger: what the target received and what the runs say agree, for any schedules."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import MisfirePolicy, RunState
from jobs.settings import LOOPBACK, JobsSettings
from jobs.triggers import schedule
from jobs.triggers.columns import trigger_of
from tests.support.engine import every, one_off, opened, runs_of, save, working
from tests.support.servers import Servers
from tests.support.target import running_target
from tests.support.waiting import wait_until

MILLISECOND = timedelta(milliseconds=1)
AHEAD = timedelta(seconds=1)
LASTS = timedelta(seconds=3)

ONE_OFFS = st.lists(st.integers(0, 2_999), max_size=40)
INTERVALS = st.lists(
    st.tuples(st.integers(1_000, 3_000), st.integers(0, 1_500), st.integers(0, 900)), min_size=1, max_size=10
)


def tasks_of(url: str, start: datetime, one_offs: list[int], intervals: list[tuple[int, int, int]]) -> list[Task]:
    """Return one-offs at milliseconds after `start`, and intervals of (period, first, jitter) that end with it."""
    end_at = start + LASTS
    tasks = [one_off(f"{url}/{n}", start + at * MILLISECOND) for n, at in enumerate(one_offs)]
    for n, (period, first, jitter) in enumerate(intervals, start=len(tasks)):
        begin = start + first * MILLISECOND
        # A stall of the machine that lasts a period must not merge instants.
        policy = {"jitter_ms": jitter, "misfire": MisfirePolicy.ALL}
        task = every(f"{url}/{n}", period * MILLISECOND, begin, end_at=end_at, **policy)
        task.due_at = schedule.due_at(trigger_of(task), begin, task_id=task.id)
        tasks.append(task)
    return tasks


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one_offs=ONE_OFFS, intervals=INTERVALS)
def test_the_targets_log_and_the_runs_agree(
    servers: Servers, one_offs: list[int], intervals: list[tuple[int, int, int]]
) -> None:
    """With two workers and random schedules, each instant has one run, each run has one call, and no call is early."""
    with servers.database() as database, servers.redis_database() as redis_url:
        asyncio.run(
            agree(
                database,
                JobsSettings.model_construct(redis_url=redis_url, targets_allowed=LOOPBACK),
                one_offs,
                intervals,
            )
        )


async def agree(
    database: DatabaseSettings, jobs: JobsSettings, one_offs: list[int], intervals: list[tuple[int, int, int]]
) -> None:
    """Run one example."""
    async with opened(database) as engine, running_target() as target:
        async with working(database, jobs), working(database, jobs):
            start = utc_now() + AHEAD
            tasks = tasks_of(target.url, start, one_offs, intervals)
            await save(engine, *tasks)
            instants = {task.id: schedule.instants(trigger_of(task), start - MILLISECOND, count=10) for task in tasks}
            runs = {}
            for task_id, due in instants.items():
                runs[task_id] = await wait_until(
                    lambda task_id=task_id, due=due: runs_of(engine, task_id, at_least=len(due)),  # type: ignore[misc]
                    what="every instant has a finished run",
                    within=LASTS.total_seconds() + 10,
                )
        keys = Counter(call.headers["idempotency-key"] for call in target.calls)
        arrived = {call.headers["idempotency-key"]: call.at for call in target.calls}
        for task_id, due in instants.items():
            accounted = [run.scheduled_for for run in runs[task_id]]
            assert accounted == due
            assert all(run.state == RunState.SUCCEEDED and not run.missed_count for run in runs[task_id])
            assert all(arrived[str(run.id)] >= run.due_at for run in runs[task_id])
        assert keys == Counter(str(run.id) for found in runs.values() for run in found)
