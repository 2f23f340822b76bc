"""Tasks through GraphQL: update, pause, resume, delete, and creation with idempotency keys."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from db.models import Task, utc_now
from db.states import MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from tests.support.engine import every, one_off, runs_of, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of

TASK = """
fragment task on Task {
  id name status version nextRunAt upcoming(count: 1) tags overlap misfire onLost
  trigger { ... on OneOffTrigger { at } ... on IntervalTrigger { everyMs startAt } ... on CronTrigger { expression } }
  action { method url headers { name value } payload timeoutMs redirects }
  retry { maxAttempts initialDelayMs factor maxDelayMs }
}
"""
REFUSALS = """
    ... on InvalidInput { problems { path message } }
    ... on NotFound { message }
    ... on Conflict { message reason task: currentTask { id version status } run: currentRun { id state } }
"""
UPDATE = f"""
mutation ($id: ID!, $input: UpdateTaskInput!) {{
  updateTask(id: $id, input: $input) {{ __typename ...task {REFUSALS} }}
}}
{TASK}
"""
CREATE = f"""
mutation ($input: CreateTaskInput!) {{
  createTask(input: $input) {{
    __typename ...task
    ... on InvalidInput {{ problems {{ path message }} }}
    ... on Conflict {{ message reason task: currentTask {{ id }} }}
  }}
}}
{TASK}
"""
PAUSE = "mutation ($id: ID!) { pauseTask(id: $id) { __typename ...task ...no } }"
RESUME = (
    "mutation ($id: ID!, $missed: MisfirePolicy) { resumeTask(id: $id, missed: $missed) { __typename ...task ...no } }"
)
CANCEL = "mutation ($id: ID!) { cancelTask(id: $id) { __typename ...task ...no } }"
NO = """
fragment no on Error { message ... on Conflict { reason task: currentTask { id version status } } }
"""
DELETE = """
mutation ($id: ID!) {
  deleteTask(id: $id) { __typename ... on DeletedTask { id: taskId } ... on NotFound { message } }
}
"""
ACTION_OF_RUN = "query ($id: ID!) { run(id: $id) { taskVersion action { url payload } } }"


async def do(api: Api, mutation: str, **variables: Any) -> dict[str, Any]:
    """Return the response of the mutation's only field."""
    fragments = (TASK if "...task" in mutation and "fragment task" not in mutation else "") + (
        NO if "...no" in mutation else ""
    )
    [answer] = (await api.data(mutation + fragments, **variables)).values()
    assert isinstance(answer, dict)
    return answer


async def hourly(api: Api, **columns: Any) -> Task:
    """Return a task that is due in an hour, and each hour from then on."""
    task = every("http://localhost/old", HOUR, (utc_now() + HOUR).replace(microsecond=0), **columns)
    await save(api.engine, task)
    return task


async def paused(api: Api, resume_from: Any, **columns: Any) -> Task:
    """Return a paused hourly task whose first unsettled instant is `resume_from`."""
    waiting: dict[str, Any] = {"status": TaskStatus.PAUSED, "next_run": None, "due_at": None}
    task = every("http://localhost/", HOUR, ago(5), **waiting, resume_from=resume_from, **columns)
    await save(api.engine, task)
    return task


async def test_update_changes_what_is_given_and_nothing_else(api: Api) -> None:
    """Absent and null members keep their values; of action and retry policy only given members change; lists are
    replaced.
    """
    task = await hourly(api, headers={"A": "1"}, payload={"n": 1}, tags=["x"])
    changed = await do(
        api,
        UPDATE,
        id=str(task.id),
        input={
            "name": " new ",
            "tags": ["y", "z"],
            "overlap": "QUEUE",
            "misfire": "ALL",
            "onLost": "FAIL",
            "action": {"url": "http://localhost/new", "method": None},
            "retry": {"maxAttempts": 7},
            "trigger": None,
        },
    )
    assert changed["version"] == 2
    assert (changed["name"], changed["tags"]) == ("new", ["y", "z"])
    assert (changed["overlap"], changed["misfire"], changed["onLost"]) == ("QUEUE", "ALL", "FAIL")
    assert changed["action"] == {
        "method": "GET",
        "url": "http://localhost/new",
        "headers": [{"name": "A", "value": "1"}],
        "payload": {"n": 1},
        "timeoutMs": 30_000,
        "redirects": 0,
    }
    assert changed["retry"] == {"maxAttempts": 7, "initialDelayMs": 100, "factor": 2.0, "maxDelayMs": 300_000}
    row = await task_of(api.engine, task.id)
    assert (row.next_run, row.due_at, row.host) == (task.next_run, task.due_at, "localhost:80")


