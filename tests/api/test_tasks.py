"""Tasks through GraphQL: created, read, refused, cancelled."""

from typing import Any
from uuid import uuid4

from db.models import Task, utc_now
from db.states import RunState, TaskStatus
from tests.support.engine import every, one_off, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of

CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) {
    __typename
    ... on Task { ...everything }
    ... on InvalidInput { message problems { path message } }
  }
}
fragment everything on Task {
  id name status tags version createdAt updatedAt nextRunAt upcoming(count: 2)
  trigger {
    ... on OneOffTrigger { at }
    ... on CronTrigger { expression timezone description startAt endAt jitterMs }
    ... on IntervalTrigger { everyMs start: startAt endAt jitterMs }
  }
  action { method url headers { name value } payload timeoutMs redirects }
  retry { maxAttempts initialDelayMs factor maxDelayMs }
  lastRun { id }
  runs { totalCount totalCountCapped nodes { id } edges { cursor } }
}
"""

CANCEL = """
mutation ($id: ID!) {
  cancelTask(id: $id) {
    __typename
    ... on Task { id status nextRunAt upcoming version updatedAt runs { nodes { state success } } }
    ... on NotFound { message }
  }
}
"""


async def create(api: Api, **input_: Any) -> dict[str, Any]:
    """Return the response of createTask to an input that is valid except for the test's changes."""
    right = {"name": "report", "trigger": {"interval": {"everyMs": 60_000}}, "action": {"url": "http://localhost/"}}
    made: dict[str, Any] = (await api.data(CREATE, input=right | input_))["createTask"]
    return made


async def problems(api: Api, **input_: Any) -> dict[str, str]:
    """Return the problems that createTask reports, by path."""
    answer = await create(api, **input_)
    assert answer["__typename"] == "InvalidInput", answer
    return {".".join(problem["path"]): problem["message"] for problem in answer["problems"]}


async def test_created_task_is_shown_whole(api: Api) -> None:
    """Every field of a task comes back as it was given."""
    task = await create(
        api,
        name="  Daily report ",
        trigger={
            "cron": {
                "expression": "0 9 * * mon-fri",
                "timezone": "Europe/Berlin",
                "startAt": "2100-01-04T00:00:00.123456+01:00",
                "endAt": "2100-01-31T00:00:00Z",
                "jitterMs": 1500,
            }
        },
        action={
            "method": "PUT",
            "url": "http://LOCALHOST:8080/report?x=1",
            "headers": [{"name": "X-Team", "value": " blue "}, {"name": "Idempotency-Key", "value": "mine"}],
            "payload": {"a": [1, 2.5, None, True, "ü"]},
            "timeoutMs": 1000,
            "redirects": 2,
        },
        retry={"maxAttempts": 5, "initialDelayMs": 10, "factor": 1.5, "maxDelayMs": 1000},
        tags=["reports", "daily"],
    )
    headers = task["action"].pop("headers")
    assert headers == [{"name": "X-Team", "value": "blue"}, {"name": "Idempotency-Key", "value": "mine"}]
    assert task.pop("id")
    assert task.pop("createdAt") == task.pop("updatedAt")
    description = task["trigger"].pop("description")
    assert "09:00" in description
    assert "Europe/Berlin" in description
    assert task == {
        "__typename": "Task",
        "name": "Daily report",
        "status": "SCHEDULED",
        "tags": ["reports", "daily"],
        "version": 1,
        "nextRunAt": "2100-01-04T08:00:00Z",
        "upcoming": ["2100-01-04T08:00:00Z", "2100-01-05T08:00:00Z"],
        "trigger": {
            "expression": "0 9 * * mon-fri",
            "timezone": "Europe/Berlin",
            "startAt": "2100-01-03T23:00:00.123456Z",
            "endAt": "2100-01-31T00:00:00Z",
            "jitterMs": 1500,
        },
        "action": {
            "method": "PUT",
            "url": "http://LOCALHOST:8080/report?x=1",
            "payload": {"a": [1, 2.5, None, True, "ü"]},
            "timeoutMs": 1000,
            "redirects": 2,
        },
        "retry": {"maxAttempts": 5, "initialDelayMs": 10, "factor": 1.5, "maxDelayMs": 1000},
        "lastRun": None,
        "runs": {"totalCount": 0, "totalCountCapped": False, "nodes": [], "edges": []},
    }


