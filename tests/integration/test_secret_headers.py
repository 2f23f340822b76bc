"""Secret headers: the target receives them, and nobody else ever sees them again."""

import base64
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.models import Run
from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import JobsSettings
from tests.support.dump import dump
from tests.support.engine import runs_of, working
from tests.support.graphql import Api, serving
from tests.support.logs import log_text
from tests.support.rest import FUTURE, error
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECRET = "swordfish-9f3a"
SECRETS = {
    "Authorization": f"Bearer {SECRET}",
    "Cookie": f"session={SECRET}; theme=dark",
    "Proxy-Authorization": f"Basic {SECRET}",
    "X-Api-Key": SECRET,
    "x-mine": f"{SECRET}-mine",
}
CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) {
    ... on Task { id version action { url headers { name value secret } } }
    ... on InvalidInput { problems { path message } }
  }
}
"""
UPDATE = """
mutation ($id: ID!, $action: UpdateHttpActionInput!) {
  updateTask(id: $id, input: {action: $action}) {
    ... on Task { id version action { url headers { name value secret } } }
    ... on InvalidInput { problems { path message } }
  }
}
"""
RUN = "mutation ($id: ID!) { runTask(id: $id) { ... on Run { id } } }"
RUNS = "{ runs { nodes { id action { headers { name value secret } } responseBody responseHeaders { name value } } } }"


def fresh_key() -> str:
    """Return a key as `openssl rand -base64 32` prints it."""
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def sealing(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key."""
    return jobs_settings.model_copy(update={"secret_key": fresh_key()})


@pytest.fixture
async def api(database: DatabaseSettings, sealing: JobsSettings) -> AsyncIterator[Api]:
    """Serve an API with a secret key."""
    async with serving(database, sealing) as running:
        yield running


def headers_input(**values: str | None) -> list[dict[str, Any]]:
    """Return headers, all of them secret."""
    given = [{"name": name.replace("_", "-"), "secret": True, "value": value} for name, value in values.items()]
    return [{key: each for key, each in header.items() if each is not None} for header in given]


def task_input(url: str, **action: Any) -> dict[str, Any]:
    """Return a task with all kinds of secret headers, and a plain one."""
    headers = [
        *({"name": name, "value": value, "secret": name == "x-mine"} for name, value in SECRETS.items()),
        {"name": "X-Plain", "value": "plain"},
    ]
    return {
        "name": "a task",
        "trigger": {"oneOff": {"at": FUTURE}},
        "action": {"url": url, "headers": headers, **action},
        "retry": {"initialDelayMs": 100},
    }


async def do(api: Api, mutation: str, **variables: Any) -> dict[str, Any]:
    """Return the response of the mutation's only field."""
    [found] = (await api.data(mutation, **variables)).values()
    assert isinstance(found, dict)
    return found


async def fired(api: Api, task_id: UUID) -> Sequence[Run]:
    """Make a task fire, and return its only run once it has ended."""
    await do(api, RUN, id=task_id)
    return await wait_until(lambda: runs_of(api.engine, task_id, at_least=1), what="the run has ended")


SHOWN: dict[str, Any] = dict.fromkeys(SECRETS, (None, True)) | {"X-Plain": ("plain", False)}


