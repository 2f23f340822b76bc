"""Bulk mutations of runs and deletions: a result for each id, in order, in few statements."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db.models import Run, Task, utc_now
from db.states import OverlapPolicy, RunState, TaskStatus
from tests.support.engine import events_of, every, one_off, runs_of, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rows import count
from tests.support.statements import statements

RUN = """
  __typename
  ... on Run { id cause state taskVersion retryOf { id } task { id } }
  ... on NotFound { message }
  ... on Conflict { message reason run: currentRun { id state } }
"""
RUN_MANY = f"mutation ($ids: [ID!]!) {{ runTasks(ids: $ids) {{ {RUN} }} }}"
RETRY_MANY = f"mutation ($ids: [ID!]!) {{ retryRuns(ids: $ids) {{ {RUN} }} }}"
CANCEL_MANY = f"mutation ($ids: [ID!]!) {{ cancelRuns(ids: $ids) {{ {RUN} }} }}"
DELETE_MANY = """
mutation ($ids: [ID!]!) {
  deleteTasks(ids: $ids) { __typename ... on DeletedTask { id: taskId } ... on NotFound { message } }
}
"""
LEAN = {
    name: f"mutation ($ids: [ID!]!) {{ {name}(ids: $ids) {{ __typename }} }}"
    for name in ("runTasks", "retryRuns", "cancelRuns", "deleteTasks")
}
MANY = 1_000


async def done(api: Api, mutation: str, ids: list[UUID]) -> list[dict[str, Any]]:
    """Return the response of a bulk mutation."""
    [found] = (await api.data(mutation, ids=[str(each) for each in ids])).values()
    assert len(found) == len(ids)
    return list(found)


async def hourly(api: Api, number: int, **columns: Any) -> list[Task]:
    """Return tasks that are due in an hour."""
    tasks = [every("http://localhost/", HOUR, utc_now() + HOUR, name=f"{place}", **columns) for place in range(number)]
    await save(api.engine, *tasks)
    return tasks


async def past(api: Api, task: Task, *states: RunState) -> list[Run]:
    """Return runs of a task, in these states."""
    runs = [run_of(task, scheduled_for=ago(9 - place), state=state) for place, state in enumerate(states)]
    await save(api.engine, *runs)
    return runs


async def test_run_many(api: Api) -> None:
    """Each task runs once, whatever its status; an id that occurs twice has the same run twice."""
    first, second = await hourly(api, 2, version=4)
    [ended] = await hourly(api, 1, status=TaskStatus.CANCELLED, next_run=None, due_at=None)
    nobody = uuid4()
    results = await done(api, RUN_MANY, [second.id, nobody, first.id, ended.id, second.id])
    assert [each["__typename"] for each in results] == ["Run", "NotFound", "Run", "Run", "Run"]
    assert results[1]["message"] == f"There is no task {nobody}"
    made = [results[place] for place in (0, 2, 3)]
    assert [each["task"]["id"] for each in made] == [str(second.id), str(first.id), str(ended.id)]
    assert [(each["cause"], each["state"], each["taskVersion"]) for each in made] == [
        ("MANUAL", "QUEUED", 4), ("MANUAL", "QUEUED", 4), ("MANUAL", "QUEUED", 1),
    ]  # fmt: skip
    assert results[4] == results[0]
    assert await count(api, "task_results", "next_attempt_at IS NOT NULL AND host = 'localhost'") == 3


@pytest.mark.parametrize(
    ("overlap", "unfinished", "expected"),
    [
        ("allow", [], ["due", "due", "due"]),
        ("allow", [RunState.RUNNING], ["due", "due", "due"]),
        ("skip", [], ["due", "skipped", "skipped"]),
        ("skip", [RunState.RUNNING], ["skipped", "skipped", "skipped"]),
        ("queue", [], ["due", "behind", "skipped"]),
        ("queue", [RunState.RETRYING], ["behind", "skipped", "skipped"]),
        ("queue", [RunState.RUNNING, RunState.QUEUED], ["skipped", "skipped", "skipped"]),
    ],
)
async def test_the_overlap_policy_judges_in_order(
    api: Api, overlap: str, unfinished: list[RunState], expected: list[str]
) -> None:
    """Several retries of one task in one call are judged one after another, as if they had come in as many calls."""
    [task] = await hourly(api, 1, overlap=OverlapPolicy(overlap))
    finished = await past(api, task, *[RunState.FAILED] * 3)
    await save(
        api.engine, *(run_of(task, scheduled_for=ago(place), state=each) for place, each in enumerate(unfinished))
    )
    results = await done(api, RETRY_MANY, [finished[2].id, finished[0].id, finished[1].id])
    assert [each["retryOf"]["id"] for each in results] == [str(finished[place].id) for place in (2, 0, 1)]
    verdicts = []
    for each in results:
        async with api.services.session() as session:
            row = await session.get(Run, UUID(each["id"]))
        assert row is not None
        waiting = "behind" if row.next_attempt_at is None else "due"
        verdicts.append("skipped" if row.state == RunState.SKIPPED else waiting)
        event_types = {"skipped": ["skipped"], "behind": ["queued"], "due": []}
        assert await events_of(api.engine, row.id) == event_types[verdicts[-1]]
    assert verdicts == expected


async def test_retry_many(api: Api) -> None:
    """Finished runs are retried with the definition that they had; unfinished and unknown ones do not stop others."""
    first, second = await hourly(api, 2)
    [old] = await past(api, first, RunState.FAILED)
    [running] = await past(api, second, RunState.RUNNING)
    update = "mutation ($id: ID!, $input: UpdateTaskInput!) { updateTask(id: $id, input: $input) { __typename } }"
    await api.data(update, id=str(first.id), input={"action": {"url": "http://localhost:81/"}})
    nobody = uuid4()
    results = await done(api, RETRY_MANY, [running.id, old.id, nobody, old.id])
    assert [each["__typename"] for each in results] == ["Conflict", "Run", "NotFound", "Run"]
    assert (results[0]["reason"], results[0]["run"]["id"]) == ("WRONG_STATE", str(running.id))
    assert results[2]["message"] == f"There is no run {nobody}"
    assert results[1] == results[3]
    assert (results[1]["cause"], results[1]["taskVersion"], results[1]["retryOf"]) == ("RETRY", 1, {"id": str(old.id)})
    assert await count(api, "task_results", "cause = 'retry' AND host = 'localhost'") == 1


async def test_cancel_many(api: Api) -> None:
    """Runs are cancelled, each with its event; a finished one is a conflict; what waited for their end becomes due."""
    first, second = await hourly(api, 2, overlap=OverlapPolicy.QUEUE)
    running, waiting = await past(api, first, RunState.RUNNING, RunState.QUEUED)
    retrying, finished = await past(api, second, RunState.RETRYING, RunState.SUCCEEDED)
    once = one_off("http://localhost/", ago(1), next_run=None, due_at=None)
    await save(api.engine, once)
    [only] = await past(api, once, RunState.RUNNING)
    ids = [finished.id, running.id, uuid4(), retrying.id, only.id, running.id]
    results = await done(api, CANCEL_MANY, ids)
    assert [each["__typename"] for each in results] == ["Conflict", "Run", "NotFound", "Run", "Run", "Run"]
    assert (results[0]["reason"], results[0]["run"]) == (
        "WRONG_STATE", {"id": str(finished.id), "state": "SUCCEEDED"},
    )  # fmt: skip
    assert {each["state"] for each in results if each["__typename"] == "Run"} == {"CANCELLED"}
    for run in (running, retrying, only):
        assert await events_of(api.engine, run.id) == ["cancelled"]
    assert await count(api, "task_results", f"id = '{waiting.id}' AND next_attempt_at IS NOT NULL") == 1
    assert (await task_of(api.engine, once.id)).status == "completed"
    again = await done(api, CANCEL_MANY, ids)
    assert {each["__typename"] for each in again} == {"Conflict", "NotFound"}


async def test_delete_many(api: Api) -> None:
    """Tasks disappear at once with their keys and runs, and one that does not exist does not stop the others."""
    first, second = await hourly(api, 2)
    [running] = await past(api, first, RunState.RUNNING)
    nobody = uuid4()
    results = await done(api, DELETE_MANY, [second.id, nobody, first.id, second.id])
    deleted = [{"__typename": "DeletedTask", "id": str(each.id)} for each in (second, first)]
    assert results == [
        deleted[0], {"__typename": "NotFound", "message": f"There is no task {nobody}"}, deleted[1], deleted[0],
    ]  # fmt: skip
    assert (await api.data("{ tasks { totalCount } runs { totalCount } }")) == {
        "tasks": {"totalCount": 0}, "runs": {"totalCount": 0},
    }  # fmt: skip
    assert [run.state for run in await runs_of(api.engine, first.id)] == ["cancelled"]
    assert await events_of(api.engine, running.id) == ["cancelled"]
    assert {each["__typename"] for each in await done(api, DELETE_MANY, [first.id, second.id])} == {"NotFound"}
    assert await count(api, "audit_log", "action = 'deleteTask' AND CAST(before AS jsonb) ? 'url'") == 2


@pytest.mark.parametrize("mutation", LEAN)
async def test_bounds(api: Api, mutation: str) -> None:
    """More than a thousand ids, and ids that are no UUIDs, are refused whole; no ids have no results."""
    assert await api.code(LEAN[mutation], ids=[str(uuid4())] * (MANY + 1)) == "LIMIT_EXCEEDED"
    assert await api.code(LEAN[mutation], ids=[str(uuid4()), "x"]) == "INVALID_ID"
    assert await done(api, LEAN[mutation], []) == []


async def test_a_thousand_in_few_statements(api: Api) -> None:
    """A thousand tasks run, and their runs end, retry and go, in statements for many rows, not one for each."""
    tasks = await hourly(api, MANY)
    ids = [task.id for task in tasks]

    async def measured(mutation: str, given: list[UUID], expected: str) -> None:
        with statements(api) as seen:
            results = await done(api, LEAN[mutation], given)
        assert {each["__typename"] for each in results} == {expected}, mutation
        assert len(seen) < 100, (mutation, len(seen))

    await measured("runTasks", ids, "Run")
    async with api.engine.connect() as connection:
        runs = list((await connection.execute(text("SELECT id FROM task_results"))).scalars())
    assert len(runs) == MANY
    await measured("cancelRuns", runs, "Run")
    await measured("retryRuns", runs, "Run")
    await measured("deleteTasks", ids, "DeletedTask")
    assert await count(api, "audit_log") == 4 * MANY


async def test_many_calls_about_the_same_tasks_and_runs(api: Api) -> None:
    """Calls at the same time about the same tasks and runs, in any order, never deadlock or fail."""
    tasks = await hourly(api, 30, overlap=OverlapPolicy.QUEUE)
    finished = [run for task in tasks for run in await past(api, task, RunState.FAILED)]
    ids, runs = [task.id for task in tasks], [run.id for run in finished]
    orders: list[Callable[[list[UUID]], list[UUID]]] = [list, lambda of: of[::-1], lambda of: of[15:] + of[:15]]
    calls = [
        *(done(api, LEAN["runTasks"], order(ids)) for order in orders),
        *(done(api, LEAN["retryRuns"], order(runs)) for order in orders),
    ]
    for results in await asyncio.gather(*calls):
        assert {each["__typename"] for each in results} == {"Run"}
    async with api.engine.connect() as connection:
        query = text("SELECT id FROM task_results WHERE finished_at IS NULL")
        unfinished = list((await connection.execute(query)).scalars())
    assert len(unfinished) == 2 * len(tasks)
    calls = [
        *(done(api, LEAN["cancelRuns"], order(unfinished)) for order in orders),
        *(done(api, LEAN["deleteTasks"], order(ids)) for order in orders),
    ]
    for results in await asyncio.gather(*calls):
        assert {each["__typename"] for each in results} <= {"Run", "Conflict", "NotFound", "DeletedTask"}
    assert await count(api, "task_results", "finished_at IS NULL") == 0
