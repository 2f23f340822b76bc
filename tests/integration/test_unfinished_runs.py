"""A run lies in one of two tables: among the unfinished ones, or in the history, whose rows are only added."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import UNFINISHED, RunState, TaskStatus
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, runs_of, save, soon, task_of, working
from tests.support.history import HOUR, run_of
from tests.support.interleaving import every_run
from tests.support.target import Target
from tests.support.waiting import wait_until


async def count(engine: AsyncEngine, table: str) -> int:
    """Return the number of rows of a table."""
    async with engine.connect() as connection:
        number: int = (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
    return number


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.RETRYING], ids=["finished", "unfinished"])
async def test_an_instant_that_has_a_run_gets_no_second_one(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target, state: RunState
) -> None:
    """A task whose row was restored from a backup is due again at an instant that has run; it goes on with the next."""
    at = soon()
    task = every(f"{target.url}/restored", HOUR, at)
    await save(engine, task)
    next_attempt_at = at + HOUR if state in UNFINISHED else None
    await save(engine, run_of(task, scheduled_for=at, state=state, next_attempt_at=next_attempt_at))

    async def has_moved_on() -> bool:
        return (await task_of(engine, task.id)).next_run == at + HOUR

    async with working(database, jobs_settings):
        await wait_until(has_moved_on, what="the instant is settled")
    assert not target.calls
    [run] = await every_run(engine, task.id)
    assert run.state == state


async def test_the_end_of_a_run_moves_its_row(
    database: DatabaseSettings, jobs_settings: JobsSettings, engine: AsyncEngine, target: Target
) -> None:
    """After the last of many runs has ended, nothing is left among the unfinished ones."""
    tasks = [one_off(f"{target.url}/{number}", soon()) for number in range(30)]
    await save(engine, *tasks)

    async def are_completed() -> bool:
        return all([(await task_of(engine, task.id)).status == TaskStatus.COMPLETED for task in tasks])

    async with working(database, jobs_settings):
        await wait_until(are_completed, what="all tasks are completed")
    assert (await count(engine, "unfinished_runs"), await count(engine, "finished_runs")) == (0, len(tasks))


@pytest.mark.parametrize(("table", "state"), [("unfinished_runs", "succeeded"), ("finished_runs", "running")])
async def test_neither_table_takes_a_row_of_the_other(engine: AsyncEngine, table: str, state: str) -> None:
    """Nothing unfinished can be dropped with a day of the history, whatever a statement tries."""
    task = one_off("http://localhost/", utc_now())
    await save(engine, task)
    run = run_of(task, scheduled_for=utc_now(), state=RunState(state))
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(
                text(f"""
                INSERT INTO {table} (id, task_id, state, scheduled_for, due_at, worker_id, finished_at)
                VALUES (:id, :task_id, :state, :scheduled_for, :due_at, :worker_id, :finished_at)
                """),
                {
                    name: getattr(run, name)
                    for name in ("id", "task_id", "state", "scheduled_for", "due_at", "worker_id", "finished_at")
                },
            )


async def test_a_task_takes_its_history_with_it(engine: AsyncEngine) -> None:
    """Removing a task's row in SQL leaves no runs without a task, and touches no other run."""
    gone, kept = (one_off("http://localhost/", utc_now() + HOUR) for _ in range(2))
    await save(engine, gone, kept)
    for task in (gone, kept):
        await save(engine, *(run_of(task, scheduled_for=utc_now() - timedelta(days=day)) for day in range(3)))
    await save(engine, run_of(gone, scheduled_for=utc_now(), state=RunState.RETRYING))
    async with engine.begin() as connection:
        await connection.execute(delete(Task).where(col(Task.id) == gone.id))
    assert (await count(engine, "task_results"), len(await runs_of(engine, kept.id))) == (3, 3)
