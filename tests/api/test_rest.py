"""/api/v1, rule by rule as clients of the service before Duetime know it."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from db.models import Task, utc_now
from db.states import BodyEncoding, RunState, TaskStatus, TriggerType
from tests.support.engine import every, one_off, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rest import ALWAYS, CRON, ONE_OFF, TASKS, error, text


async def refusal(api: Api, **changes: Any) -> str:
    """Return why POST refuses a body that is valid except for the changes; `...` removes a member."""
    body = {name: value for name, value in (CRON | changes).items() if value is not ...}
    return error(await api.http.post(TASKS, content=json.dumps(body)))


async def test_one_off_is_created(api: Api) -> None:
    """A one-off is created with 201 and returned flat; empty members are left out."""
    answer = await api.http.post(TASKS, json=ONE_OFF)
    assert answer.status_code == 201
    task = answer.json()
    assert task.keys() == ALWAYS | {"trigger_time", "headers", "next_run", "state"}
    assert task["trigger_type"] == "one-off"
    assert task["trigger_time"] == task["next_run"] == "2100-01-01T08:00:00Z"
    assert (task["name"], task["method"], task["url"]) == ("Website Health Check", "GET", "http://localhost/get")
    assert task["headers"] == {"User-Agent": "TaskScheduler/1.0"}
    assert (task["status"], task["state"]) == ("scheduled", "scheduled")
    assert (await api.http.get(f"{TASKS}/{task['id']}")).json() == task


async def test_cron_is_created(api: Api) -> None:
    """A cron task is created; the payload comes back as the JSON text that was sent, the method in upper case."""
    task = (await api.http.post(TASKS, json=CRON)).json()
    assert (await api.http.get(f"{TASKS}/{task['id']}")).json() == task
    assert task.keys() == ALWAYS | {"cron_expr", "headers", "payload", "next_run", "state"}
    assert (task["trigger_type"], task["cron_expr"], task["method"]) == ("cron", "0 9 * * *", "POST")
    assert task["payload"] == json.dumps(CRON["action"]["payload"])
    assert task["next_run"].endswith("T09:00:00Z")


async def test_execution_defaults(api: Api) -> None:
    """The defaults are what the old service did: 30 s, 3 attempts, redirects followed."""
    task = await task_of(api.engine, (await api.http.post(TASKS, json=CRON)).json()["id"])
    assert (task.timeout_ms, task.max_attempts, task.redirects) == (30_000, 3, 5)
    more = CRON | {"retry": {"max_attempts": 7, "factor": 1, "initial_delay_ms": 1, "max_delay_ms": 2}}
    action = CRON["action"] | {"timeout_ms": 5, "redirects": 0}
    task = await task_of(api.engine, (await api.http.post(TASKS, json=more | {"action": action})).json()["id"])
    assert (task.timeout_ms, task.max_attempts, task.redirects, task.backoff_factor) == (5, 7, 0, 1.0)


async def test_content_type_and_unknown_members_do_not_matter(api: Api) -> None:
    """Content type and unknown members do not matter, because old clients send any."""
    body = json.dumps(CRON | {"extra": {"a": 1}, "action": CRON["action"] | {"more": 2}})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await api.http.post(TASKS, content=body, headers={"content-type": content_type})
        assert answer.status_code == 201


async def test_absent_and_null_are_alike(api: Api) -> None:
    """A null payload is no payload; null headers and {} are no headers."""
    nothing: tuple[Any, ...] = (None, {})
    for headers in nothing:
        action = {"method": "GET", "url": "http://localhost/", "headers": headers, "payload": None}
        task = (await api.http.post(TASKS, json=CRON | {"action": action})).json()
        assert "headers" not in task
        assert "payload" not in task


async def test_old_forms_of_cron(api: Api) -> None:
    """`TZ=` and `CRON_TZ=` become the task's time zone and `@every` an interval; both are shown in a form that is
    accepted.
    """
    for given, shown in (
        ("TZ=Europe/Berlin 0 9 * * *", "CRON_TZ=Europe/Berlin 0 9 * * *"),
        ("CRON_TZ=UTC 0 9 * * *", "0 9 * * *"),
        ("@daily", "@daily"),
        ("@every 10s", "@every 10s"),
        ("@every 1h30m", "@every 1h30m"),
        ("@every 3600s", "@every 1h"),
        ("@every 1h0m1.25s", "@every 1h1.25s"),
        ("@every 1.5s", "@every 1.5s"),
        ("@every 100ms", "@every 1s"),
        ("CRON_TZ=Europe/Berlin @every 1m", "@every 1m"),
    ):
        for text_ in (given, shown):
            trigger = {"type": "cron", "cron": text_}
            task = (await api.http.post(TASKS, json=CRON | {"trigger": trigger})).json()
            assert (task["trigger_type"], task["cron_expr"]) == ("cron", shown)
    zoned = {"type": "cron", "cron": "0 9 * * *", "timezone": "Asia/Kathmandu"}
    task = (await api.http.post(TASKS, json=CRON | {"trigger": zoned})).json()
    assert task["cron_expr"] == "CRON_TZ=Asia/Kathmandu 0 9 * * *"
    assert task["next_run"].endswith("T03:15:00Z")


async def test_messages_that_clients_match_on(api: Api) -> None:
    """The messages that clients match on are the old service's."""
    for trigger, message in (
        ({"type": "one-off"}, "datetime is required for one-off triggers"),
        ({"type": "one-off", "datetime": ""}, "datetime is required for one-off triggers"),
        ({"type": "one-off", "datetime": "2001-01-01T00:00:00Z"}, "datetime must be in the future"),
        ({"type": "cron"}, "cron expression is required for cron triggers"),
        ({"type": "cron", "cron": " "}, "cron expression is required for cron triggers"),
    ):
        assert await refusal(api, trigger=trigger) == message
    for cron in ("nope", "61 * * * *", "* * * * * *", "0 0 30 2 *", "@every", "@every 0s", "@every -1s", "@every x"):
        assert (await refusal(api, trigger={"type": "cron", "cron": cron})).startswith("invalid cron expression: ")


