"""Outcomes are written in batches, and no outcome can spoil its batch."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from db.engine.finishes import Finish
from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import BodyEncoding, RunState, TaskStatus
from jobs.clock import Clock
from jobs.engine.writer import ResultWriter
from tests.support.engine import one_off, opened, runs_of, save, task_of
from tests.support.history import run_of

WORKER = uuid4()


def running(task: Task) -> Finish:
    """Return the success of the task's running attempt."""
    run = run_of(task, scheduled_for=task.due_at or utc_now())
    return Finish(
        run_id=run.id,
        task_id=task.id,
        epoch=1,
        one_off=True,
        releases=False,
        state=RunState.SUCCEEDED,
        started_at=utc_now(),
        ended_at=utc_now() + timedelta(milliseconds=3),
        next_attempt_at=None,
        duration_ms=3,
        status_code=200,
        response_headers='[["a", "b"]]',
        response_body="fine",
        body_encoding=BodyEncoding.UTF8,
        body_truncated=False,
        error_message=None,
    )


async def write(database: DatabaseSettings, finishes: Sequence[Finish], tasks: Sequence[Task]) -> list[UUID]:
    """Let a writer write the finishes, and return those that it reports as written, in order."""
    written: list[UUID] = []
    async with opened(database) as engine:
        for task in tasks:
            await save(engine, task)
            running_run = run_of(
                task,
                scheduled_for=task.trigger_time or utc_now(),
                state=RunState.RUNNING,
                worker_id=WORKER,
                epoch=1,
            )
            await save(engine, running_run)
        done = asyncio.Event()

        def on_written(batch: Sequence[Finish]) -> None:
            written.extend(finish.run_id for finish in batch)
            if len(written) == len(finishes):
                done.set()

        writer = ResultWriter(
            engine=engine,
            clock=Clock(),
            worker_id=WORKER,
            on_written=on_written,
            on_promoted=lambda: None,
            on_paused=lambda _: None,
        )
        working = asyncio.create_task(writer.run())
        for finish in finishes:
            writer.add(finish)
        async with asyncio.timeout(10):
            await done.wait()
        working.cancel()
        await asyncio.wait([working])
    return written


def due(number: int) -> list[Task]:
    """Return one-off tasks whose runs have started, so nothing more is due."""
    at = utc_now()
    return [
        one_off("http://127.0.0.1:1/", at, next_run=None, due_at=None, trigger_time=at + timedelta(milliseconds=n))
        for n in range(number)
    ]


def finish_of(task: Task) -> Finish:
    """Return the outcome of the run of a task of `due`."""
    assert task.trigger_time is not None
    run = run_of(task, scheduled_for=task.trigger_time)
    return running(task)._replace(run_id=run.id)


async def test_one_result_that_cannot_be_stored_spoils_no_other(database: DatabaseSettings) -> None:
    """Only this run is FAILED, with the reason. Its task is completed like the others."""
    tasks = due(120)
    finishes = [finish_of(task) for task in tasks]
    finishes[33] = finishes[33]._replace(response_body="half of a pair: \ud800")
    finishes[77] = finishes[77]._replace(response_headers="no JSON")
    assert await write(database, finishes, tasks) == [finish.run_id for finish in finishes]
    async with opened(database) as engine:
        for number, task in enumerate(tasks):
            [run] = await runs_of(engine, task.id)
            assert (await task_of(engine, task.id)).status == TaskStatus.COMPLETED
            if number in {33, 77}:
                assert (run.state, run.response_body) == (RunState.FAILED, None)
                assert run.error_message == "the response contains data that cannot be stored"
            else:
                assert (run.state, run.response_body) == (RunState.SUCCEEDED, "fine")


async def test_a_late_result_of_a_rescued_run_is_refused(database: DatabaseSettings) -> None:
    """Its claim has an old epoch, so the run and its task stay as they are now."""
    [task] = tasks = due(1)
    late = finish_of(task)._replace(epoch=0)
    await write(database, [late], tasks)
    async with opened(database) as engine:
        assert await runs_of(engine, task.id) == []
        assert (await task_of(engine, task.id)).status == TaskStatus.SCHEDULED


async def test_a_batch_that_is_written_twice_counts_once(database: DatabaseSettings) -> None:
    """This happens when the response to a commit is lost."""
    [task] = tasks = due(1)
    await write(database, [finish_of(task), finish_of(task)], tasks)
    async with opened(database) as engine, engine.connect() as connection:
        [run] = await runs_of(engine, task.id)
        assert len(run.attempts) == 1
        events = await connection.exec_driver_sql("SELECT count(*) FROM run_events")
        assert events.scalar_one() == 1