async def test_update_that_changes_nothing_leaves_the_version(api: Api) -> None:
    """An input that equals the task, including its trigger, is no change."""
    task = await hourly(api, host="localhost:80", payload={"a": 1, "bb": [True]})
    assert task.start_at is not None
    same = {
        "name": task.name,
        "action": {"url": task.url, "payload": {"bb": [True], "a": 1}},
        "trigger": {"interval": {"everyMs": 3_600_000, "startAt": task.start_at.isoformat()}},
    }
    assert (await do(api, UPDATE, id=str(task.id), input=same))["version"] == 1
    assert (await do(api, UPDATE, id=str(task.id), input={}))["version"] == 1
    other = {"action": {"payload": {"a": True, "bb": [True]}}}
    assert (await do(api, UPDATE, id=str(task.id), input=other))["version"] == 2


async def test_null_and_absence_keep_a_payload_and_clear_body_removes_it(api: Api) -> None:
    """No null clears anything."""
    task = await hourly(api, payload=[1])
    kept = await do(api, UPDATE, id=str(task.id), input={"action": {"timeoutMs": 5}})
    assert kept["action"]["payload"] == [1]
    kept = await do(api, UPDATE, id=str(task.id), input={"action": {"payload": None}})
    assert kept["action"]["payload"] == [1]
    cleared = await do(api, UPDATE, id=str(task.id), input={"action": {"clearBody": True}})
    assert cleared["action"]["payload"] is None
    cleared = await do(api, UPDATE, id=str(task.id), input={"action": {"headers": []}})
    assert cleared["action"]["headers"] == []


async def test_update_is_checked_as_a_creation_is(api: Api) -> None:
    """All problems are reported at once, by their paths, and nothing is changed."""
    task = await hourly(api)
    wrong = {
        "name": "",
        "action": {"url": "ftp://x", "headers": [{"name": "Host", "value": "x"}]},
        "retry": {"factor": 0.5},
        "trigger": {"cron": {"expression": "61 * * * *"}},
        "tags": [""],
    }
    answer = await do(api, UPDATE, id=str(task.id), input=wrong)
    assert {".".join(problem["path"]) for problem in answer["problems"]} == {
        "name", "action.url", "action.headers.0.name", "retry.factor", "trigger.cron.expression", "tags.0",
    }  # fmt: skip
    assert (await task_of(api.engine, task.id)).version == 1


async def test_update_of_a_version_that_is_not_the_expected_one(api: Api) -> None:
    """An update for another version is refused, with the task in its current state."""
    task = await hourly(api, version=3)
    refused = await do(api, UPDATE, id=str(task.id), input={"name": "n", "expectedVersion": 2})
    assert refused["__typename"] == "Conflict"
    assert refused["reason"] == "STALE_VERSION"
    assert refused["task"] == {"id": str(task.id), "version": 3, "status": "SCHEDULED"}
    assert (await do(api, UPDATE, id=str(task.id), input={"name": "n", "expectedVersion": 3}))["version"] == 4


async def test_new_trigger_starts_after_now(api: Api) -> None:
    """The next instant is the first one of the new trigger, one period after the last settled one. The status stays."""
    task = await hourly(api)
    changed = await do(api, UPDATE, id=str(task.id), input={"trigger": {"interval": {"everyMs": 60_000}}})
    assert changed["status"] == "SCHEDULED"
    assert changed["nextRunAt"] == changed["trigger"]["startAt"] == changed["upcoming"][0]
    row = await task_of(api.engine, task.id)
    assert row.due_at == row.next_run
    assert task.next_run is not None
    assert row.next_run == task.next_run - HOUR + timedelta(minutes=1)


