"""The numbers of a payload: digit for digit from the request to the wire, the signature, and back to who asks."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from jobs.http.body import BodyDraft
from jobs.http.request import ActionDraft
from jobs.json_value import parse
from jobs.settings import JobsSettings
from jobs.tasks.idempotency import digest_of
from tests.api.test_bodies import FAR, run
from tests.support.graphql import Api
from tests.support.rest import CRON, TASKS
from tests.support.target import Target

NUMBERS = "12345678901234567.5 1e5 1E+5 1.10 1.0 -0 -0.0 1E400 -1e-400 0.1 100000000000000000000001 5e-324 1e200000"
TEXT = '{"n": [' + ", ".join(NUMBERS.split()) + '], "\u00fc": {"a": 1.50, "text": "1.10 \\"-0\\""}}'
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  __typename
  ... on Task { id version action { payload } }
  ... on InvalidInput { problems { path message } }
  ... on Conflict { reason }
} }
"""
LITERAL = """
mutation ($url: String!, $part: JSON) { createTask(input: {
  name: "a task", trigger: {oneOff: {at: "2100-01-01T00:00:00Z"}},
  action: {method: POST, url: $url, payload: PAYLOAD}
}) { ... on Task { id } } }
"""
UPDATE = """
mutation ($id: ID!, $payload: JSON) { updateTask(id: $id, input: {action: {payload: $payload}}) {
  ... on Task { version action { payload } }
} }
"""
SHOW = "query ($id: ID!) { task(id: $id) { action { payload } } }"


