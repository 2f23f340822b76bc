"""Races between changes and claims or finishes: two transactions, interleaved by hand in either order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Run, Task, utc_now
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from jobs.errors import Conflict, ConflictReason, NotFound
from jobs.http.request import ActionDraft
from jobs.tasks import changes, creation, runs
from jobs.tasks.draft import TaskDraft, TaskUpdate
from jobs.tasks.transaction import Transaction
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Interval
from tests.support.engine import events_of, every, one_off, runs_of, save, task_of
from tests.support.history import HOUR, run_of
from tests.support.interleaving import (
    Change,
    behind,
    change,
    changing,
    claim_all,
    claiming,
    claiming_waiting,
    every_run,
    finishing,
    run_row,
)

OLD, NEW = "http://localhost/old", "http://localhost/new"
SECOND = timedelta(seconds=1)


async def update(work: Transaction, task_id: UUID) -> Task:
    """Update the URL."""
    return await changes.update_task(work, task_id, TaskUpdate(action={"url": NEW}), now=utc_now())


async def pause(work: Transaction, task_id: UUID) -> Task:
    """Pause the task."""
    return await changes.pause_task(work, task_id, now=utc_now())


async def cancel(work: Transaction, task_id: UUID) -> Task:
    """Cancel the task."""
    return await changes.cancel_task(work, task_id, now=utc_now())


async def delete(work: Transaction, task_id: UUID) -> None:
    """Delete the task."""
    await changes.delete_task(work, task_id, now=utc_now())


async def run_now(work: Transaction, task_id: UUID) -> Run:
    """Request a run."""
    return await runs.run_task(work, task_id, now=utc_now())


CHANGES = [update, pause, cancel, delete, run_now]


async def due_task(engine: AsyncEngine, **columns: Any) -> Task:
    """Return an hourly task that has been due for a second."""
    task = every(OLD, HOUR, (utc_now() - SECOND).replace(microsecond=0), **columns)
    await save(engine, task)
    return task


@pytest.mark.parametrize("how", CHANGES)
async def test_change_waits_for_the_claim_and_leaves_its_run(engine: AsyncEngine, how: Change) -> None:
    """A run that was claimed before a change continues with its old definition; only a deletion aborts it."""
    task = await due_task(engine)
    first = claiming(engine)
    made = await behind(engine, first, change(engine, how, task.id))
    [run_id] = [run.id for run in await every_run(engine, task.id) if run.scheduled_for == task.next_run]
    run = await run_row(engine, run_id)
    after = await task_of(engine, task.id)
    assert run.task_version == 1
    assert run.state == (RunState.CANCELLED if how is delete else RunState.RUNNING)
    assert task.next_run is not None
    expected = {
        update: (TaskStatus.SCHEDULED, task.next_run + HOUR, None, 2),
        pause: (TaskStatus.PAUSED, None, task.next_run + HOUR, 2),
        cancel: (TaskStatus.CANCELLED, None, None, 2),
        delete: (TaskStatus.CANCELLED, None, None, 2),
        run_now: (TaskStatus.SCHEDULED, task.next_run + HOUR, None, 1),
    }
    assert (after.status, after.next_run, after.resume_from, after.version) == expected[how]  # type: ignore[index]
    if how is run_now:
        # The claimed run is unfinished, and the task's overlap policy is SKIP.
        assert made.state == RunState.SKIPPED


@pytest.mark.parametrize("how", CHANGES)
async def test_claim_leaves_out_what_is_being_changed_and_then_sees_the_change(
    engine: AsyncEngine, how: Change
) -> None:
    """No run that is claimed after a change was acknowledged has the old definition."""
    task = await due_task(engine)
    async with changing(engine) as work:
        await how(work, task.id)
        assert await claim_all(engine) == []
    claimed = [(attempt.action.url, attempt.number) for attempt in await claim_all(engine)]
    states = sorted(run.state for run in await every_run(engine, task.id))
    expected = {
        update: ([(NEW, 1)], ["running"]),
        pause: ([], []),
        cancel: ([], ["missed"]),
        delete: ([], []),
        # The run that was asked for came first, so that the one for the instant is skipped.
        run_now: ([(OLD, 1)], ["running", "skipped"]),
    }
    assert (claimed, states) == expected[how]  # type: ignore[index]


async def test_retries_carry_out_the_definition_of_their_claim(engine: AsyncEngine) -> None:
    """A run that waits for its next attempt while its task is changed sends the old request again."""
    task = await due_task(engine, overlap=OverlapPolicy.ALLOW)
    assert task.next_run is not None
    retrying = run_of(
        task, scheduled_for=task.next_run - HOUR, state=RunState.RETRYING, next_attempt_at=utc_now() - SECOND
    )
    await save(engine, retrying)
    await change(engine, update, task.id)
    assert sorted((a.action.url, a.number) for a in await claim_all(engine)) == [(NEW, 1), (OLD, 2)]


@pytest.mark.parametrize(("how", "state"), [(cancel, RunState.RUNNING), (delete, RunState.CANCELLED)])
async def test_change_that_waits_for_the_claim_of_a_retry(engine: AsyncEngine, how: Change, state: RunState) -> None:
    """The retry is running by then: cancelTask lets it finish, and deleteTask aborts it."""
    task, retrying = await retrying_task(engine)
    await behind(engine, claiming_waiting(engine), change(engine, how, task.id))
    assert (await run_row(engine, retrying.id)).state == state


@pytest.mark.parametrize("how", [cancel, delete])
async def test_retry_is_not_claimed_once_it_is_being_cancelled(engine: AsyncEngine, how: Change) -> None:
    """A retry is claimed neither before its cancellation is committed nor after."""
    task, retrying = await retrying_task(engine)
    async with changing(engine) as work:
        await how(work, task.id)
        assert await claim_all(engine) == []
    assert await claim_all(engine) == []
    assert (await run_row(engine, retrying.id)).state == RunState.CANCELLED
    assert await events_of(engine, retrying.id) == ["cancelled"]


async def retrying_task(engine: AsyncEngine) -> tuple[Task, Run]:
    """Return a task whose run is due for another attempt."""
    task = every(OLD, HOUR, utc_now() + HOUR)
    run = run_of(task, scheduled_for=utc_now() - HOUR, state=RunState.RETRYING, next_attempt_at=utc_now() - SECOND)
    await save(engine, task)
    await save(engine, run)
    return task, run


async def cancel_run(work: Transaction, run_id: UUID) -> Run:
    """Cancel the run."""
    return await runs.cancel_run(work, run_id, now=utc_now())


async def test_cancel_of_a_run_that_is_being_finished(engine: AsyncEngine) -> None:
    """The first to commit decides: here the run has ended by itself, and the conflict shows it in that state."""
    await due_task(engine)
    [attempt] = await claim_all(engine)
    with pytest.raises(Conflict) as refused:
        await behind(engine, finishing(engine, attempt), change(engine, cancel_run, attempt.run_id))
    assert refused.value.run is not None
    assert refused.value.run.state == RunState.SUCCEEDED
    assert await events_of(engine, attempt.run_id) == ["started", "succeeded"]


@pytest.mark.parametrize("how", [cancel_run, delete])
async def test_finish_of_a_run_that_is_being_cancelled(engine: AsyncEngine, how: Change) -> None:
    """The first to commit decides: here the late outcome is refused, and leaves no event."""
    task = await due_task(engine)
    [attempt] = await claim_all(engine)

    @asynccontextmanager
    async def cancelling() -> AsyncIterator[None]:
        async with changing(engine) as work:
            await how(work, attempt.run_id if how is cancel_run else task.id)
            yield

    async def write() -> None:
        async with finishing(engine, attempt):
            pass

    await behind(engine, cancelling(), write())
    run = await run_row(engine, attempt.run_id)
    assert (run.state, run.epoch, run.status_code) == (RunState.CANCELLED, 2, None)
    assert await events_of(engine, attempt.run_id) == ["started", "cancelled"]


async def test_one_off_is_completed_by_whichever_end_its_run_has(engine: AsyncEngine) -> None:
    """Any end of its run completes a one-off, also a cancellation that waited for the claim."""
    task = one_off(OLD, utc_now() - SECOND)
    await save(engine, task)
    async with claiming(engine) as claimed:
        [attempt] = claimed.attempts
    await change(engine, cancel_run, attempt.run_id)
    assert (await task_of(engine, task.id)).status == TaskStatus.COMPLETED


async def test_run_that_was_asked_for_while_the_earlier_one_is_finished(engine: AsyncEngine) -> None:
    """With QUEUE, the requested run is due at once or is promoted by the finish; it never waits forever."""
    for finish_first in (True, False):
        task = await due_task(engine, overlap=OverlapPolicy.QUEUE)
        [attempt] = [a for a in await claim_all(engine) if a.task_id == task.id]
        if finish_first:
            made = await behind(engine, finishing(engine, attempt), change(engine, run_now, task.id))
        else:
            made = await change(engine, run_now, task.id)
            assert made.next_attempt_at is None
            async with finishing(engine, attempt):
                pass
        assert (await run_row(engine, made.id)).next_attempt_at is not None


async def test_updates_that_expect_the_same_version(engine: AsyncEngine) -> None:
    """Of two updates that expect the same version, only the first succeeds."""
    task = await due_task(engine)

    async def expecting(work: Transaction, task_id: UUID) -> Task:
        return await changes.update_task(work, task_id, TaskUpdate(name="n"), now=utc_now(), expected_version=1)

    @asynccontextmanager
    async def first() -> AsyncIterator[None]:
        async with changing(engine) as work:
            await expecting(work, task.id)
            yield

    with pytest.raises(Conflict) as refused:
        await behind(engine, first(), change(engine, expecting, task.id))
    assert (refused.value.reason, refused.value.task and refused.value.task.version) == (
        ConflictReason.STALE_VERSION,
        2,
    )


async def test_change_of_a_task_that_is_being_deleted(engine: AsyncEngine) -> None:
    """A task is not found once its deletion is committed."""
    task = await due_task(engine)

    @asynccontextmanager
    async def deleting() -> AsyncIterator[None]:
        async with changing(engine) as work:
            await delete(work, task.id)
            yield

    with pytest.raises(NotFound):
        await behind(engine, deleting(), change(engine, update, task.id))


async def test_same_key_at_the_same_time(engine: AsyncEngine) -> None:
    """Two concurrent calls with the same key create one task or run, and both return it."""
    draft = TaskDraft(name="n", trigger=Interval(every_ms=60_000), action=ActionDraft(url=OLD))

    async def create(work: Transaction, _: UUID) -> Task:
        return await creation.create_task(work, draft, now=utc_now(), key="k")

    async def run_once(work: Transaction, task_id: UUID) -> Run:
        return await runs.run_task(work, task_id, now=utc_now(), key="k")

    nothing, made = uuid4(), []

    @asynccontextmanager
    async def first(how: Change, sought: UUID) -> AsyncIterator[None]:
        async with changing(engine) as work:
            made.append((await how(work, sought)).id)
            yield

    made.append((await behind(engine, first(create, nothing), change(engine, create, nothing))).id)
    task_id = made[0]
    made.append((await behind(engine, first(run_once, task_id), change(engine, run_once, task_id))).id)
    assert made[0] == made[1]
    assert made[2] == made[3]
    assert len(await every_run(engine, task_id)) == 1


async def test_what_was_missed_while_paused_is_settled_as_the_resumption_says(engine: AsyncEngine) -> None:
    """The next claim settles what was missed, once; the task's own policy stays."""
    since = (utc_now() - 2 * HOUR).replace(microsecond=0) - timedelta(minutes=1)
    outcomes: dict[MisfirePolicy, list[tuple[RunState, datetime, int]]] = {}
    for missed in MisfirePolicy:
        task = every(OLD, HOUR, since)
        await save(engine, task)
        await change(engine, pause, task.id)
        assert await claim_all(engine) == []

        async def resume(work: Transaction, task_id: UUID, missed: MisfirePolicy = missed) -> Task:
            return await changes.resume_task(work, task_id, now=utc_now(), missed=missed)

        await change(engine, resume, task.id)
        while attempts := await claim_all(engine):
            for attempt in attempts:
                async with finishing(engine, attempt):
                    pass
        outcomes[missed] = [(run.state, run.scheduled_for, run.missed_count) for run in await runs_of(engine, task.id)]
        after = await task_of(engine, task.id)
        assert (after.next_run, after.misfire, after.misfire_once) == (since + 3 * HOUR, MisfirePolicy.LATEST, None)
    newest = since + 2 * HOUR
    assert outcomes == {
        MisfirePolicy.LATEST: [(RunState.SUCCEEDED, newest, 2)],
        MisfirePolicy.SKIP: [(RunState.MISSED, newest, 2)],
        MisfirePolicy.ALL: [(RunState.SUCCEEDED, since + n * HOUR, 0) for n in range(3)],
    }