async def test_new_trigger_does_what_the_status_lets_it(api: Api) -> None:
    """A new trigger schedules a completed task again, waits with a paused one, and leaves a cancelled one unchanged."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None}
    done = one_off("http://localhost/", ago(1), status=TaskStatus.COMPLETED, **ended)
    waiting = one_off("http://localhost/", ago(1), status=TaskStatus.PAUSED, **ended)
    over = one_off("http://localhost/", ago(1), status=TaskStatus.CANCELLED, **ended)
    await save(api.engine, done, waiting, over)
    trigger = {"trigger": {"oneOff": {"at": "2100-01-01T00:00:00Z"}}}
    shown = [await do(api, UPDATE, id=str(task.id), input=trigger) for task in (done, waiting, over)]
    assert [(task["status"], task["nextRunAt"]) for task in shown] == [
        ("SCHEDULED", "2100-01-01T00:00:00Z"),
        ("PAUSED", None),
        ("CANCELLED", None),
    ]
    assert (await do(api, RESUME, id=str(waiting.id)))["nextRunAt"] == "2100-01-01T00:00:00Z"
    assert (await task_of(api.engine, over.id)).due_at is None


@pytest.mark.parametrize("change", ["trigger", "cancel"])
async def test_instants_that_a_change_leaves_behind_are_missed(api: Api, change: str) -> None:
    """Instants that were due and not claimed are recorded in one missed run, with an event."""
    since = ago(3.5)
    late = every("http://localhost/", HOUR, since)
    waiting = await paused(api, ago(3))
    [late_id] = await save(api.engine, late)
    for task_id in (late_id, waiting.id):
        if change == "trigger":
            await do(api, UPDATE, id=str(task_id), input={"trigger": {"interval": {"everyMs": 60_000}}})
        else:
            await do(api, CANCEL, id=str(task_id))
    [missed] = await runs_of(api.engine, late_id)
    assert (missed.state, missed.scheduled_for, missed.missed_since) == (RunState.MISSED, since + 3 * HOUR, since)
    assert missed.missed_count == 3
    assert missed.error_message is not None
    [other] = await runs_of(api.engine, waiting.id)
    assert (other.state, other.missed_count) == (RunState.MISSED, 3)


async def test_run_shows_the_request_of_its_version(api: Api) -> None:
    """A run shows the request of its version, however often the task was changed since."""
    task = await hourly(api, payload="old")
    first, second, third = (run_of(task, scheduled_for=ago(4 - version), task_version=version) for version in (1, 2, 3))
    await save(api.engine, first, second, third)
    await do(api, UPDATE, id=str(task.id), input={"name": "two"})
    await do(api, UPDATE, id=str(task.id), input={"action": {"payload": "new"}})
    await do(api, UPDATE, id=str(task.id), input={"name": "four"})
    shown = [(await do(api, ACTION_OF_RUN, id=str(run.id)))["action"]["payload"] for run in (first, second, third)]
    assert shown == ["old", "old", "new"]


async def test_pause_and_resume(api: Api) -> None:
    """A paused task has no next instant, and continues where it stopped. Repeating either call has no effect."""
    task = await hourly(api)
    stopped = await do(api, PAUSE, id=str(task.id))
    assert (stopped["status"], stopped["nextRunAt"], stopped["version"]) == ("PAUSED", None, 2)
    assert len(stopped["upcoming"]) == 1
    assert await do(api, PAUSE, id=str(task.id)) == stopped
    resumed = await do(api, RESUME, id=str(task.id), missed="ALL")
    assert (resumed["status"], resumed["nextRunAt"], resumed["version"]) == ("SCHEDULED", stopped["upcoming"][0], 3)
    assert await do(api, RESUME, id=str(task.id)) == resumed
    row = await task_of(api.engine, task.id)
    assert (row.due_at, row.resume_from, row.misfire_once) == (task.due_at, None, None)


async def test_resume_says_what_becomes_of_what_was_missed(api: Api) -> None:
    """The next claim settles what was missed, by `missed` or else by the task's own policy."""
    since = ago(3)
    told, untold = await paused(api, since), await paused(api, since)
    await do(api, RESUME, id=str(told.id), missed="SKIP")
    await do(api, RESUME, id=str(untold.id))
    row = await task_of(api.engine, told.id)
    assert (row.next_run, row.due_at, row.misfire_once) == (since, since, MisfirePolicy.SKIP)
    assert (await task_of(api.engine, untold.id)).misfire_once is None