@pytest.fixture(scope="module")
def jobs_settings(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key, so that calls can be signed."""
    return jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})


async def asked(api: Api, query: str, variables: dict[str, Any], payload: str = TEXT) -> str:
    """Send an operation in which `payload` stands for the text PAYLOAD, and return the text of the response."""
    body = json.dumps({"query": query, "variables": variables}).replace('"PAYLOAD"', payload)
    answer = await api.http.post("/graphql", content=body.encode(), headers={"Content-Type": "application/json"})
    assert "errors" not in answer.json(), answer.text
    return answer.text


def task(**action: Any) -> dict[str, Any]:
    """Return the input of a task."""
    return {"name": "a task", "trigger": FAR, "action": {"method": "POST", "url": "http://localhost/", **action}}


async def created(api: Api, payload: str, **more: Any) -> dict[str, Any]:
    """Create a task with this payload, and return what came back."""
    found: dict[str, Any] = json.loads(
        await asked(api, CREATE, {"input": task(payload="PAYLOAD") | more}, payload),
        parse_float=str,
    )["data"]["createTask"]
    return found


@pytest.mark.usefixtures("worker")
async def test_variables_keep_their_digits(api: Api, target: Target) -> None:
    """From a variable of GraphQL to the wire, the signature, the response, and REST."""
    wanted = task(url=f"{target.url}/x", payload="PAYLOAD", signingSecrets=[SECRET])
    made = await asked(api, CREATE, {"input": wanted})
    assert f'"payload":{TEXT}' in made
    task_id = json.loads(made)["data"]["createTask"]["id"]
    assert f'"payload":{TEXT}' in await asked(api, SHOW, {"id": task_id})
    await run(api, task_id)
    [call] = target.calls
    assert call.body.decode() == TEXT
    Webhook(SECRET).verify(call.body, call.headers)
    shown = (await api.http.get(f"{TASKS}/{task_id}")).json()
    assert shown["payload"] == TEXT


async def test_websockets_and_streams_show_the_digits(api: Api) -> None:
    """As responses do, also beside an error."""
    made = json.loads(await asked(api, CREATE, {"input": task(payload="PAYLOAD")}))["data"]["createTask"]
    query = f'{{ task(id: "{made["id"]}") {{ action {{ payload }} }} wrong: task(id: "x") {{ id }} }}'
    async with api.socket() as socket:
        for document in (SHOW.replace("query ($id: ID!) ", "").replace("$id", f'"{made["id"]}"'), query):
            await socket.send({"id": "1", "type": "subscribe", "payload": {"query": document}})
            message = str(await socket.connection.recv())
            assert f'"payload":{TEXT}' in message
            assert json.loads(await socket.connection.recv()) == {"id": "1", "type": "complete"}
    answer = await api.http.post("/graphql", json={"query": query}, headers={"Accept": "text/event-stream"})
    assert f'"payload":{TEXT}' in answer.text


@pytest.mark.usefixtures("worker")
async def test_literals_keep_their_digits(api: Api, target: Target) -> None:
    """From a literal in a document, also around a variable, to the wire."""
    numbers = ", ".join(NUMBERS.split())
    query = LITERAL.replace("PAYLOAD", f"{{n: [{numbers}], part: $part, deep: [[{{f: 1.10}}]]}}")
    made = await asked(api, query, {"url": f"{target.url}/x", "part": "PAYLOAD"}, "[1.00, -0]")
    await run(api, json.loads(made)["data"]["createTask"]["id"])
    [call] = target.calls
    assert call.body.decode() == f'{{"n": [{numbers}], "part": [1.00, -0], "deep": [[{{"f": 1.10}}]]}}'


@pytest.mark.usefixtures("worker")
async def test_rest_keeps_the_digits(api: Api, target: Target) -> None:
    """From a body of REST to the wire and back; what is sent back as it was shown changes nothing."""
    action = {"method": "POST", "url": f"{target.url}/x", "payload": "PAYLOAD"}
    body = json.dumps(CRON | {"action": action}).replace('"PAYLOAD"', TEXT)
    made = (await api.http.post(TASKS, content=body.encode())).json()
    assert made["payload"] == TEXT
    kept = await api.http.put(f"{TASKS}/{made['id']}", json={"action": action | {"payload": TEXT}})
    assert kept.json()["payload"] == TEXT
    await run(api, made["id"])
    assert [call.body.decode() for call in target.calls] == [TEXT]


@pytest.mark.usefixtures("worker")
async def test_a_bare_number_keeps_its_digits(api: Api, target: Target) -> None:
    """The payload itself can be a number."""
    made = json.loads(await asked(api, CREATE, {"input": task(url=f"{target.url}/x", payload="PAYLOAD")}, "-0"))
    await run(api, made["data"]["createTask"]["id"])
    assert [call.body for call in target.calls] == [b"-0"]


async def test_digits_alone_are_a_change(api: Api) -> None:
    """1.10 is not 1.1; an order of members alone changes nothing."""
    made = await created(api, '{"a": 1.1, "b": [1]}')
    for payload, version in (
        ('{"a": 1.10, "b": [1]}', 2),
        ('{"b": [1],   "a": 1.10}', 2),
        ('{"a": 1.10, "b": [1.0]}', 3),
        ('{"a": 11e-1, "b": [1.0]}', 4),
        ('{"a": 11e-1, "b": [-0]}', 5),
        ('{"a": 11e-1, "b": [0]}', 6),
    ):
        answer = await asked(api, UPDATE, {"id": made["id"], "payload": "PAYLOAD"}, payload)
        assert json.loads(answer)["data"]["updateTask"]["version"] == version, payload


async def test_digits_alone_make_another_input(api: Api) -> None:
    """An idempotency key is used again for the same digits only."""
    first = await created(api, "[1.10, 1e5]", idempotencyKey="k")
    assert (await created(api, "[1.10,1e5]", idempotencyKey="k"))["id"] == first["id"]
    for other in ("[1.1, 1e5]", "[1.10, 100000.0]", "[1.10, 1E5]"):
        assert await created(api, other, idempotencyKey="k") == {
            "__typename": "Conflict",
            "reason": "IDEMPOTENCY_KEY_REUSED",
        }


async def test_the_audit_log_keeps_the_digits(api: Api) -> None:
    """An entry shows the payload before and after a change, although no number of Postgres can hold 1e200000."""
    made = await created(api, "[1.1]")
    await asked(api, UPDATE, {"id": made["id"], "payload": "PAYLOAD"}, "[1.10, 1e200000]")
    log = await asked(api, "query ($id: ID) { auditLog(filter: {taskId: $id}) { nodes { before after } } }", made)
    assert '"before":{"payload": [1.1]},"after":{"payload": [1.10, 1e200000]}' in log.replace(
        '"version": 1, ', ""
    ).replace('"version": 2, ', "")


async def test_other_numbers_are_numbers(api: Api) -> None:
    """Where a number is no part of a payload, its way of writing does not matter."""
    wanted = task(payload=1) | {"retry": {"factor": "FACTOR", "maxDelayMs": "DELAY", "maxAttempts": "ATTEMPTS"}}
    body = json.dumps({"query": CREATE, "variables": {"input": wanted}})
    body = body.replace('"FACTOR"', "1.50").replace('"DELAY"', "1e4").replace('"ATTEMPTS"', "2.0")
    answer = await api.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["data"]["createTask"]["__typename"] == "Task"
    rest = json.dumps(CRON | {"retry": {"factor": "F", "max_attempts": "A"}}).replace('"F"', "1.50")
    assert (await api.http.post(TASKS, content=rest.replace('"A"', "20e-1"))).status_code == 201


def test_equal_drafts_have_equal_digests() -> None:
    """The digest depends on the digits, and not on the order of members."""

    def digest(text: str) -> str:
        return digest_of(ActionDraft(url="http://localhost/", body=BodyDraft(payload=parse(text))))

    assert digest('{"a":1.10,"b":2}') == digest('{"b":2,"a":1.10}')
    assert len({digest(text) for text in ("1.1", "1.10", '"1.10"', "11e-1", "0", "-0", "0.0", "-0.0", "false")}) == 9
