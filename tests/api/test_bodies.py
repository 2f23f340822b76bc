"""Bodies of any kind, what counts as a success, and what is tried again: from the input to the bytes on the wire."""

from datetime import timedelta
from typing import Any

import pytest

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import working
from tests.support.graphql import Api
from tests.support.rest import CRON, TASKS
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  __typename
  ... on Task { id action { payload body bodyEncoding form { name value } successStatuses } }
  ... on InvalidInput { problems { path message } }
} }
"""
UPDATE = """
mutation ($id: ID!, $action: UpdateHttpActionInput!) { updateTask(id: $id, input: {action: $action}) {
  __typename
  ... on Task { version action { payload body bodyEncoding form { name value } successStatuses } }
  ... on InvalidInput { problems { path message } }
} }
"""
RUN = """
mutation ($id: ID!) { runTask(id: $id) { ... on Run { id } } }
"""
STATE = "query ($id: ID!) { run(id: $id) { state success statusCode errorMessage attempts { statusCode } } }"
FAR = {"oneOff": {"at": "2100-01-01T00:00:00Z"}}


async def created(api: Api, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a new task, or what is wrong with it."""
    task = {"name": "a task", "trigger": FAR, "action": action, **more}
    found: dict[str, Any] = (await api.data(CREATE, input=task))["createTask"]
    return found


async def run(api: Api, task_id: str) -> dict[str, Any]:
    """Run a task now, and return the run after its end."""
    run_id = (await api.data(RUN, id=task_id))["runTask"]["id"]
    seen: dict[str, Any] = {}

    async def ended() -> bool:
        seen.update((await api.data(STATE, id=run_id))["run"])
        return seen["state"] not in {"QUEUED", "RUNNING", "RETRYING"}

    await wait_until(ended, what="the run has ended")
    return seen


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("given", "shown", "data", "content_type"),
    [
        ({"payload": {"a": [1]}}, {"payload": {"a": [1]}}, b'{"a": [1]}', "application/json"),
        (
            {"body": "a=1&b=\u00fc\n"},
            {"body": "a=1&b=\u00fc\n"},
            "a=1&b=\u00fc\n".encode(),
            "text/plain; charset=utf-8",
        ),
        ({"body": ""}, {"body": ""}, b"", "text/plain; charset=utf-8"),
        (
            {"bodyBase64": "AP/+"},
            {"body": "AP/+", "bodyEncoding": "BASE64"},
            b"\x00\xff\xfe",
            "application/octet-stream",
        ),
        (
            {"form": [{"name": "a b", "value": "1&2"}, {"name": "a b", "value": "\u00fc+~*-._"}]},
            {"form": [{"name": "a b", "value": "1&2"}, {"name": "a b", "value": "\u00fc+~*-._"}]},
            b"a+b=1%262&a+b=%C3%BC%2B%7E*-._",
            "application/x-www-form-urlencoded",
        ),
    ],
    ids=["payload", "text", "empty text", "bytes", "form"],
)
async def test_a_body_is_sent_as_it_was_given(
    api: Api, target: Target, given: dict[str, Any], shown: dict[str, Any], data: bytes, content_type: str
) -> None:
    """It is shown in the form in which it was given, and sent byte for byte."""
    task = await created(api, {"method": "POST", "url": f"{target.url}/x", **given})
    nothing = {"payload": None, "body": None, "bodyEncoding": "UTF8", "form": None}
    assert task["action"] == {**nothing, **shown, "successStatuses": ["2xx"]}
    assert (await run(api, task["id"]))["state"] == "SUCCEEDED"
    [call] = target.calls
    assert (call.body, call.headers["content-type"]) == (data, content_type)