async def test_resume_with_no_instant_left_completes(api: Api) -> None:
    """A one-off that was paused after its instant is completed once its run has ended."""
    nothing: dict[str, Any] = {"status": TaskStatus.PAUSED, "next_run": None, "due_at": None}
    over, going = one_off("http://localhost/", ago(1), **nothing), one_off("http://localhost/", ago(1), **nothing)
    await save(api.engine, over, going)
    await save(api.engine, run_of(over, scheduled_for=ago(1)))
    await save(api.engine, run_of(going, scheduled_for=ago(1), state=RunState.RETRYING))
    assert (await do(api, RESUME, id=str(over.id)))["status"] == "COMPLETED"
    assert (await do(api, RESUME, id=str(going.id)))["status"] == "SCHEDULED"


async def test_ended_schedules_neither_pause_nor_resume(api: Api) -> None:
    """A task whose schedule has ended is not paused or resumed; the conflict shows its current state."""
    for status in (TaskStatus.COMPLETED, TaskStatus.CANCELLED):
        task = one_off("http://localhost/", ago(1), status=status, next_run=None, due_at=None)
        await save(api.engine, task)
        for mutation in (PAUSE, RESUME):
            refused = await do(api, mutation, id=str(task.id))
            assert (refused["__typename"], refused["reason"]) == ("Conflict", "WRONG_STATE")
            assert refused["task"] == {"id": str(task.id), "version": 1, "status": status.name}


async def test_cancel_ends_a_paused_task(api: Api) -> None:
    """A cancelled task has nothing left to resume."""
    task = await paused(api, utc_now() + HOUR)
    assert (await do(api, CANCEL, id=str(task.id)))["status"] == "CANCELLED"
    assert (await task_of(api.engine, task.id)).resume_from is None
    assert list(await runs_of(api.engine, task.id)) == []


async def test_deleted_task_is_gone_at_once(api: Api) -> None:
    """A deleted task and its runs vanish from every read at once; unfinished runs are cancelled, with events."""
    task, other = await hourly(api), await hourly(api)
    states = [RunState.SUCCEEDED, RunState.RUNNING, RunState.RETRYING, RunState.QUEUED]
    runs = [run_of(task, scheduled_for=ago(4 - hours), state=state) for hours, state in enumerate(states)]
    await save(api.engine, *runs, run_of(other, scheduled_for=ago(1)))
    cursor = (await api.data("{ runEventsCursor }"))["runEventsCursor"]

    assert await do(api, DELETE, id=str(task.id)) == {"__typename": "DeletedTask", "id": str(task.id)}

    everything = """query ($id: ID!, $run: ID!) {
      task(id: $id) { id } run(id: $run) { id }
      tasks { totalCount nodes { id } } runs { totalCount nodes { task { id } } }
      its: runs(filter: {taskId: $id}) { nodes { id } }
    }"""
    found = await api.data(everything, id=str(task.id), run=str(runs[0].id))
    assert (found["task"], found["run"], found["its"]["nodes"]) == (None, None, [])
    assert found["tasks"] == {"totalCount": 1, "nodes": [{"id": str(other.id)}]}
    assert found["runs"] == {"totalCount": 1, "nodes": [{"task": {"id": str(other.id)}}]}
    for path in ("", "/results"):
        assert (await api.http.get(f"/api/v1/tasks/{task.id}{path}")).status_code == 404
    assert (await api.http.delete(f"/api/v1/tasks/{task.id}")).status_code == 404
    assert (await api.http.get("/api/v1/tasks")).json()["pagination"]["total"] == 1
    for mutation in (PAUSE, RESUME, CANCEL, DELETE):
        assert (await do(api, mutation, id=str(task.id)))["__typename"] == "NotFound"
    assert (await do(api, UPDATE, id=str(task.id), input={}))["__typename"] == "NotFound"

    cancelled = {run.id: run for run in await runs_of(api.engine, task.id)}
    assert [cancelled[run.id].state for run in runs] == [RunState.SUCCEEDED] + [RunState.CANCELLED] * 3
    assert [cancelled[run.id].success for run in runs] == [True, False, False, None]
    async with api.socket() as socket:
        query = (
            "subscription ($after: String) { runEvents(after: $after) { ... on RunEvent { runId type run { id } } } }"
        )
        messages = await (await socket.subscribe(query, after=cursor)).take(3)
    assert {event["runId"] for event in messages} == {str(run.id) for run in runs[1:]}
    assert {(event["type"], event["run"]) for event in messages} == {("CANCELLED", None)}


