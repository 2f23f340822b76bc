"""Tasks that pause themselves after runs that failed one after another, and the note of a pause."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, opened, runs_of, save, soon, task_of, working
from tests.support.graphql import Api, serving
from tests.support.rest import TASKS
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SHOWN = "status version pauseAfterFailures pausedAt pausedBy pauseReason nextRunAt"
TASK = f"query ($id: ID!) {{ task(id: $id) {{ {SHOWN} }} }}"
PAUSE = f"""mutation ($id: ID!, $reason: String) {{
    pauseTask(id: $id, reason: $reason) {{ ... on Task {{ {SHOWN} }} ... on Conflict {{ message }} }}
}}"""
RESUME = f"mutation ($id: ID!) {{ resumeTask(id: $id) {{ ... on Task {{ {SHOWN} }} }} }}"
UPDATE = f"""mutation ($id: ID!, $input: UpdateTaskInput!) {{
    updateTask(id: $id, input: $input) {{ ... on Task {{ {SHOWN} }} ... on InvalidInput {{ message }} }}
}}"""
AUDIT = """query ($id: ID!) {
    auditLog(filter: {taskId: $id}) { nodes { keyName action runId before after } }
}"""
FAILS, SUCCEEDS = CannedResponse(status=500), CannedResponse()
SECOND = timedelta(seconds=1)


async def paused(api: Api, task_id: UUID) -> dict[str, Any]:
    """Return the task once it is paused."""

    async def found() -> dict[str, Any] | None:
        seen: dict[str, Any] = (await api.data(TASK, id=str(task_id)))["task"]
        return seen if seen["status"] == "PAUSED" else None

    task: dict[str, Any] | None = await wait_until(found, what="the task is paused")
    assert task is not None
    return task


@pytest.mark.parametrize("misfire", [MisfirePolicy.LATEST, MisfirePolicy.ALL])
async def test_the_last_failure_pauses_before_the_next_instant(
    misfire: MisfirePolicy, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """At an interval of a second, exactly as many calls are made as may fail; the note and the audit log say why."""
    url = target.responds("/fails", FAILS)
    async with serving(database, jobs_settings) as api, opened(database) as engine:
        [task_id] = await save(
            engine, every(url, SECOND, soon(), max_attempts=1, pause_after_failures=3, misfire=misfire)
        )
        async with working(database, jobs_settings):
            task = await paused(api, task_id)
            seen = utc_now()
            assert (task["pausedBy"], task["pauseReason"]) == ("duetime", "3 runs failed one after another")
            assert (task["nextRunAt"], task["version"], task["pauseAfterFailures"]) == (None, 2, 3)
            assert task["pausedAt"] is not None
            # Another task is called at the instant at which this one would have been.
            [witness] = await save(engine, one_off(target.responds("/", SUCCEEDS), seen + 1.5 * SECOND))
            await wait_until(lambda: runs_of(engine, witness), what="the witness has run")
            runs = await runs_of(engine, task_id)
        [entry] = (await api.data(AUDIT, id=str(task_id)))["auditLog"]["nodes"]
    assert [run.state for run in runs] == [RunState.FAILED] * 3
    assert len(target.calls_of("/fails")) == 3
    assert (entry["keyName"], entry["action"], entry["runId"]) == ("duetime", "pauseTask", str(runs[-1].id))
    assert entry["before"] == {"status": "scheduled", "version": 1}
    assert entry["after"] == {"status": "paused", "version": 2, "pause_reason": "3 runs failed one after another"}


async def test_a_success_begins_a_new_count_and_so_does_resuming(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Failures count only one after another, a run with retries counts once, and resuming clears note and count."""
    url = target.responds("/turns", FAILS, FAILS, SUCCEEDS, FAILS)
    async with serving(database, jobs_settings) as api, opened(database) as engine:
        [task_id] = await save(
            engine,
            every(url, 0.3 * SECOND, soon(), max_attempts=2, pause_after_failures=2, overlap=OverlapPolicy.SKIP),
        )
        async with working(database, jobs_settings):
            await paused(api, task_id)
            states = [run.state for run in await runs_of(engine, task_id) if run.attempt]
            assert states == [RunState.FAILED, RunState.SUCCEEDED, RunState.FAILED, RunState.FAILED]
            before = len(states)
            resumed = (await api.data(RESUME, id=str(task_id)))["resumeTask"]
            assert [resumed[name] for name in ("pausedAt", "pausedBy", "pauseReason")] == [None] * 3
            await paused(api, task_id)
            after = [run for run in await runs_of(engine, task_id) if run.attempt]
    assert len(after) == before + 2