async def test_headers_keep_the_order_in_which_they_were_given(api: Api) -> None:
    """Headers keep their order when read again, after another change, and for runs of an earlier version."""
    read = "query ($id: ID!) { task(id: $id) { action { headers { name } } lastRun { action { headers { name } } } } }"
    update = """
    mutation ($id: ID!, $action: UpdateHttpActionInput!) {
      updateTask(id: $id, input: { action: $action }) { ... on Task { version action { headers { name } } } }
    }
    """
    names = ["X-Long-Name", "X-Name", "B", "A"]
    headers = [{"name": name, "value": "1"} for name in names]
    task = await create(api, action={"url": "http://localhost/", "headers": headers})
    assert [header["name"] for header in task["action"]["headers"]] == names
    shown = [{"name": name} for name in names]
    assert (await api.data(read, id=task["id"]))["task"]["action"]["headers"] == shown

    await api.data("mutation ($id: ID!) { runTask(id: $id) { __typename } }", id=task["id"])
    slower = {"version": 2, "action": {"headers": shown}}
    assert (await api.data(update, id=task["id"], action={"timeoutMs": 1}))["updateTask"] == slower
    assert (await api.data(update, id=task["id"], action={"headers": headers}))["updateTask"] == slower

    turned = {"version": 3, "action": {"headers": shown[::-1]}}
    assert (await api.data(update, id=task["id"], action={"headers": headers[::-1]}))["updateTask"] == turned
    again = (await api.data(read, id=task["id"]))["task"]
    assert again == {"action": {"headers": shown[::-1]}, "lastRun": {"action": {"headers": shown}}}


async def test_defaults_are_the_contracts(api: Api) -> None:
    """An input with only the required members gets the documented defaults."""
    task = await create(api)
    assert task["action"] == {
        "method": "GET",
        "url": "http://localhost/",
        "headers": [],
        "payload": None,
        "timeoutMs": 30_000,
        "redirects": 0,
    }
    assert task["retry"] == {"maxAttempts": 3, "initialDelayMs": 5_000, "factor": 2.0, "maxDelayMs": 300_000}
    assert task["tags"] == []


async def test_interval_begins_one_period_after_its_creation(api: Api) -> None:
    """An absent startAt becomes creation + everyMs, and is shown."""
    task = await create(api, trigger={"interval": {"everyMs": 3_600_000}})
    assert task["trigger"]["start"] == task["nextRunAt"] == task["upcoming"][0]
    assert task["trigger"]["everyMs"] == 3_600_000


async def test_one_off_is_due_once(api: Api) -> None:
    """A one-off has one upcoming instant, in UTC."""
    task = await create(api, trigger={"oneOff": {"at": "2100-01-01T00:00:00.000001+05:30"}})
    assert task["trigger"] == {"at": "2099-12-31T18:30:00.000001Z"}
    assert task["upcoming"] == [task["nextRunAt"]] == ["2099-12-31T18:30:00.000001Z"]


async def test_row_has_what_the_engine_needs(api: Api) -> None:
    """The row has the host by which slots are shared, and the instant at which it is due, with jitter."""
    task = await create(
        api,
        trigger={"interval": {"everyMs": 60_000, "jitterMs": 5_000}},
        action={"url": "https://EXAMPLE.com/", "method": "HEAD"},
    )
    row: Task = await task_of(api.engine, task["id"])
    assert row.host == "example.com:443"
    assert row.next_run is not None
    assert row.due_at is not None
    assert 0 <= (row.due_at - row.next_run).total_seconds() <= 5


async def test_all_problems_are_told_at_once(api: Api) -> None:
    """Each wrong field has its own problem, with its path from the root of the input."""
    found = await problems(
        api,
        name=" \t ",
        trigger={"oneOff": {"at": "2001-01-01T00:00:00Z"}},
        action={
            "url": "ftp://example.com",
            "headers": [{"name": "Host", "value": "x"}, {"name": "X-A"}, {"name": "x-a", "value": "a\nb"}],
            "payload": "\0",
            "timeoutMs": 0,
            "redirects": 6,
        },
        retry={"maxAttempts": 0, "factor": 0.5},
        tags=["", "b", "b"],
    )
    assert found.keys() == {
        "name",
        "trigger.oneOff.at",
        "action.url",
        "action.headers.0.name",
        "action.headers.1.value",
        "action.headers.2.name",
        "action.headers.2.value",
        "action.payload",
        "action.timeoutMs",
        "action.redirects",
        "retry.maxAttempts",
        "retry.factor",
        "tags.0",
        "tags.2",
    }


