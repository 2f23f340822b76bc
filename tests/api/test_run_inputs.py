"""Runs that send another body and other headers than their task does."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from db.settings import DatabaseSettings
from jobs.maintenance.deletion import remove_deleted
from jobs.settings import JobsSettings
from tests.support.engine import opened, working
from tests.support.graphql import Api, serving
from tests.support.target import Call, CannedResponse, Target
from tests.support.waiting import wait_until

ACTION = "action { method url headers { name value secret } payload body bodyEncoding form { name value } }"
RUN_PARTS = f"""
  __typename
  ... on Run {{ id state cause retryOf {{ id }} {ACTION} }}
  ... on InvalidInput {{ message problems {{ path message }} }}
  ... on Conflict {{ message reason run: currentRun {{ id }} }}
"""
CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  ... on Task { id } ... on InvalidInput { problems { path message } }
} }
"""
RUN = f"""
mutation ($id: ID!, $key: String, $input: RunTaskInput) {{
  runTask(id: $id, idempotencyKey: $key, input: $input) {{ {RUN_PARTS} }}
}}
"""
RETRY = f"mutation ($id: ID!, $key: String) {{ retryRun(id: $id, idempotencyKey: $key) {{ {RUN_PARTS} }} }}"
UPDATE = """
mutation ($id: ID!, $action: UpdateHttpActionInput!) {
  updateTask(id: $id, input: {action: $action}) { ... on Task { version } }
}
"""
SHOW = f"query ($id: ID!) {{ run(id: $id) {{ state {ACTION} }} }}"
DELETE = "mutation ($id: ID!) { deleteTask(id: $id) { __typename } }"
LOSE = text("""
UPDATE task_results SET state = 'running', worker_id = gen_random_uuid(), epoch = epoch + 1, attempt = attempt + 1,
       attempt_started_at = now(), run_at = now(), next_attempt_at = NULL
""")
INPUTS = text("SELECT count(*) FROM task_results WHERE input_body IS NOT NULL OR input_headers IS NOT NULL")
FORM = [{"name": "a b", "value": "1&2"}]
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

Part = dict[str, Any]


@pytest.fixture(scope="module")
def jobs_settings(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key."""
    return jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})


async def create(api: Api, url: str, *, policy: Part | None = None, **action: Any) -> str:
    """Create a task that sends a payload and two headers of its own, and return its id."""
    own = {"payload": {"own": 1}} if not {"body", "form", "payload"} & action.keys() else {}
    headers = [{"name": "X-Own", "value": "own"}, {"name": "X-Secret", "value": "hidden-value", "secret": True}]
    wanted = {
        "name": "a task",
        "trigger": {"oneOff": {"at": "2100-01-01T00:00:00Z"}},
        "action": {"method": "POST", "url": url, "headers": headers, **own, **action},
        "retry": {"initialDelayMs": 100, "maxAttempts": 2},
        **(policy or {}),
    }
    task_id: str = (await api.data(CREATE, input=wanted))["createTask"]["id"]
    return task_id


async def requested(api: Api, task_id: str, given: Part | None = None, key: str | None = None) -> Part:
    """Request a run."""
    found: Part = (await api.data(RUN, id=task_id, input=given, key=key))["runTask"]
    return found


async def ended(api: Api, run_id: str) -> Part:
    """Return the run after its success."""
    seen: Part = {}

    async def succeeded() -> bool:
        seen.update((await api.data(SHOW, id=run_id))["run"])
        return bool(seen["state"] == "SUCCEEDED")

    await wait_until(succeeded, what="the run has succeeded")
    return seen


def sent(call: Call) -> tuple[bytes, str, str, str]:
    """Return the body of a call, its Content-Type, and the task's headers."""
    headers = call.headers
    return call.body, headers["content-type"], headers.get("x-own", "-"), headers.get("x-secret", "-")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("given", "shown", "data", "content_type"),
    [
        ({"payload": {"n": [1.5]}}, {"payload": {"n": [1.5]}}, b'{"n": [1.5]}', "application/json"),
        ({"body": "a\n\u00fc"}, {"body": "a\n\u00fc"}, "a\n\u00fc".encode(), "text/plain; charset=utf-8"),
        ({"bodyBase64": "AP8="}, {"body": "AP8=", "bodyEncoding": "BASE64"}, b"\x00\xff", "application/octet-stream"),
        ({"form": FORM}, {"form": FORM}, b"a+b=1%262", "application/x-www-form-urlencoded"),
        ({"payload": None, "headers": []}, {"payload": {"own": 1}}, b'{"own": 1}', "application/json"),
        (None, {"payload": {"own": 1}}, b'{"own": 1}', "application/json"),
    ],
    ids=["payload", "text", "bytes", "form", "nothing", "no input"],
)
async def test_a_run_sends_its_own_body(
    api: Api, target: Target, given: Part | None, shown: Part, data: bytes, content_type: str
) -> None:
    """It is shown as the run's action; the other calls of the task send the task's own."""
    task_id = await create(api, f"{target.url}/x")
    run = await requested(api, task_id, given)
    nothing = {"payload": None, "body": None, "bodyEncoding": "UTF8", "form": None}
    action = (await ended(api, run["id"]))["action"]
    assert {name: action[name] for name in nothing} == nothing | shown
    assert action == run["action"]
    other = await requested(api, task_id)
    await ended(api, other["id"])
    assert [sent(call) for call in target.calls] == [
        (data, content_type, "own", "hidden-value"),
        (b'{"own": 1}', "application/json", "own", "hidden-value"),
    ]


