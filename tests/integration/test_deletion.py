"""Deleted tasks: their calls are aborted at once, and their rows are removed in small steps."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.maintenance import deletion
from db.models import Run, Task, utc_now
from db.settings import DatabaseSettings
from db.states import OverlapPolicy, RunState
from jobs.maintenance.deletion import REMOVED_PER_STATEMENT
from jobs.settings import JobsSettings
from jobs.tasks import changes, runs
from jobs.tasks.transaction import Transaction
from tests.support.engine import every, one_off, opened, runs_of, save, soon, task_of, working
from tests.support.history import HOUR, ago, run_of
from tests.support.interleaving import change, every_run
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)

NOTE = """
CREATE TRIGGER note AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_removal()
"""
NOTE_REMOVALS = (
    "CREATE TABLE removals (of text, number int, transaction bigint DEFAULT txid_current())",
    """
    CREATE FUNCTION note_removal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO removals (of, number) SELECT TG_TABLE_NAME, count(*) FROM gone HAVING count(*) > 0;
        RETURN NULL;
    END $$
    """,
    NOTE.format(table="task_results"),
    NOTE.format(table="tasks"),
)


async def delete(work: Transaction, task_id: UUID) -> None:
    """Delete the task and its runs."""
    await changes.delete_task(work, task_id, now=utc_now())


async def run_now(work: Transaction, task_id: UUID) -> Run:
    """Request a run."""
    return await runs.run_task(work, task_id, now=utc_now())


async def cancel_run(work: Transaction, run_id: UUID) -> Run:
    """Cancel the run."""
    return await runs.cancel_run(work, run_id, now=utc_now())


async def test_history_goes_in_small_transactions_and_its_task_last(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A removal never holds its locks for long, and other tasks keep all of their history."""
    gone, kept = every("http://localhost/", HOUR, utc_now() + HOUR), every("http://localhost/", HOUR, utc_now() + HOUR)
    number = 2 * REMOVED_PER_STATEMENT + 7
    async with opened(database) as engine:
        async with engine.begin() as connection:
            for statement in NOTE_REMOVALS:
                await connection.execute(text(statement))
        await save(engine, gone, kept)
        # All within the retention, which would remove older runs by whole days.
        minute = timedelta(minutes=1)
        await save(engine, *(run_of(gone, scheduled_for=ago(1) - place * minute) for place in range(number)))
        await save(engine, run_of(kept, scheduled_for=ago(1)))
        await change(engine, delete, gone.id)
        async with working(database, jobs_settings):
            await wait_until(lambda: is_gone(engine, gone), what="the deleted task's row is removed")
        async with engine.connect() as connection:
            removed = (await connection.execute(text("SELECT of, number, transaction FROM removals"))).all()
        assert len({row.transaction for row in removed}) == len(removed)
        by_transaction = sorted(removed, key=lambda row: row.transaction)
        assert [row.of for row in by_transaction] == ["task_results"] * 3 + ["tasks"]
        assert [row.number for row in by_transaction] == [REMOVED_PER_STATEMENT, REMOVED_PER_STATEMENT, 7, 1]
        assert len(await every_run(engine, kept.id)) == 1


async def is_gone(engine: AsyncEngine, task: Task) -> bool:
    """Return whether the task has no row any more."""
    async with AsyncSession(engine) as session:
        return await session.get(Task, task.id) is None


async def test_task_with_runs_is_not_removed(database: DatabaseSettings) -> None:
    """Removing a task together with its history would hold locks for long, so it waits until the history is gone."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    async with opened(database) as engine:
        await save(engine, task)
        await save(engine, run_of(task, scheduled_for=ago(1)), run_of(task, scheduled_for=ago(2)))
        await change(engine, delete, task.id)
        removed = []
        for _ in range(3):
            async with engine.begin() as connection:
                tasks_removed = await deletion.remove_tasks(connection, limit=10)
                removed.append((tasks_removed, await deletion.remove_runs(connection, limit=1)))
    assert removed == [(0, 1), (0, 1), (1, 0)]


async def test_calls_are_broken_off(database: DatabaseSettings, jobs_settings: JobsSettings, target: Target) -> None:
    """The calls of a deleted task and of a cancelled run are aborted, which frees their slots; waiting runs start."""
    url = target.responds(
        "/slow",
        CannedResponse(delay=timedelta(minutes=5)),
        CannedResponse(delay=timedelta(minutes=5)),
        CannedResponse(),
    )
    async with opened(database) as engine, working(database, jobs_settings):
        deleted, queueing = one_off(url, soon()), one_off(url, soon(), overlap=OverlapPolicy.QUEUE)
        await save(engine, deleted, queueing)
        await wait_until(lambda: len(target.calls) == 2, what="both are on their way")
        behind = await change(engine, run_now, queueing.id)
        assert (behind.state, behind.next_attempt_at) == (RunState.QUEUED, None)
        [running] = [run for run in await every_run(engine, queueing.id) if run.id != behind.id]
        await change(engine, delete, deleted.id)
        await change(engine, cancel_run, running.id)
        await wait_until(lambda: len(target.calls) == 3, what="the run that was queued behind is on its way")
        done = await wait_until(lambda: runs_of(engine, queueing.id, at_least=2), what="both runs are finished")
        assert {run.id: run.state for run in done} == {running.id: RunState.CANCELLED, behind.id: RunState.SUCCEEDED}
        assert (await task_of(engine, queueing.id)).status == "completed"
        await wait_until(lambda: is_gone(engine, deleted), what="the deleted task's row is removed")
        await wait_until(lambda: target.aborted == 2, what="the target saw both connections end")