async def test_refusals_name_the_member(api: Api) -> None:
    """Every refusal names the member that is wrong."""
    action = {"method": "GET", "url": "http://localhost/"}
    for changes, expected in (
        ({"name": ...}, "name is required"),
        ({"name": None}, "name is required"),
        ({"name": ""}, "name is required"),
        ({"name": 1}, "name must be a string"),
        ({"name": " "}, "name: "),
        ({"name": "a\0b"}, "name: "),
        ({"name": "x" * 256}, "name: "),
        ({"trigger": ...}, "trigger is required"),
        ({"trigger": []}, "trigger must be an object"),
        ({"trigger": {}}, "trigger.type is required"),
        ({"trigger": {"type": "interval"}}, "invalid trigger type: "),
        ({"trigger": {"type": "one-off", "datetime": "2100-01-01T00:00:00"}}, "trigger.datetime: "),
        ({"trigger": {"type": "one-off", "datetime": 4102444800}}, "trigger.datetime must be "),
        ({"trigger": {"type": "cron", "cron": 5}}, "trigger.cron must be "),
        ({"trigger": {"type": "cron", "cron": "TZ=Nowhere/City 0 9 * * *"}}, "invalid cron expression: 'Nowhere"),
        ({"trigger": {"type": "cron", "cron": "* * * * *", "timezone": "Nowhere"}}, "trigger.timezone: 'Nowhere"),
        ({"action": ...}, "action is required"),
        ({"action": "x"}, "action must be an object"),
        ({"action": {"url": "http://a"}}, "action.method is required"),
        ({"action": {"method": "GET"}}, "action.url is required"),
        ({"action": action | {"method": "BREW"}}, "action.method: "),
        ({"action": action | {"url": "ftp://a"}}, "action.url: "),
        ({"action": action | {"url": "http://"}}, "action.url: "),
        ({"action": action | {"headers": []}}, "action.headers must be an object of strings"),
        ({"action": action | {"headers": {"A": 1}}}, "action.headers must be an object of strings"),
        ({"action": action | {"headers": {"A": "a\r\nB: c"}}}, "action.headers.A: "),
        ({"action": action | {"headers": {"Host": "a"}}}, "action.headers.Host: "),
        ({"action": action | {"payload": "\ud800"}}, "action.payload: "),
        ({"action": action | {"timeout_ms": 0}}, "action.timeout_ms: "),
        ({"action": action | {"timeout_ms": True}}, "action.timeout_ms must be "),
        ({"action": action | {"timeout_ms": 10**4000}}, "action.timeout_ms: "),
        ({"retry": 3}, "retry must be an object"),
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts: "),
        ({"retry": {"max_attempts": 10**400}}, "retry.max_attempts: "),
        ({"retry": {"max_delay_ms": 10**400}}, "retry.max_delay_ms: "),
        ({"retry": {"factor": 10**400}}, "retry.factor: "),
        ({"retry": {"factor": "2"}}, "retry.factor must be "),
    ):
        assert (await refusal(api, **changes)).startswith(expected), changes