def by_name(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the headers of a task or a run as GraphQL shows them, by name."""
    return {header["name"]: (header["value"], header["secret"]) for header in shown["action"]["headers"]}


async def test_the_target_gets_them_and_nobody_else(
    api: Api,
    database: DatabaseSettings,
    sealing: JobsSettings,
    target: Target,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Secrets are not in tables, Redis, logs, GraphQL or REST, even if the target repeats them in its response."""
    caplog.set_level(logging.DEBUG)
    echo = json.dumps(SECRETS).encode()
    url = target.responds(
        "/echo", CannedResponse(status=500, body=echo), CannedResponse(body=echo, headers={"X-Echo": SECRET})
    )
    with_log = sealing.model_copy(update={"log_dir": tmp_path})
    async with working(database, with_log):
        made = await do(api, CREATE, input=task_input(url))
        assert by_name(made) == SHOWN
        [run] = await fired(api, made["id"])
        kept = await dump(api.engine, sealing.redis)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    for call in target.calls:
        assert {name: call.headers[name.lower()] for name in SECRETS} == SECRETS

    shown = json.dumps(await api.data(RUNS))
    [seen] = json.loads(shown)["runs"]["nodes"]
    assert by_name(seen) == SHOWN
    assert {"name": "x-echo", "value": "********"} in seen["responseHeaders"]
    assert json.loads(seen["responseBody"])["X-Api-Key"] == "********"
    rest = (await api.http.get(f"/api/v1/tasks/{made['id']}")).json()
    assert rest["headers"] == dict.fromkeys(SECRETS, "********") | {"X-Plain": "plain"}
    results = (await api.http.get("/api/v1/results")).text
    audit = json.dumps(await api.data("{ auditLog { nodes { before after } } }"))
    logs = log_text(caplog) + execution_log(tmp_path)
    assert made["id"] in logs
    assert made["id"] in kept
    for place in (kept, shown, json.dumps(rest), results, audit, logs):
        assert SECRET not in place
    assert base64.b64encode(SECRET.encode()).decode()[:-4] not in kept


def execution_log(folder: Path) -> str:
    """Return what workers wrote to the execution log."""
    return "".join(path.read_text() for path in folder.iterdir())


async def test_an_update_keeps_what_it_does_not_give(api: Api, target: Target) -> None:
    """A secret without a value keeps its stored one; a header that is left out of the list is removed."""
    made = await do(api, CREATE, input=task_input(target.url))
    before = await sealed(api)
    kept = await do(api, UPDATE, id=made["id"], action={"payload": {"n": 1}})
    assert by_name(kept) == SHOWN
    assert await sealed(api) == before

    headers = [
        {"name": "authorization"},
        {"name": "X-Api-Key", "value": SECRET},
        {"name": "x-mine", "value": "a new one"},
    ]
    changed = await do(api, UPDATE, id=made["id"], action={"headers": headers})
    assert by_name(changed) == dict.fromkeys(("authorization", "X-Api-Key", "x-mine"), (None, True))
    after = await sealed(api)
    assert after["authorization"] == before["Authorization"]
    assert after["X-Api-Key"] == before["X-Api-Key"], "the same value again is no change"
    assert after["x-mine"] != before["x-mine"]


async def sealed(api: Api) -> dict[str, Any]:
    """Return the stored headers of the only task."""
    async with api.engine.connect() as connection:
        found: dict[str, Any] = (await connection.execute(text("SELECT headers FROM tasks"))).scalar_one()
    return found


async def test_a_secret_does_not_follow_to_another_origin(api: Api, target: Target) -> None:
    """A secret does not follow to another origin, so nobody can have it sent to themselves; another path is the same
    origin.
    """
    made = await do(api, CREATE, input=task_input(target.url))
    elsewhere = target.url.replace("127.0.0.1", "localhost")
    for action in ({"url": elsewhere}, {"url": elsewhere, "headers": headers_input(Authorization=None)}):
        refused = await do(api, UPDATE, id=made["id"], action=action)
        messages = [problem["message"] for problem in refused["problems"]]
        assert "the secret Authorization does not follow to another origin; give its value again" in messages
    assert (await do(api, UPDATE, id=made["id"], action={"url": f"{target.url}/path"}))["version"] == 2
    moved = {"url": elsewhere, "headers": headers_input(Authorization="Bearer another")}
    assert (await do(api, UPDATE, id=made["id"], action=moved))["version"] == 3


async def test_a_new_task_has_to_give_its_secrets(api: Api, target: Target) -> None:
    """A new task needs the values of its secrets."""
    refused = await do(
        api, CREATE, input=task_input(target.url, headers=[{"name": "Authorization"}, {"name": "X", "secret": True}])
    )
    assert [problem["message"] for problem in refused["problems"]] == ["is missing; an empty value is ''"] * 2


async def test_rest_keeps_a_secret_that_is_sent_back_masked(api: Api, target: Target) -> None:
    """What GET shows can be sent back by PUT and changes nothing; with another origin it is refused."""
    action = {"method": "GET", "url": target.url, "headers": {"Authorization": SECRETS["Authorization"]}}
    body = {"name": "a task", "trigger": {"type": "one-off", "datetime": FUTURE}, "action": action}
    made = (await api.http.post("/api/v1/tasks", json=body)).json()
    before = await sealed(api)
    path = f"/api/v1/tasks/{made['id']}"
    shown = {"method": made["method"], "url": made["url"], "headers": made["headers"]}
    assert (await api.http.put(path, json={"action": shown})).json()["headers"] == {"Authorization": "********"}
    assert await sealed(api) == before
    elsewhere = {**shown, "url": target.url.replace("127.0.0.1", "localhost")}
    assert "does not follow to another origin" in error(await api.http.put(path, json={"action": elsewhere}))
    masked = {**body, "action": {**action, "headers": {"Authorization": "********"}}}
    message = (
        "action.headers.Authorization: ******** stands for a stored value, and none is stored; send the value itself"
    )
    assert error(await api.http.post("/api/v1/tasks", json=masked)) == message


async def test_without_a_key_secrets_are_refused(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Without a secret key both APIs refuse secrets and say how to set one; tasks without secrets are created."""
    message = (
        "is a secret, and there is no key to encrypt it with; set DUETIME_SECRET_KEY to the output of "
        "`openssl rand -base64 32`"
    )
    async with serving(database, jobs_settings) as api:
        refused = await do(api, CREATE, input=task_input(target.url))
        assert [problem["message"] for problem in refused["problems"]] == [message] * len(SECRETS)
        action = {"method": "GET", "url": target.url, "headers": {"Authorization": "Bearer x"}}
        body = {"name": "a task", "trigger": {"type": "one-off", "datetime": FUTURE}, "action": action}
        assert message in error(await api.http.post("/api/v1/tasks", json=body))
        plain = await do(api, CREATE, input=task_input(target.url, headers=[{"name": "X-Plain", "value": "plain"}]))
        assert plain["version"] == 1


async def test_a_lost_key_ends_the_run_with_a_reason(
    api: Api, database: DatabaseSettings, sealing: JobsSettings, target: Target
) -> None:
    """A lost secret key ends the run at once, without a call and without retries, which would not help."""
    for secret_key, reason in (
        ("", "a secret was sealed with the key "),
        (fresh_key(), "which DUETIME_SECRET_KEY does not contain"),
    ):
        async with working(database, sealing.model_copy(update={"secret_key": secret_key})):
            made = await do(api, CREATE, input=task_input(target.url))
            [run] = await fired(api, made["id"])
        assert (run.state, run.attempt) == (RunState.FAILED, 1)
        assert reason in str(run.error_message)
    assert target.calls == []


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"\xff\x00" + SECRET.encode() + b"\xfe", base64.b64encode(b"\xff\x00********\xfe").decode()),
        (b"x" * (64 * 1024 - 8) + SECRET.encode() + b"x" * 100, "x" * (64 * 1024 - 8)),
        (SECRET.upper().encode(), "********"),
    ],
)
async def test_what_a_target_repeats_is_masked(service: Api, target: Target, body: bytes, kept: str) -> None:
    """Repeated secrets are masked in binary responses as well, and where the response is truncated within one."""
    url = target.responds("/", CannedResponse(body=body, headers={"content-type": "application/octet-stream"}))
    made = await do(service, CREATE, input=task_input(url))
    [run] = await fired(service, made["id"])
    assert run.response_body == kept