async def test_triggers_are_refused_by_their_members(api: Api) -> None:
    """A trigger's problem names the wrong member."""
    largest = 2**53 - 1
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"cron": {"expression": "61 * * * *"}}, "trigger.cron.expression"),
        ({"cron": {"expression": "0 0 30 2 *"}}, "trigger.cron.expression"),
        ({"cron": {"expression": "* * * * *", "timezone": "Europe/Berlinn"}}, "trigger.cron.timezone"),
        ({"interval": {"everyMs": 999}}, "trigger.interval.everyMs"),
        ({"interval": {"everyMs": largest}}, "trigger.interval.everyMs"),
        ({"interval": {"everyMs": 1000, "jitterMs": largest}}, "trigger.interval.jitterMs"),
    ]
    for trigger, path in wrong:
        assert path in await problems(api, trigger=trigger)


async def test_nothing_is_saved_of_what_is_refused(api: Api) -> None:
    """A refused task leaves no row."""
    await problems(api, name="")
    assert (await api.data("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0


async def test_malformed_input_is_no_request(api: Api) -> None:
    """Input that GraphQL's types exclude is an error of the request, reported before anything runs, and not masked."""
    for literal in (
        '{oneOff: {at: "2100-01-01T00:00:00Z"}, interval: {everyMs: 1000}}',
        "{}",
        "{oneOff: null}",
        '{oneOff: {at: "2100-01-01T00:00:00"}}',
        '{oneOff: {at: "2100-02-30T00:00:00Z"}}',
        '{oneOff: {at: "9999-12-31T23:59:59-01:00"}}',
        "{oneOff: {at: 4102444800}}",
        "{interval: {everyMs: -1}}",
        "{interval: {everyMs: 1.5}}",
    ):
        made = f'createTask(input: {{name: "a", trigger: {literal}, action: {{url: "http://a"}}}}) {{ __typename }}'
        answer = await api.ask(f"mutation {{ {made} }}")
        assert "data" not in answer
        assert all("Internal" not in error["message"] for error in answer["errors"])


BIG = 9 * 10**4_000 + 7


async def test_big_integers_keep_every_digit(api: Api) -> None:
    """Large integers keep every digit in variables, literals and responses, also inside objects and lists."""
    payload = {"n": BIG, "list": [-BIG, 2**53 + 1], "text": "1"}
    made = await create(api, action={"url": "http://a", "payload": payload})
    assert made["action"]["payload"] == payload
    answer = await api.data(
        f'mutation {{ createTask(input: {{name: "a", trigger: {{interval: {{everyMs: 1000}}}}, '
        f'action: {{url: "http://a", payload: {{n: {BIG}, f: 0.1, s: "x", b: false, z: null}}}}}}) '
        "{ ... on Task { id action { payload } } } }"
    )
    assert answer["createTask"]["action"]["payload"] == {"n": BIG, "f": 0.1, "s": "x", "b": False, "z": None}
    again = await api.data("query ($id: ID!) { task(id: $id) { action { payload } } }", id=answer["createTask"]["id"])
    assert again["task"]["action"]["payload"]["n"] == BIG


async def test_payloads_that_cannot_be_kept_are_refused(api: Api) -> None:
    """A payload that cannot be stored is refused with the reason."""
    deep = "[" * 150 + "]" * 150
    for literal in (
        "{a: $nothing}",
        "1" + "0" * 4_300,
        '"\\u0000"',
        deep,
    ):
        action = f'{{url: "http://a", payload: {literal}}}'
        made = f'createTask(input: {{name: "a", trigger: {{interval: {{everyMs: 1000}}}}, action: {action}}})'
        head = "mutation ($nothing: JSON)" if "$" in literal else "mutation"
        answer = await api.data(f"{head} {{ {made} {{ ... on InvalidInput {{ problems {{ path message }} }} }} }}")
        [problem] = answer["createTask"]["problems"]
        assert problem["path"] == ["action", "payload"], literal
    # A document is shorter than the largest payload; variables are not.
    largest = 256 * 1024 - len('""')
    for length, path in ((largest, None), (largest + 1, "action.payload")):
        answer = await create(api, action={"url": "http://a", "payload": "x" * length})
        assert [".".join(problem["path"]) for problem in answer.get("problems", [])] == ([path] if path else [])


async def test_unknown_ids(api: Api) -> None:
    """An unknown id returns null, and a malformed one an error with a code."""
    assert await api.data("query ($id: ID!) { task(id: $id) { id } run(id: $id) { id } }", id=str(uuid4())) == {
        "task": None,
        "run": None,
    }
    for query in (
        "{ task(id: 7) { id } }",
        '{ run(id: "x") { id } }',
        '{ runs(filter: {taskId: ""}) { nodes { id } } }',
    ):
        assert await api.code(query) == "INVALID_ID"
    assert await api.code('mutation { cancelTask(id: "x") { __typename } }') == "INVALID_ID"
    assert (await api.data(CANCEL, id=str(uuid4())))["cancelTask"]["__typename"] == "NotFound"


async def test_cancel_ends_the_schedule_for_good(api: Api) -> None:
    """Cancelling cancels waiting runs, each with an event; a running one finishes, and the history is kept."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    states = [RunState.SUCCEEDED, RunState.RETRYING, RunState.QUEUED, RunState.RUNNING]
    runs = [run_of(task, scheduled_for=ago(4 - hours), state=state) for hours, state in enumerate(states)]
    await save(api.engine, task)
    await save(api.engine, *runs)
    cursor = (await api.data("{ runEventsCursor }"))["runEventsCursor"]

    cancelled = (await api.data(CANCEL, id=str(task.id)))["cancelTask"]

    assert (cancelled["status"], cancelled["nextRunAt"], cancelled["upcoming"]) == ("CANCELLED", None, [])
    assert cancelled["version"] == 2
    assert [(run["state"], run["success"]) for run in cancelled["runs"]["nodes"]] == [
        ("RUNNING", None),
        ("CANCELLED", None),
        ("CANCELLED", False),
        ("SUCCEEDED", True),
    ]
    async with api.socket() as socket:
        subscription = await socket.subscribe(
            "subscription ($after: String) { runEvents(after: $after) { ... on RunEvent { type runId state } } }",
            after=cursor,
        )
        messages = await subscription.take(2)
    assert {event["runId"] for event in messages} == {str(runs[1].id), str(runs[2].id)}
    assert {(event["type"], event["state"]) for event in messages} == {("CANCELLED", "CANCELLED")}

    assert (await api.data(CANCEL, id=str(task.id)))["cancelTask"] == cancelled


async def test_completed_task_can_be_cancelled(api: Api) -> None:
    """A completed task can be cancelled, so that it cannot be scheduled again by accident."""
    task = one_off("http://localhost/", ago(1), status=TaskStatus.COMPLETED, next_run=None, due_at=None)
    await save(api.engine, task)
    assert (await api.data(CANCEL, id=str(task.id)))["cancelTask"]["status"] == "CANCELLED"


async def test_paused_task_shows_what_would_come(api: Api) -> None:
    """While a task is paused, upcoming shows what the instants would be, and nextRunAt is null."""
    start = utc_now().replace(microsecond=0) + HOUR
    task = every("http://localhost/", HOUR, start, status=TaskStatus.PAUSED, next_run=None, due_at=None)
    await save(api.engine, task)
    found = await api.data("query ($id: ID!) { task(id: $id) { nextRunAt upcoming(count: 1) } }", id=str(task.id))
    assert found["task"] == {"nextRunAt": None, "upcoming": [start.isoformat().replace("+00:00", "Z")]}


async def test_upcoming_is_bounded(api: Api) -> None:
    """At most 100 instants are returned."""
    await save(api.engine, task := every("http://localhost/", HOUR, utc_now() + HOUR))
    query = "query ($id: ID!, $count: Int!) { task(id: $id) { upcoming(count: $count) } }"
    for number in (-1, 101):
        assert await api.code(query, id=str(task.id), count=number) == "INVALID_PAGE"


async def test_preview_creates_nothing(api: Api) -> None:
    """A preview returns the instants after an instant and a description, or what is wrong, and creates nothing."""
    query = """
    query ($trigger: TriggerInput!, $count: Int!) {
      previewTrigger(trigger: $trigger, count: $count, after: "2030-01-01T00:00:00Z") {
        ... on TriggerPreview { instants description }
        ... on InvalidInput { problems { path message } }
      }
    }
    """
    trigger = {"cron": {"expression": "0 0 1 * *"}}
    shown = (await api.data(query, trigger=trigger, count=2))["previewTrigger"]
    assert shown["instants"] == ["2030-02-01T00:00:00Z", "2030-03-01T00:00:00Z"]
    assert shown["description"]
    wrong = (await api.data(query, trigger={"cron": {"expression": "x"}}, count=2))["previewTrigger"]
    assert wrong["problems"][0]["path"] == ["trigger", "cron", "expression"]
    assert (await api.data(query, trigger=trigger, count=101))["previewTrigger"]["problems"][0]["path"] == ["count"]
    assert (await api.data("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0