async def test_bodies_that_are_no_json(api: Api) -> None:
    """Bodies that are not JSON get an error in the usual form, and never a 500."""
    right = json.dumps(CRON)
    for body in (
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        right.replace("Daily Report", "\xff").encode("latin-1"),
        right.replace('"name"', '"name": "a", "name"').encode(),
        right.replace('"daily"', "NaN").encode(),
        right.replace('"daily"', "1" * 4_301).encode(),
        right.replace('"daily"', "[" * 100_000 + "]" * 100_000).encode(),
        right.replace('"daily"', "[" * 200 + "]" * 200).encode(),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ):
        assert error(await api.http.post(TASKS, content=body))
    assert error(await api.http.post(TASKS, content=b" " * (1024 * 1024 + 1)), 413)

    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    assert error(await api.http.post(TASKS, content=chunks()), 413)


async def test_big_integers_keep_every_digit(api: Api) -> None:
    """Large integers keep every digit in both directions."""
    number = 7 * 10**4_000 + 1
    body = json.dumps(CRON).replace('"daily"', str(number))
    task = (await api.http.post(TASKS, content=body)).json()
    assert json.loads(task["payload"])["report_type"] == number


async def test_ids(api: Api) -> None:
    """A malformed id is 400 and an unknown one 404, on every path."""
    for path, methods in (("", ("GET", "DELETE")), ("/results", ("GET",))):
        for method in methods:
            for wrong in ("x", "1", "{" + str(uuid4()) + "}", f"urn:uuid:{uuid4()}", "%00"):
                answer = await api.http.request(method, f"{TASKS}/{wrong}{path}")
                assert error(answer) == "Invalid task ID"
            answer = await api.http.request(method, f"{TASKS}/{uuid4()}{path}")
            assert error(answer, 404) == "Task not found"


async def test_cancel_keeps_the_task(api: Api) -> None:
    """Cancelling returns 200 with a message, repeatedly, also for a completed task."""
    scheduled = (await api.http.post(TASKS, json=CRON)).json()
    done = one_off("http://localhost/", ago(1), status=TaskStatus.COMPLETED, next_run=None, due_at=None)
    await save(api.engine, done)
    for task_id in (scheduled["id"], scheduled["id"], str(done.id)):
        answer = await api.http.delete(f"{TASKS}/{task_id}")
        assert (answer.status_code, answer.json()) == (200, {"message": "Task cancelled successfully"})
        task = (await api.http.get(f"{TASKS}/{task_id}")).json()
        assert task["status"] == "cancelled"
        assert "next_run" not in task