async def test_same_key_and_input_make_one_task(api: Api) -> None:
    """The key is looked up before the clock matters: a one-off whose instant has passed is still returned."""
    at = utc_now() + timedelta(seconds=1)
    input_ = {
        "name": "once",
        "trigger": {"oneOff": {"at": at.isoformat()}},
        "action": {"url": "http://localhost/", "payload": {"a": 2**70}},
        "idempotencyKey": "any text \0 ü",
    }
    made = await do(api, CREATE, input=input_)
    assert made["__typename"] == "Task"
    await do(api, UPDATE, id=made["id"], input={"name": "changed"})
    late = {**input_, "trigger": {"oneOff": {"at": "2001-01-01T00:00:00Z"}}}
    refused = await do(api, CREATE, input=late)
    assert (refused["reason"], refused["task"]) == ("IDEMPOTENCY_KEY_REUSED", {"id": made["id"]})
    assert "message" in refused
    while utc_now() <= at:
        again = await do(api, CREATE, input=input_)
        assert (again["id"], again["name"]) == (made["id"], "changed")
    assert (await do(api, CREATE, input=input_))["id"] == made["id"]
    assert (await do(api, CREATE, input={**input_, "idempotencyKey": "another"}))["__typename"] == "InvalidInput"


async def test_key_is_kept_as_long_as_its_task(api: Api) -> None:
    """The key of a deleted task creates a new one, and so does a key whose input was refused."""
    input_ = {
        "name": "n",
        "trigger": {"interval": {"everyMs": 60_000}},
        "action": {"url": "http://localhost/"},
        "idempotencyKey": "k",
    }
    assert (await do(api, CREATE, input={**input_, "name": ""}))["__typename"] == "InvalidInput"
    first = await do(api, CREATE, input=input_)
    assert (await do(api, CREATE, input=input_))["id"] == first["id"]
    await do(api, DELETE, id=first["id"])
    second = await do(api, CREATE, input=input_)
    assert second["__typename"] == "Task"
    assert second["id"] != first["id"]


async def test_policies_of_a_new_task(api: Api) -> None:
    """The policies of a new task are the requested ones, or else the documented defaults."""
    input_ = {"name": "n", "trigger": {"interval": {"everyMs": 60_000}}, "action": {"url": "http://localhost/"}}
    made = await do(api, CREATE, input=input_)
    assert (made["overlap"], made["misfire"], made["onLost"]) == ("SKIP", "LATEST", "RETRY")
    made = await do(api, CREATE, input={**input_, "overlap": "QUEUE", "misfire": "ALL", "onLost": "FAIL"})
    assert (made["overlap"], made["misfire"], made["onLost"]) == ("QUEUE", "ALL", "FAIL")
    assert (await task_of(api.engine, made["id"])).overlap == OverlapPolicy.QUEUE


async def test_unknown_ids(api: Api) -> None:
    """Unknown ids get NotFound."""
    for mutation in (PAUSE, RESUME, DELETE):
        assert (await do(api, mutation, id=str(uuid4())))["__typename"] == "NotFound"
    assert (await do(api, UPDATE, id=str(uuid4()), input={"name": "n"}))["__typename"] == "NotFound"
    assert await api.code('mutation { deleteTask(id: "x") { __typename } }') == "INVALID_ID"