@pytest.mark.usefixtures("worker")
async def test_the_tasks_own_content_type_counts(api: Api, target: Target) -> None:
    """A Content-Type is only added where the task has none."""
    headers = [{"name": "content-type", "value": "text/csv"}]
    task = await created(api, {"method": "PUT", "url": f"{target.url}/x", "body": "a,b\r\n", "headers": headers})
    await run(api, task["id"])
    [call] = target.calls
    assert (call.body, call.headers["content-type"]) == (b"a,b\r\n", "text/csv")


@pytest.mark.parametrize(
    ("action", "path", "message"),
    [
        ({"payload": 1, "body": "x"}, ["body"], "is given beside payload; give at most one of"),
        ({"body": "x", "form": []}, ["form"], "is given beside body; give at most one of"),
        (
            {"body": "a\0"},
            ["body"],
            "contains NUL or half of a surrogate pair, which cannot be stored as text; send",
        ),
        ({"bodyBase64": "?"}, ["bodyBase64"], "is not base64 (RFC 4648, section 4, with padding)"),
        ({"body": "x" * 262_145}, ["body"], "takes 262,145 bytes; at most 262,144 are accepted"),
        ({"form": [{"name": "a", "value": "\0"}]}, ["form", "0", "value"], "contains NUL"),
        (
            {"successStatuses": ["ok"]},
            ["successStatuses", "0"],
            "'ok' is not a status; write '2xx', '404' or",
        ),
        (
            {"successStatuses": ["2xx", "700"]},
            ["successStatuses", "1"],
            "'700' is out of range; statuses are 200 to",
        ),
        ({"successStatuses": []}, ["successStatuses"], "is empty, so no response could be a success"),
    ],
)
async def test_a_wrong_body_is_refused(api: Api, action: dict[str, Any], path: list[str], message: str) -> None:
    """The message names the member, says what is wrong with it and what would be right."""
    refused = await created(api, {"url": "http://localhost/", **action})
    [problem] = refused["problems"]
    assert problem["path"] == ["action", *path]
    assert problem["message"].startswith(message)


async def test_a_new_body_replaces_the_old_one(api: Api) -> None:
    """So does one of another kind; null and absence keep it, and `clearBody` removes it."""
    task = await created(api, {"url": "http://localhost/", "payload": [1]})

    async def update(**action: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await api.data(UPDATE, id=task["id"], action=action))["updateTask"]
        return found

    assert (await update(body="x"))["action"] | {"successStatuses": ...} == {
        "payload": None,
        "body": "x",
        "bodyEncoding": "UTF8",
        "form": None,
        "successStatuses": ...,
    }
    assert (await update(body="x"))["version"] == 2
    assert (await update(form=[{"name": "a", "value": "b"}]))["action"]["body"] is None
    kept = await update(body=None, payload=None, successStatuses=["404"])
    assert kept["action"]["form"] == [{"name": "a", "value": "b"}]
    assert kept["action"]["successStatuses"] == ["404"]
    assert (await update(clearBody=True))["action"]["form"] is None
    refused = await update(clearBody=True, body="x")
    assert refused["problems"] == [
        {"path": ["action", "clearBody"], "message": "is given beside a body; give one of them"}
    ]


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("statuses", "answer", "succeeds"),
    [
        (["2xx"], 204, True),
        (["2xx"], 404, False),
        (["404", "2xx"], 404, True),
        (["200-204"], 205, False),
        (["3xx"], 302, True),
        (["404"], 200, False),
    ],
)
async def test_the_task_says_what_is_a_success(
    api: Api, target: Target, statuses: list[str], answer: int, *, succeeds: bool
) -> None:
    """Any other answer fails, and says which status it had."""
    url = target.responds("/x", CannedResponse(status=answer, body=b""))
    task = await created(api, {"url": url, "successStatuses": statuses}, retry={"maxAttempts": 1})
    ended = await run(api, task["id"])
    assert (ended["state"], ended["success"], ended["statusCode"]) == (
        "SUCCEEDED" if succeeds else "FAILED",
        succeeds,
        answer,
    )
    assert ended["errorMessage"] == (None if succeeds else f"the target answered {answer}")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("retry", "answer", "attempts"),
    [
        ({}, 404, 2),
        ({"retryStatuses": ["5xx", "429"]}, 404, 1),
        ({"retryStatuses": ["5xx", "429"]}, 503, 2),
        ({}, 410, 1),
        ({"retryStatuses": ["4xx"]}, 410, 2),
        ({"retryStatuses": []}, 500, 1),
        ({"maxElapsedMs": 0}, 500, 1),
        ({"maxElapsedMs": 60_000}, 500, 2),
    ],
)
async def test_the_task_says_what_is_tried_again(
    api: Api, target: Target, retry: dict[str, Any], answer: int, attempts: int
) -> None:
    """No attempt follows an answer of another status, or begins later than the policy allows."""
    url = target.responds("/x", CannedResponse(status=answer))
    policy = {"maxAttempts": 2, "initialDelayMs": 10, **retry}
    ended = await run(api, (await created(api, {"url": url}, retry=policy))["id"])
    assert [attempt["statusCode"] for attempt in ended["attempts"]] == [answer] * attempts