async def test_list_is_paged_newest_first(api: Api) -> None:
    """`page` and `limit` have defaults; an empty list is [] with no pages."""
    empty = (await api.http.get(TASKS)).json()
    assert empty == {"tasks": [], "pagination": {"page": 1, "limit": 10, "total": 0, "total_pages": 0}}
    rows = [
        every("http://a/", HOUR, utc_now() + HOUR, name=str(number), created_at=ago(1) - timedelta(minutes=number))
        for number in range(21)
    ]
    await save(api.engine, *rows)
    for query, page, limit, first, length in (
        ("", 1, 10, "0", 10),
        ("page=2", 2, 10, "10", 10),
        ("page=3", 3, 10, "20", 1),
        ("page=4", 4, 10, None, 0),
        ("page=2&limit=20", 2, 20, "20", 1),
        ("limit=100", 1, 100, "0", 21),
        ("limit=101", 1, 10, "0", 10),
        ("limit=0", 1, 10, "0", 10),
        ("limit=x&page=y", 1, 10, "0", 10),
        ("limit=5.0&page=-1", 1, 10, "0", 10),
        ("limit=%2B5&page=%2B2", 2, 5, "5", 5),
        ("page=1_0&limit=%205", 1, 10, "0", 10),
        ("page=0", 1, 10, "0", 10),
        ("page=%D9%A3", 1, 10, "0", 10),
        ("page=999999999999999999&limit=100", 999999999999999999, 100, None, 0),
        ("page=9223372036854775807", 9223372036854775807, 10, None, 0),
        ("page=9223372036854775808", 1, 10, "0", 10),
        ("page=99999999999999999999999999", 1, 10, "0", 10),
    ):
        found = (await api.http.get(f"{TASKS}?{query}")).json()
        assert found["pagination"] == {"page": page, "limit": limit, "total": 21, "total_pages": -(-21 // limit)}, query
        assert [task["name"] for task in found["tasks"]][:1] == ([first] if first else []), query
        assert len(found["tasks"]) == length


async def test_list_is_filtered_by_status(api: Api) -> None:
    """A paused task counts as scheduled, with its exact state beside it; an unknown status is refused."""
    ended: dict[str, Any] = {"next_run": None, "due_at": None}
    await save(
        api.engine,
        every("http://a/", HOUR, utc_now() + HOUR, name="on"),
        every("http://a/", HOUR, utc_now() + HOUR, name="paused", status=TaskStatus.PAUSED, **ended),
        one_off("http://a/", ago(1), name="done", status=TaskStatus.COMPLETED, **ended),
        one_off("http://a/", ago(1), name="off", status=TaskStatus.CANCELLED, **ended),
    )
    for status, names in (
        ("scheduled", {"on", "paused"}),
        ("completed", {"done"}),
        ("cancelled", {"off"}),
        ("", {"on", "paused", "done", "off"}),
    ):
        found = (await api.http.get(f"{TASKS}?status={status}")).json()["tasks"]
        assert {task["name"] for task in found} == names
        assert {task["status"] for task in found} <= {status or task["status"] for task in found}
    paused = next(task for task in (await api.http.get(TASKS)).json()["tasks"] if task["name"] == "paused")
    assert (paused["status"], paused["state"]) == ("scheduled", "paused")
    assert "scheduled, completed, cancelled" in error(await api.http.get(f"{TASKS}?status=paused"))


async def test_results_are_finished_runs_that_began(api: Api) -> None:
    """There is one result for each run after its last attempt, newest start first, and none for runs without an
    attempt.
    """
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    failed = run_of(
        task,
        scheduled_for=ago(5),
        state=RunState.FAILED,
        error_message="refused",
        duration_ms=3,
        response_headers=[["x-a", "1"], ["B", "2"], ["X-A", "3"]],
    )
    worked = run_of(
        task, scheduled_for=ago(4), status_code=201, response_body="ok", duration_ms=40, response_headers={"C": "4"}
    )
    unknown = run_of(task, scheduled_for=ago(3), state=RunState.UNKNOWN)
    none = [RunState.SKIPPED, RunState.MISSED, RunState.QUEUED, RunState.RUNNING, RunState.RETRYING]
    await save(api.engine, task)
    await save(api.engine, failed, worked, unknown)
    await save(api.engine, *(run_of(task, scheduled_for=ago(2 - n / 9), state=state) for n, state in enumerate(none)))
    found = (await api.http.get(f"{TASKS}/{task.id}/results")).json()
    assert found["pagination"] == {"page": 1, "limit": 10, "total": 3, "total_pages": 1}
    assert [result["id"] for result in found["results"]] == [str(run.id) for run in (unknown, worked, failed)]
    shown = (await api.http.get(f"{TASKS}/{task.id}")).json()
    base = {"task_id": str(task.id), "task": shown}
    assert found["results"][0] == base | {
        "id": str(unknown.id),
        "run_at": text(unknown.scheduled_for),
        "status_code": None,
        "success": False,
        "duration_ms": None,
        "created_at": text(unknown.created_at),
    }
    assert found["results"][1] == base | {
        "id": str(worked.id),
        "run_at": text(worked.scheduled_for),
        "status_code": 201,
        "success": True,
        "duration_ms": 40,
        "created_at": text(worked.created_at),
        "response_body": "ok",
        "response_headers": {"C": "4"},
    }
    assert found["results"][2]["error_message"] == "refused"
    assert found["results"][2]["response_headers"] == {"X-A": "1, 3", "B": "2"}
    page = (await api.http.get(f"{TASKS}/{task.id}/results?limit=2&page=2")).json()
    assert [result["id"] for result in page["results"]] == [str(failed.id)]
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 3, "total_pages": 2}


async def test_long_bodies_are_cut(api: Api) -> None:
    """Bodies are truncated after 10,000 bytes, never within a character; binary bodies are shown as far as possible."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    await save(api.engine, task)
    bodies: list[dict[str, Any]] = [
        {"response_body": "x" * 10_000},
        {"response_body": "x" * 10_001},
        {"response_body": "x" * 9_999 + "ü"},
        {"response_body": "/w==", "body_encoding": BodyEncoding.BASE64},
        {"response_body": ""},
    ]
    await save(api.engine, *(run_of(task, scheduled_for=ago(9 - hour), **body) for hour, body in enumerate(bodies)))
    found = (await api.http.get(f"{TASKS}/{task.id}/results")).json()["results"]
    assert [result.get("response_body") for result in reversed(found)] == [
        "x" * 10_000,
        "x" * 10_000 + "... (truncated)",
        "x" * 9_999 + "... (truncated)",
        "\ufffd",
        None,
    ]


async def test_other_methods_and_paths(api: Api) -> None:
    """A wrong method gets 405 with the allowed ones, an unknown path 404, both in the form of errors."""
    some = f"{TASKS}/{uuid4()}"
    for method, path, allowed in (
        ("PUT", TASKS, "GET, HEAD, POST"),
        ("DELETE", TASKS, "GET, HEAD, POST"),
        ("POST", some, "DELETE, GET, HEAD, PUT"),
        ("POST", f"{some}/results", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ):
        answer = await api.http.request(method, path)
        assert error(answer, 405)
        assert answer.headers["allow"] == allowed
    for path in ("/nope", "/api/v1/", "/api/v1/nope", f"{some}/nope", "/graphql/nope"):
        assert error(await api.http.get(path), 404)


async def test_both_apis_show_one_task(api: Api) -> None:
    """GraphQL reads what REST creates, and the other way round."""
    made = (await api.http.post(TASKS, json=CRON)).json()
    query = "query ($id: ID!) { task(id: $id) { name action { redirects payload } trigger { __typename } } }"
    assert (await api.data(query, id=made["id"]))["task"] == {
        "name": "Daily Report",
        "action": {"redirects": 5, "payload": CRON["action"]["payload"]},
        "trigger": {"__typename": "CronTrigger"},
    }
    row: Task = await task_of(api.engine, made["id"])
    assert row.trigger_type == TriggerType.CRON
