"""PUT /api/v1/tasks/{id}, rule by rule as clients of the service before Duetime know it."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from db.models import Task, utc_now
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, TaskStatus
from tests.support.engine import every, one_off, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago
from tests.support.rest import ALWAYS, CRON, FUTURE, ONE_OFF, TASKS, error

PLAIN = {"method": "GET", "url": "http://localhost/plain"}


async def make(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    """Return a new task in its final form: Postgres has its own order of a payload's members."""
    made = (await api.http.post(TASKS, json=body)).json()
    task: dict[str, Any] = (await api.http.get(f"{TASKS}/{made['id']}")).json()
    return task


async def put(api: Api, task: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the task after an accepted change, and check that GET shows the same."""
    answer = await api.http.put(f"{TASKS}/{task['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    assert (await api.http.get(f"{TASKS}/{task['id']}")).json() == changed
    return changed


async def test_what_is_not_given_stays(api: Api) -> None:
    """`name`, `trigger` and `action` change independently; null counts as absent."""
    task = await make(api, CRON)
    renamed = await put(api, task, name="Other", trigger=None, action=None)
    assert renamed == task | {"name": "Other", "updated_at": renamed["updated_at"]}
    assert renamed["updated_at"] > task["updated_at"]
    moved = await put(api, task, trigger={"type": "cron", "cron": "30 6 * * *"}, name=None)
    assert moved["cron_expr"] == "30 6 * * *"
    assert moved["next_run"].endswith("T06:30:00Z")
    assert [moved[name] for name in ("name", "method", "url", "payload")] == [
        renamed[name] for name in ("name", "method", "url", "payload")
    ]
    assert await put(api, task) == moved


async def test_an_action_is_replaced_whole(api: Api) -> None:
    """An action without headers or payload clears them."""
    task = await make(api, CRON)
    changed = await put(api, task, action=PLAIN)
    assert changed.keys() == ALWAYS | {"cron_expr", "next_run", "state"}
    assert (changed["method"], changed["url"]) == ("GET", "http://localhost/plain")
    again = await put(api, task, action=PLAIN | {"headers": {"A": "b"}, "payload": [1]})
    assert (again["headers"], again["payload"]) == ({"A": "b"}, "[1]")
    cleared = await put(api, task, action=PLAIN | {"headers": None, "payload": None})
    assert cleared.keys() == changed.keys()


async def test_a_trigger_is_replaced_whole(api: Api) -> None:
    """A trigger replaces the old one with its type, and clears the columns of the other type."""
    task = await make(api, CRON)
    once = await put(api, task, trigger={"type": "one-off", "datetime": FUTURE})
    assert once["trigger_type"] == "one-off"
    assert once["trigger_time"] == once["next_run"] == "2100-01-01T08:00:00Z"
    assert "cron_expr" not in once
    for cron in ("0 9 * * *", "@every 1h30m", "CRON_TZ=Europe/Berlin 0 9 * * *"):
        recurring = await put(api, task, trigger={"type": "cron", "cron": cron})
        assert (recurring["trigger_type"], recurring["cron_expr"]) == ("cron", cron)
        assert "trigger_time" not in recurring


async def test_get_followed_by_put_changes_nothing(api: Api) -> None:
    """A client that sends back what it was shown changes nothing, however the task was created."""
    period, at = timedelta(seconds=90), {"host": "localhost:80"}
    rows = [
        every("http://localhost/", period, ago(1), end_at=ago(-9), jitter_ms=1000, timeout_ms=7, redirects=0, **at),
        every(
            "http://localhost/",
            timedelta(milliseconds=1_250),
            ago(-1),
            headers={"A": "b"},
            payload={"a": [1, "ü"]},
            **at,
        ),
        one_off("http://localhost/", ago(1), status=TaskStatus.COMPLETED, next_run=None, due_at=None, **at),
    ]
    await save(api.engine, *rows)
    shown = [(await api.http.get(f"{TASKS}/{row.id}")).json() for row in rows]
    triggers = ("TZ=Europe/Berlin 0 9 * * *", "@daily", "@every 10s", "*/5 * * * *")
    shown += [await make(api, CRON | {"trigger": {"type": "cron", "cron": cron}}) for cron in triggers]
    shown.append(await make(api, ONE_OFF))
    for task in shown:
        before = await task_of(api.engine, UUID(task["id"]))
        trigger = {"type": task["trigger_type"], "cron": task.get("cron_expr"), "datetime": task.get("trigger_time")}
        action = {name: task.get(name) for name in ("method", "url", "headers")}
        action["payload"] = json.loads(task["payload"]) if "payload" in task else None
        for changes in ({"name": task["name"], "trigger": trigger, "action": action}, task):
            put_back = await put(api, task, **changes)
            # The next instant of an overdue task moves with the time.
            moves = {"next_run"} if before.due_at and before.due_at < utc_now() else set()
            assert {name: put_back[name] for name in put_back.keys() - moves} == {
                name: task[name] for name in task.keys() - moves
            }
        assert (await task_of(api.engine, before.id)).model_dump() == before.model_dump()


async def test_status_never_changes(api: Api) -> None:
    """A new trigger leaves a completed task completed, a cancelled one cancelled, and a paused one paused."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None}
    rows = [
        one_off("http://a/", ago(1), status=TaskStatus.COMPLETED, **ended),
        one_off("http://a/", ago(1), status=TaskStatus.CANCELLED, **ended),
        every("http://a/", HOUR, utc_now(), status=TaskStatus.PAUSED, resume_from=utc_now() + HOUR, **ended),
    ]
    await save(api.engine, *rows)
    for row, state in zip(rows, ("completed", "cancelled", "paused"), strict=True):
        for trigger in (ONE_OFF["trigger"], CRON["trigger"]):
            task = await put(api, {"id": str(row.id)}, trigger=trigger, name="new")
            assert task["state"] == state
            assert task["trigger_type"] == trigger["type"]
            assert "next_run" not in task


async def test_order_of_refusals(api: Api) -> None:
    """The id is checked first, then whether the task exists, then the body."""
    for body in (b"{", b'{"name": 1}'):
        assert error(await api.http.put(f"{TASKS}/x", content=body)) == "Invalid task ID"
        assert error(await api.http.put(f"{TASKS}/{uuid4()}", content=body), 404) == "Task not found"


async def test_what_is_given_is_validated_whole(api: Api) -> None:
    """The body is validated like a new task, with the same messages, and nothing changes."""
    task = await make(api, CRON)
    for changes, expected in (
        ([], "The request body must be a JSON object"),
        ({"name": ""}, "name: "),
        ({"name": 5}, "name must be a string"),
        ({"trigger": {}}, "trigger.type is required"),
        ({"trigger": {"cron": "0 9 * * *"}}, "trigger.type is required"),
        ({"trigger": {"type": "one-off"}}, "datetime is required for one-off triggers"),
        ({"trigger": {"type": "one-off", "datetime": "2001-01-01T00:00:00Z"}}, "datetime must be in the future"),
        ({"trigger": {"type": "cron"}}, "cron expression is required for cron triggers"),
        ({"trigger": {"type": "cron", "cron": "61 * * * *"}}, "invalid cron expression: "),
        ({"action": {"method": "GET"}}, "action.url is required"),
        ({"action": {"url": "http://a"}}, "action.method is required"),
        ({"action": PLAIN | {"headers": {"Host": "a"}}}, "action.headers.Host: "),
        ({"action": PLAIN | {"url": "ftp://a"}}, "action.url: "),
        ({"name": "new", "retry": {"max_attempts": 0}}, "retry.max_attempts: "),
        ({"name": "new", "overlap": "sometimes"}, "overlap must be one of allow, skip, queue"),
        ({"name": "new", "tags": [1]}, "tags must be an array of strings"),
        ({"name": "new", "tags": ["a", "a"]}, "tags.1: "),
    ):
        answer = await api.http.put(f"{TASKS}/{task['id']}", content=json.dumps(changes))
        assert error(answer).startswith(expected), changes
    assert (await api.http.get(f"{TASKS}/{task['id']}")).json() == task


async def test_additional_members(api: Api) -> None:
    """Members that Duetime adds can be set as well, and stay if a client does not send them."""
    more: dict[str, Any] = {
        "overlap": "QUEUE",
        "misfire": "all",
        "on_lost": "fail",
        "tags": ["a", "b"],
        "retry": {"max_attempts": 1},
    }
    action = PLAIN | {"timeout_ms": 5, "redirects": 0}
    task = await make(api, CRON | more | {"action": action})

    async def kept() -> Task:
        row = await task_of(api.engine, UUID(task["id"]))
        assert (row.overlap, row.misfire, row.on_lost) == (OverlapPolicy.QUEUE, MisfirePolicy.ALL, LostPolicy.FAIL)
        assert (row.tags, row.max_attempts, row.timeout_ms, row.redirects) == (["a", "b"], 1, 5, 0)
        return row

    await kept()
    await put(api, task, name="new", trigger={"type": "cron", "cron": "@hourly"}, action=PLAIN)
    assert (await kept()).name == "new"
    await put(api, task, overlap="skip", retry={"initial_delay_ms": 9}, action=PLAIN | {"timeout_ms": 6})
    row = await task_of(api.engine, UUID(task["id"]))
    assert (row.overlap, row.max_attempts, row.initial_delay_ms, row.timeout_ms) == (OverlapPolicy.SKIP, 3, 9, 6)


async def test_what_an_old_client_cannot_know_of_a_trigger_stays(api: Api) -> None:
    """Another cron text keeps start, end and jitter; null sets the default, and another kind has defaults."""
    more = {"start_at": "2099-01-01T00:00:00Z", "end_at": "2100-01-01T00:00:00Z", "jitter_ms": 700}
    task = await make(api, CRON | {"trigger": {"type": "cron", "cron": "0 9 * * *", **more}})
    assert {name: task[name] for name in more} == more
    respelled = await put(api, task, trigger={"type": "cron", "cron": "00 9 * * *"})
    assert respelled == task | {"cron_expr": "00 9 * * *", "updated_at": respelled["updated_at"]}
    calmed = await put(api, task, trigger={"type": "cron", "cron": "00 9 * * *", "jitter_ms": 0, "end_at": None})
    assert "jitter_ms" not in calmed
    assert "end_at" not in calmed
    assert calmed["start_at"] == more["start_at"]
    interval = await put(api, task, trigger={"type": "cron", "cron": "@every 10s"})
    assert not {"end_at", "jitter_ms"} & interval.keys()
    ended = await put(api, task, trigger={"type": "cron", "cron": "@every 10s", **more})
    longer = await put(api, task, trigger={"type": "cron", "cron": "@every 20s"})
    assert {name: longer[name] for name in more} == {name: ended[name] for name in more} == more


async def test_interval_that_is_put_again_keeps_its_instants(api: Api) -> None:
    """`@every` with the same duration changes nothing, and an interval without a start of its own shows none."""
    task = await make(api, CRON | {"trigger": {"type": "cron", "cron": "@every 90s"}})
    assert "start_at" not in task
    assert await put(api, task, trigger={"type": "cron", "cron": "@every 1m30s"}) == task


async def test_start_end_and_jitter_are_checked(api: Api) -> None:
    """They are checked as in GraphQL, for a new task and for an update, and a one-off has none of them."""
    task = await make(api, CRON)
    for trigger, expected in (
        ({"cron": "0 9 * * *", "end_at": "2001-01-01T00:00:00Z"}, "trigger.end_at: must be in the future"),
        (
            {"cron": "0 9 * * *", "start_at": "2100-01-02T00:00:00Z", "end_at": "2100-01-01T00:00:00Z"},
            "trigger.end_at: must not be before start_at",
        ),
        ({"cron": "0 9 * * *", "end_at": "soon"}, "trigger.end_at: "),
        ({"cron": "0 9 * * *", "start_at": 5}, "trigger.start_at must be an RFC 3339 instant"),
        ({"cron": "0 9 * * *", "jitter_ms": -1}, "trigger.jitter_ms: must be 0 or more"),
        ({"cron": "0 9 * * *", "jitter_ms": 10**40}, "trigger.jitter_ms: must be at most"),
        ({"cron": "0 9 * * *", "jitter_ms": "5"}, "trigger.jitter_ms must be a whole number"),
        ({"cron": "@every 2s", "jitter_ms": 2_001}, "trigger.jitter_ms: must be at most the duration of @every"),
        ({"cron": "* * * * *", "jitter_ms": 60_001}, "trigger.jitter_ms: must be at most 60000"),
        ({"type": "one-off", "datetime": FUTURE, "jitter_ms": 5}, "trigger.jitter_ms must be left out"),
        ({"type": "one-off", "datetime": FUTURE, "end_at": FUTURE}, "trigger.end_at must be left out"),
    ):
        body = {"trigger": {"type": "cron"} | trigger}
        assert error(await api.http.post(TASKS, json=CRON | body)).startswith(expected), trigger
        assert error(await api.http.put(f"{TASKS}/{task['id']}", json=body)).startswith(expected), trigger
    assert (await api.http.get(f"{TASKS}/{task['id']}")).json() == task


async def test_payload_that_is_sent_back_as_it_was_shown_stays(api: Api) -> None:
    """A payload is shown as text; the same text in a PUT is the payload itself, and any other string is a new one."""
    big = 10**30 + 7
    for payload in ({"b": [1, "ü", None], "a": 1.50}, [big], "text", '"quoted"', 5, False):
        body = json.dumps(CRON | {"action": PLAIN | {"payload": payload}})
        made = (await api.http.post(TASKS, content=body)).json()
        action = {name: made.get(name) for name in ("method", "url", "headers", "payload")}
        assert await put(api, made, action=action) == made
    changed = await put(api, made, action=PLAIN | {"payload": "other"})
    assert changed["payload"] == '"other"'
