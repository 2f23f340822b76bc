"""Bulk mutations: many tasks created, paused, resumed or cancelled in one call, with a result for each."""

import asyncio
from collections import Counter
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db.models import Task, utc_now
from db.states import MisfirePolicy, RunState, TaskStatus
from tests.support.engine import events_of, every, runs_of, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rows import count

RESULT = """
  __typename
  ... on Task { id name status nextRunAt version }
  ... on InvalidInput { message problems { path message } }
  ... on NotFound { message }
  ... on Conflict { message reason task: currentTask { id name status } }
"""
CREATION = RESULT.replace("... on NotFound { message }", "")
ACTION = RESULT.replace("... on InvalidInput { message problems { path message } }", "")
CREATE_MANY = f"mutation ($inputs: [CreateTaskInput!]!) {{ createTasks(inputs: $inputs) {{ {CREATION} }} }}"
CREATE_ONE = f"mutation ($input: CreateTaskInput!) {{ createTask(input: $input) {{ {CREATION} }} }}"
PAUSE = f"mutation ($ids: [ID!]!) {{ pauseTasks(ids: $ids) {{ {ACTION} }} }}"
RESUME = f"mutation ($ids: [ID!]!, $missed: MisfirePolicy) {{ resumeTasks(ids: $ids, missed: $missed) {{ {ACTION} }} }}"
CANCEL = f"mutation ($ids: [ID!]!) {{ cancelTasks(ids: $ids) {{ {ACTION} }} }}"
MANY = 1_000


def wanted(name: str, **members: Any) -> dict[str, Any]:
    """Return a valid input with the members that the test changes."""
    right = {"name": name, "trigger": {"interval": {"everyMs": 3_600_000}}, "action": {"url": "http://localhost/"}}
    return right | members