@pytest.mark.usefixtures("worker")
async def test_headers_replace_those_of_the_same_name(api: Api, target: Target) -> None:
    """In any case; the others stay, secrets among them, and so does the body."""
    task_id = await create(api, f"{target.url}/x")
    headers = [{"name": "x-OWN", "value": " this run's "}, {"name": "Content-Type", "value": "a/b"}]
    run = await requested(api, task_id, {"headers": headers})
    assert run["action"]["headers"] == [
        {"name": "X-Secret", "value": None, "secret": True},
        {"name": "x-OWN", "value": "this run's", "secret": False},
        {"name": "Content-Type", "value": "a/b", "secret": False},
    ]
    await ended(api, run["id"])
    assert [sent(call) for call in target.calls] == [(b'{"own": 1}', "a/b", "this run's", "hidden-value")]


@pytest.mark.usefixtures("worker")
async def test_the_signature_covers_what_is_sent(api: Api, target: Target) -> None:
    """Also the digits of a payload."""
    task_id = await create(api, f"{target.url}/x", signingSecrets=[SECRET])
    body = json.dumps({"query": RUN, "variables": {"id": task_id, "input": {"payload": "PAYLOAD"}}})
    payload = '{"n": [1.10, 1E400, -0, 12345678901234567.5], "text": "\u00fc \\" \\n"}'
    answer = await api.http.post(
        "/graphql",
        content=body.replace('"PAYLOAD"', payload).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert f'"payload":{payload}' in answer.text
    await ended(api, answer.json()["data"]["runTask"]["id"])
    [call] = target.calls
    assert call.body.decode() == payload
    Webhook(SECRET).verify(call.body, call.headers)


@pytest.mark.usefixtures("worker")
async def test_each_attempt_and_each_retry_sends_the_same(api: Api, target: Target) -> None:
    """Also after the task was changed, and a retry of a retry."""
    url = target.responds("/x", CannedResponse(status=500), CannedResponse())
    task_id = await create(api, url)
    given = {"form": FORM, "headers": [{"name": "x-own", "value": "run"}]}
    first = await requested(api, task_id, given)
    await ended(api, first["id"])
    await api.data(UPDATE, id=task_id, action={"body": "changed", "headers": [{"name": "X-Own", "value": "changed"}]})
    second = (await api.data(RETRY, id=first["id"]))["retryRun"]
    await ended(api, second["id"])
    third = (await api.data(RETRY, id=second["id"]))["retryRun"]
    shown = await ended(api, third["id"])
    assert shown["action"] == first["action"] == second["action"]
    assert third["retryOf"] == {"id": second["id"]}
    expected = (b"a+b=1%262", "application/x-www-form-urlencoded", "run", "hidden-value")
    assert [sent(call) for call in target.calls] == [expected] * 4
    other = await requested(api, task_id)
    await ended(api, other["id"])
    assert sent(target.calls[-1])[::2] == (b"changed", "changed")


async def test_it_outlives_changes_restarts_and_lost_workers(
    target: Target, database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A run that waits, one whose worker is lost, and one queued behind another keep what they were given."""
    url = target.responds("/x", CannedResponse(delay=timedelta(milliseconds=300)))
    async with serving(database, jobs_settings) as api:
        task_id = await create(api, url, policy={"overlap": "QUEUE"})
        lost = await requested(api, task_id, {"body": "lost"})
        async with opened(database) as engine, engine.begin() as connection:
            await connection.execute(LOSE)
        queued = await requested(api, task_id, {"body": "queued"})
        await api.data(UPDATE, id=task_id, action={"body": "changed"})
        assert (lost["state"], queued["state"]) == ("QUEUED", "QUEUED")
    async with serving(database, jobs_settings) as api, working(database, jobs_settings):
        await ended(api, lost["id"])
        await ended(api, queued["id"])
        assert [call.body for call in target.calls] == [b"lost", b"queued"]


async def with_input(engine: AsyncEngine) -> int:
    """Return the number of runs that have an input."""
    async with engine.connect() as connection:
        return int((await connection.execute(INPUTS)).scalar_one())


async def test_it_is_removed_with_the_tasks_rows(api: Api) -> None:
    """Nothing of it is left of a deleted task."""
    task_id = await create(api, "http://localhost/")
    await requested(api, task_id, {"body": "x"})
    await requested(api, task_id, {"headers": [{"name": "a", "value": "b"}]})
    assert await with_input(api.engine) == 2
    await api.data(DELETE, id=task_id)
    await remove_deleted(api.engine)
    assert await with_input(api.engine) == 0


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"payload": 1, "body": "x"}, ["body"], "is given beside payload; give at most one of"),
        ({"bodyBase64": "?"}, ["bodyBase64"], "is not base64"),
        ({"body": "x" * 262_145}, ["body"], "takes 262,145 bytes; at most 262,144 are accepted"),
        ({"payload": "\0"}, ["payload"], "contains a NUL character"),
        (
            {"headers": [{"name": "Authorization", "value": "Bearer abcdefgh"}]},
            ["headers", "0", "name"],
            "Authorization is secret, but the headers of one run are stored and shown; set it on the task",
        ),
        (
            {"headers": [{"name": "X-A", "value": "b"}, {"name": "X-Any", "value": "abcdefgh", "secret": True}]},
            ["headers", "1", "name"],
            "X-Any is secret, but the headers of one run are stored and shown; set it on the task",
        ),
        (
            {"headers": [{"name": "x-secret", "value": "abcdefgh"}]},
            ["headers", "0", "name"],
            "x-secret is a secret of the task, which a run cannot replace; change the task",
        ),
        (
            {"headers": [{"name": "Webhook-Id", "value": "1"}]},
            ["headers", "0", "name"],
            "Webhook-Id cannot be set: it is made from signingSecrets",
        ),
        (
            {"headers": [{"name": "Host", "value": "a"}]},
            ["headers", "0", "name"],
            "Host cannot be set: it is made from",
        ),
        ({"headers": [{"name": "a"}]}, ["headers", "0", "value"], "is missing; an empty value is ''"),
        ({"headers": [{"name": "a", "value": "b\r\nc: d"}]}, ["headers", "0", "value"], "contains a line break"),
        (
            {"headers": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]},
            ["headers", "1", "name"],
            "A is given twice",
        ),
        (
            {"headers": [{"name": f"a{n}", "value": ""} for n in range(99)]},
            ["headers"],
            "has 101 headers; at most 100 are accepted",
        ),
    ],
)
async def test_a_wrong_input_is_refused(api: Api, given: Part, path: list[str], message: str) -> None:
    """The message says what is wrong and what would be right, and there is no run. A key stays unused."""
    task_id = await create(api, "http://localhost/", signingSecrets=[SECRET])
    refused = await requested(api, task_id, given, key="k")
    [problem] = refused["problems"]
    assert problem["path"] == path
    assert problem["message"].startswith(message)
    assert (await api.data("{ runs { totalCount } }"))["runs"]["totalCount"] == 0
    assert (await requested(api, task_id, {"body": "right"}, key="k"))["__typename"] == "Run"


async def test_secrets_are_refused_without_a_secret_key_too(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """There is one problem with them."""
    async with serving(database, jobs_settings.model_copy(update={"secret_key": None})) as api:
        wanted = {
            "name": "a task",
            "trigger": {"oneOff": {"at": "2100-01-01T00:00:00Z"}},
            "action": {"url": "http://localhost/"},
        }
        task_id = (await api.data(CREATE, input=wanted))["createTask"]["id"]
        refused = await requested(api, task_id, {"headers": [{"name": "Cookie", "value": "abcdefgh"}]})
        assert [problem["path"] for problem in refused["problems"]] == [["headers", "0", "name"]]


async def test_a_key_belongs_to_its_input(api: Api) -> None:
    """The same key and input return the first run, whatever the task has become; another input is a conflict."""
    task_id = await create(api, "http://localhost/", policy={"overlap": "ALLOW"})
    given = {"payload": {"a": 1, "b": 2}, "headers": [{"name": "X-Run", "value": "1"}]}
    first = await requested(api, task_id, given, key="k")
    secret = [{"name": "X-Run", "value": "a secret now", "secret": True}]
    await api.data(UPDATE, id=task_id, action={"headers": secret})
    assert (await requested(api, task_id, given, key="k"))["id"] == first["id"]
    for other in (None, {}, {"payload": {"a": 1, "b": 3}}, {"payload": {"a": 1, "b": 2}}):
        refused = await requested(api, task_id, other, key="k")
        assert (refused["reason"], refused["run"]) == ("IDEMPOTENCY_KEY_REUSED", {"id": first["id"]})
    plain = await requested(api, task_id, key="p")
    assert (await requested(api, task_id, {"body": None}, key="p"))["id"] == plain["id"]
    assert (await requested(api, task_id, {"body": "x"}, key="p"))["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await requested(api, task_id, {"payload": "\0"}, key="p"))["__typename"] == "InvalidInput"


async def test_the_audit_log_has_it(api: Api) -> None:
    """An entry of a run shows what was given."""
    task_id = await create(api, "http://localhost/")
    await requested(api, task_id, {"body": "x", "headers": [{"name": "A", "value": "b"}]})
    await requested(api, task_id)
    log = await api.data('{ auditLog(filter: {action: "runTask"}) { nodes { after } } }')
    without, given = [entry["after"] for entry in log["auditLog"]["nodes"]]
    assert given == {"state": "queued", "input_body": {"text": "x"}, "input_headers": [["A", "b"]]}
    assert without.keys() == {"state"}