async def test_many_runs_at_once_pause_once(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Runs that fail together in one batch pause their task once, and a run in progress ends as usual."""
    url = target.responds("/fails", CannedResponse(status=500, delay=1.5 * SECOND))
    async with opened(database) as engine:
        [task_id] = await save(
            engine,
            every(url, 0.3 * SECOND, soon(), max_attempts=1, pause_after_failures=2, overlap=OverlapPolicy.ALLOW),
        )
        async with working(database, jobs_settings):

            async def all_ended() -> bool:
                task, runs = await task_of(engine, task_id), await runs_of(engine, task_id)
                return task.status == TaskStatus.PAUSED and len(runs) == len(target.calls) and len(runs) >= 2

            await wait_until(all_ended, what="all runs of the paused task have ended")
        async with engine.connect() as connection:
            count = await connection.execute(text("SELECT count(*) FROM audit_log WHERE action = 'pauseTask'"))
            assert count.scalar_one() == 1


async def test_tasks_without_it_write_their_results_in_one_statement(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Nothing counts the failures of a task that does not pause itself."""
    async with opened(database) as engine:
        [task_id] = await save(engine, every(target.responds("/fails", FAILS), SECOND, soon(), max_attempts=1))
        async with working(database, jobs_settings):
            await wait_until(lambda: runs_of(engine, task_id, at_least=2), what="it has failed twice")
        task = await task_of(engine, task_id)
    assert (task.failures, task.status) == (0, TaskStatus.SCHEDULED)


async def test_a_pause_keeps_who_and_why(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A reason is shown until the task is resumed, in REST as well; a wrong one is refused with what would be right."""
    async with serving(database, jobs_settings) as api, opened(database) as engine:
        first, second = await save(engine, *(every("http://h/", 3600 * SECOND, utc_now() + SECOND) for _ in range(2)))
        task = (await api.data(PAUSE, id=str(first), reason="the target moves"))["pauseTask"]
        assert (task["pausedBy"], task["pauseReason"]) == ("anybody", "the target moves")
        again = (await api.data(PAUSE, id=str(first), reason="another"))["pauseTask"]
        assert again == task
        rest = (await api.http.get(f"{TASKS}/{first}")).json()
        assert (rest["paused_by"], rest["pause_reason"]) == ("anybody", "the target moves")
        both = await api.data(
            'mutation ($ids: [ID!]!) { pauseTasks(ids: $ids, reason: "all") { ... on Task { pauseReason } } }',
            ids=[str(first), str(second)],
        )
        assert [each["pauseReason"] for each in both["pauseTasks"]] == ["the target moves", "all"]
        [error] = (await api.ask(PAUSE, id=str(second), reason="x" * 501))["errors"]
        assert error["message"] == "The reason has 501 characters; at most 500 are accepted"
        assert error["extensions"]["code"] == "INVALID_REASON"
        assert await api.code(PAUSE, id=str(second), reason="a\0b") == "INVALID_REASON"
        resumed = (await api.data(RESUME, id=str(first)))["resumeTask"]
        assert (resumed["pausedBy"], resumed["pauseReason"], resumed["pausedAt"]) == (None, None, None)


async def test_the_number_is_given_changed_and_removed(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """0 means never, in GraphQL and REST; what is out of bounds is refused."""
    async with serving(database, jobs_settings) as api, opened(database) as engine:
        [task_id] = await save(engine, every("http://h/", 3600 * SECOND, utc_now() + SECOND))
        for given, shown in ((5, 5), (None, 5), (0, None)):
            task = (await api.data(UPDATE, id=str(task_id), input={"pauseAfterFailures": given}))["updateTask"]
            assert task["pauseAfterFailures"] == shown
        refused = (await api.data(UPDATE, id=str(task_id), input={"pauseAfterFailures": 1_001}))["updateTask"]
        assert refused == {"message": "pauseAfterFailures: must be from 0 to 1,000, not 1,001; 0 means never"}
        answer = await api.http.put(f"{TASKS}/{task_id}", json={"pause_after_failures": 2})
        assert (await api.http.get(f"{TASKS}/{task_id}")).json()["pause_after_failures"] == 2, answer.text