@pytest.mark.usefixtures("worker")
async def test_a_call_without_an_answer_is_always_tried_again(api: Api, target: Target) -> None:
    """`retryStatuses` is about answers."""
    url = target.responds("/x", CannedResponse(drops=True))
    policy = {"maxAttempts": 2, "initialDelayMs": 10, "retryStatuses": []}
    ended = await run(api, (await created(api, {"url": url}, retry=policy))["id"])
    assert len(ended["attempts"]) == 2


@pytest.mark.usefixtures("worker")
async def test_rest_takes_and_shows_the_same(api: Api, target: Target) -> None:
    """A body of any kind is taken and shown; an old client that changes the rest of an action leaves it."""
    for member, value, sent in (
        ("body", "a=1", b"a=1"),
        ("body_base64", "AP8=", b"\x00\xff"),
        ("form", [{"name": "a", "value": "b c"}], b"a=b+c"),
    ):
        action = {"method": "POST", "url": f"{target.url}/{member}", member: value, "success_statuses": ["404"]}
        made = (await api.http.post(TASKS, json=CRON | {"action": action, "retry": {"max_attempts": 1}})).json()
        assert made[member] == value
        assert made["success_statuses"] == ["404"]
        changed = {"action": {"method": "PUT", "url": f"{target.url}/{member}"}}
        kept = (await api.http.put(f"{TASKS}/{made['id']}", json=changed)).json()
        assert (kept["method"], kept[member], kept["success_statuses"]) == ("PUT", value, ["404"])
        await run(api, made["id"])
        [call] = target.calls_of(f"/{member}")
        assert call.body == sent
    refused = await api.http.post(TASKS, json=CRON | {"action": {**action, "body": "x"}})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("action.form: is given beside body")


async def test_a_run_keeps_the_body_with_which_it_was_claimed(
    api: Api, target: Target, database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A retry after an update sends the old body, and its success is judged by the old rule."""
    url = target.responds("/x", CannedResponse(status=500), CannedResponse(status=404))
    retry = {"maxAttempts": 2, "initialDelayMs": 1_500}
    task = await created(api, {"method": "POST", "url": url, "body": "old", "successStatuses": ["404"]}, retry=retry)
    begun = utc_now()
    async with working(database, jobs_settings):
        run_id = (await api.data(RUN, id=task["id"]))["runTask"]["id"]
        await wait_until(lambda: len(target.calls) == 1, what="the first attempt was made")
        await api.data(UPDATE, id=task["id"], action={"body": "new", "successStatuses": ["2xx"]})

        async def ended() -> bool:
            return bool((await api.data(STATE, id=run_id))["run"]["state"] == "SUCCEEDED")

        await wait_until(ended, what="the run has succeeded")
    assert [call.body for call in target.calls] == [b"old", b"old"]
    assert utc_now() - begun > timedelta(seconds=1)