async def test_pause_amid_catching_up(engine: AsyncEngine) -> None:
    """ALL runs one instant after another, also if the task is paused and resumed during one of the runs."""
    since = (utc_now() - 2 * HOUR).replace(microsecond=0) - timedelta(minutes=1)
    task = every(OLD, HOUR, since, misfire=MisfirePolicy.ALL)
    await save(engine, task)

    async def resume(work: Transaction, task_id: UUID) -> Task:
        return await changes.resume_task(work, task_id, now=utc_now())

    [attempt] = await claim_all(engine)
    await change(engine, pause, task.id)
    await change(engine, resume, task.id)
    assert await claim_all(engine) == []
    async with finishing(engine, attempt):
        pass
    [following] = await claim_all(engine)
    assert (attempt.scheduled_for, following.scheduled_for) == (since, since + HOUR)


async def test_one_off_with_a_new_trigger_is_not_completed_by_its_old_run(engine: AsyncEngine) -> None:
    """The old run does not complete a one-off with a new trigger, even while the task catches up with new instants."""
    task = one_off(OLD, utc_now() - SECOND, overlap=OverlapPolicy.ALLOW, misfire=MisfirePolicy.ALL)
    await save(engine, task)
    [attempt] = await claim_all(engine)

    async def reschedule(work: Transaction, task_id: UUID) -> Task:
        members = {"every_ms": 3_600_000, "start_at": utc_now() - 3 * HOUR}
        trigger = TriggerUpdate(kind=Interval, members=members)
        return await changes.update_task(work, task_id, TaskUpdate(trigger=trigger), now=utc_now() - 3 * HOUR)

    await change(engine, reschedule, task.id)
    [catching_up] = await claim_all(engine)
    for each in (attempt, catching_up):
        async with finishing(engine, each):
            pass
        after = await task_of(engine, task.id)
        assert (after.status, after.next_run is None) == (TaskStatus.SCHEDULED, False)
    assert after.due_at is not None


async def test_cancellation_waits_for_the_end_of_a_run_behind_which_instants_wait(engine: AsyncEngine) -> None:
    """The end makes the next instant due after the moment of the request; what was due then is recorded as missed."""
    requested_at = utc_now() - 2 * SECOND
    task = every("http://localhost/", SECOND, requested_at - 10 * SECOND, misfire=MisfirePolicy.ALL)
    task.due_at = requested_at + SECOND
    await save(engine, task)
    async with changing(engine) as work:
        await changes.cancel_task(work, task.id, now=requested_at)
    [missed] = await every_run(engine, task.id)
    assert (missed.state, missed.missed_since) == (RunState.MISSED, task.next_run)
    assert missed.scheduled_for >= requested_at - SECOND