async def made(api: Api, *inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the response of createTasks."""
    found: list[dict[str, Any]] = (await api.data(CREATE_MANY, inputs=list(inputs)))["createTasks"]
    assert len(found) == len(inputs)
    return found


async def done(api: Api, mutation: str, ids: list[UUID], **variables: Any) -> list[dict[str, Any]]:
    """Return the response of another bulk mutation."""
    [found] = (await api.data(mutation, ids=[str(each) for each in ids], **variables)).values()
    assert len(found) == len(ids)
    return list(found)


async def test_each_input_has_its_result_in_order(api: Api) -> None:
    """Results come in the order of the inputs. A refused input does not stop the others; its paths start at itself."""
    results = await made(
        api, wanted("a"), wanted(" ", action={"url": "ftp://a"}), wanted("b"), wanted("c", tags=["x", "x"])
    )
    assert [each["__typename"] for each in results] == ["Task", "InvalidInput", "Task", "InvalidInput"]
    assert [each.get("name") for each in results] == ["a", None, "b", None]
    assert [problem["path"] for problem in results[1]["problems"]] == [["name"], ["action", "url"]]
    assert [problem["path"] for problem in results[3]["problems"]] == [["tags", "1"]]
    assert await made(api) == []
    assert await count(api, "tasks") == 2
    assert await count(api, "audit_log", "action = 'createTask' AND after IS NOT NULL") == 2


@pytest.mark.timing
async def test_a_thousand_tasks_in_one_call(api: Api) -> None:
    """A thousand tasks are created in one call, each due, in at most a third of the time of as many calls."""
    inputs = [wanted(f"task {number}", idempotencyKey=f"key {number}") for number in range(MANY)]
    await made(api, wanted("warm"))
    await api.data(CREATE_ONE, input=wanted("warm"))
    start = perf_counter()
    results = await made(api, *inputs)
    together = perf_counter() - start
    start = perf_counter()
    for number in range(50):
        await api.data(CREATE_ONE, input=wanted(f"one {number}", idempotencyKey=f"one {number}"))
    one_by_one = (perf_counter() - start) * MANY / 50
    assert [each["name"] for each in results] == [f"task {number}" for number in range(MANY)]
    assert await count(api, "tasks", "name LIKE 'task %' AND due_at = next_run") == MANY
    assert [each["id"] for each in await made(api, *inputs)] == [each["id"] for each in results]
    assert one_by_one > 3 * together, f"{one_by_one:.2f} s one by one, {together:.2f} s together"


async def test_more_than_a_thousand_are_refused(api: Api) -> None:
    """More than a thousand items are refused with the limit and the number, and nothing is done."""
    lean = "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { __typename } }"
    answer = await api.ask(lean, inputs=[wanted("a")] * (MANY + 1))
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert error["message"] == "inputs has 1,001 items; at most 1,000 are accepted in one call"
    assert await count(api, "tasks") == 0
    for mutation in (PAUSE, RESUME, CANCEL):
        assert await api.code(mutation, ids=[str(uuid4())] * (MANY + 1)) == "LIMIT_EXCEEDED"
        assert await api.code(mutation, ids=[str(uuid4()), "x"]) == "INVALID_ID"
        assert await done(api, mutation, []) == []


async def test_keys_in_one_call(api: Api) -> None:
    """A key that occurs twice creates one task; a used key returns its task; another input is a conflict."""
    [before] = await made(api, wanted("before", idempotencyKey="k"))
    past = {"oneOff": {"at": "2001-01-01T00:00:00Z"}}
    results = await made(
        api,
        wanted("before", idempotencyKey="k"),
        wanted("other", idempotencyKey="k"),
        wanted("late", trigger=past, idempotencyKey="new"),
        wanted("new", idempotencyKey="new"),
        wanted("new", idempotencyKey="new"),
        wanted("newer", idempotencyKey="new"),
        wanted("new"),
    )
    kinds = ["Task", "Conflict", "InvalidInput", "Task", "Task", "Conflict", "Task"]
    assert [each["__typename"] for each in results] == kinds
    assert results[0] == before
    assert results[3] == results[4]
    assert results[6]["id"] != results[3]["id"]
    for conflict, name in ((results[1], "before"), (results[5], "new")):
        assert (conflict["reason"], conflict["task"]["name"]) == ("IDEMPOTENCY_KEY_REUSED", name)
    assert await count(api, "tasks") == 3
    assert await count(api, "idempotency_keys") == 2


async def test_same_keys_at_the_same_time(api: Api) -> None:
    """Concurrent calls that share keys, in any order, create one task per key, and all of them return it."""
    inputs = [wanted(f"{number}", idempotencyKey=f"{number}") for number in range(60)]
    orders = [inputs, inputs[::-1], inputs[30:] + inputs[:30], inputs[10:50]]
    answers = await asyncio.gather(*(made(api, *order) for order in orders), *(made(api, each) for each in inputs[:9]))
    ids: dict[str, set[str]] = {}
    for result in (result for answer in answers for result in answer):
        ids.setdefault(result["name"], set()).add(result["id"])
    assert {name: len(its) for name, its in ids.items()} == {f"{number}": 1 for number in range(60)}
    assert await count(api, "tasks") == await count(api, "audit_log") == 60


async def test_key_of_a_deleted_task_is_free(api: Api) -> None:
    """The key of a deleted task creates a new task, also among others."""
    [old, kept] = await made(api, wanted("a", idempotencyKey="a"), wanted("b", idempotencyKey="b"))
    await api.data("mutation ($id: ID!) { deleteTask(id: $id) { __typename } }", id=old["id"])
    again = await made(api, wanted("a", idempotencyKey="a"), wanted("b", idempotencyKey="b"))
    assert again[0]["id"] != old["id"]
    assert again[1] == kept


async def test_pause_and_resume_many(api: Api) -> None:
    """Pausing and resuming return results in order: a repeated id has two results, an unknown one NotFound."""
    tasks = [every("http://localhost/", HOUR, utc_now() + HOUR, name=f"{number}") for number in range(3)]
    ended = every("http://localhost/", HOUR, ago(1), status=TaskStatus.CANCELLED, next_run=None, due_at=None)
    await save(api.engine, *tasks, ended)
    first, second, third = (task.id for task in tasks)
    nobody = uuid4()
    ids = [third, nobody, first, ended.id, third, second]
    paused = await done(api, PAUSE, ids)
    assert [each["__typename"] for each in paused] == ["Task", "NotFound", "Task", "Conflict", "Task", "Task"]
    assert [each.get("id") for each in paused] == [str(third), None, str(first), None, str(third), str(second)]
    assert paused[1]["message"] == f"There is no task {nobody}"
    assert (paused[3]["reason"], paused[3]["task"]["id"]) == ("WRONG_STATE", str(ended.id))
    assert {(each["status"], each["version"]) for each in paused if each["__typename"] == "Task"} == {("PAUSED", 2)}
    again = await done(api, PAUSE, [first])
    assert again[0]["version"] == 2
    resumed = await done(api, RESUME, ids)
    assert [each["__typename"] for each in resumed] == ["Task", "NotFound", "Task", "Conflict", "Task", "Task"]
    for task in tasks:
        row = await task_of(api.engine, task.id)
        assert (row.status, row.next_run, row.due_at, row.version) == ("scheduled", task.next_run, task.due_at, 3)
    async with api.engine.connect() as connection:
        found = await connection.execute(text("SELECT action, before, after FROM audit_log"))
        entries = Counter(row.action for row in found)
    assert entries == {"pauseTask": 3, "resumeTask": 3}


async def test_resumption_of_many_settles_by_one_policy(api: Api) -> None:
    """`missed` applies to all tasks, and an unfinished scheduled run delays only its own task."""
    waiting: dict[str, Any] = {"status": TaskStatus.PAUSED, "next_run": None, "due_at": None}
    tasks = [every("http://localhost/", HOUR, ago(5), **waiting, resume_from=ago(5)) for _ in range(2)]
    await save(api.engine, *tasks)
    await save(api.engine, run_of(tasks[0], scheduled_for=ago(6), state=RunState.RUNNING))
    await done(api, RESUME, [task.id for task in tasks], missed="ALL")
    rows = [await task_of(api.engine, task.id) for task in tasks]
    assert [row.misfire_once for row in rows] == [MisfirePolicy.ALL] * 2
    assert [row.due_at is None for row in rows] == [True, False]


async def test_cancel_many(api: Api) -> None:
    """Cancelling records what was missed in each task and cancels what waits, each with its event, at the same time."""
    tasks = [every("http://localhost/", HOUR, ago(3 - number)) for number in range(3)]
    future = every("http://localhost/", HOUR, utc_now() + HOUR, version=4)
    await save(api.engine, *tasks, future)
    waiting = [run_of(task, scheduled_for=ago(9), state=RunState.RETRYING) for task in (tasks[0], future)]
    await save(api.engine, *waiting)
    ids = [future.id, *(task.id for task in tasks), uuid4()]
    results = await done(api, CANCEL, ids)
    assert [each.get("status") for each in results] == [*["CANCELLED"] * 4, None]
    assert [each.get("version") for each in results] == [5, 2, 2, 2, None]
    for run, task in zip(waiting, (tasks[0], future), strict=True):
        assert await events_of(api.engine, run.id) == ["cancelled"]
        assert (await runs_of(api.engine, task.id))[0].state == RunState.CANCELLED
    for task, missed in zip(tasks, (3, 2, 1), strict=True):
        *_, run = await runs_of(api.engine, task.id)
        assert (run.state, run.missed_count, run.task_version, run.host) == ("missed", missed, 1, "localhost")
        assert await events_of(api.engine, run.id) == ["missed"]
    assert [each.get("version") for each in await done(api, CANCEL, ids)] == [5, 2, 2, 2, None]
    assert await count(api, "audit_log", "action = 'cancelTask'") == 4


async def test_many_calls_about_the_same_tasks(api: Api) -> None:
    """Concurrent calls about the same tasks never deadlock, in whatever order they name the tasks."""
    tasks = [every("http://localhost/", HOUR, ago(1), name=f"{n}") for n in range(60)]
    ids = await save(api.engine, *tasks)
    for _ in range(3):
        orders = [ids, ids[::-1], ids[30:] + ids[:30]]
        calls = [done(api, mutation, order) for mutation in (PAUSE, RESUME) for order in orders]
        for results in await asyncio.gather(*calls):
            assert {each["__typename"] for each in results} == {"Task"}
    for results in await asyncio.gather(done(api, CANCEL, ids), done(api, CANCEL, ids[::-1])):
        assert {(each["__typename"], each["status"]) for each in results} == {("Task", "CANCELLED")}
    assert await count(api, "task_results", "state = 'missed'") == len(ids)


@pytest.mark.timing
async def test_a_thousand_tasks_change_in_one_call(api: Api) -> None:
    """A thousand tasks change within about a second, so claims do not wait for long."""
    tasks: list[Task] = [every("http://localhost/", HOUR, utc_now() + HOUR, name=f"{n}") for n in range(MANY)]
    ids = await save(api.engine, *tasks)
    for mutation, status in ((PAUSE, "PAUSED"), (RESUME, "SCHEDULED"), (CANCEL, "CANCELLED")):
        start = perf_counter()
        results = await done(api, mutation, ids)
        assert perf_counter() - start < 5
        assert [(each["name"], each["status"]) for each in results] == [(f"{n}", status) for n in range(MANY)]
