"""Signed calls, verified by the library of Standard Webhooks as receivers do."""

import base64
import json
import os
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.maintenance.key_rotation import rotate_secrets
from jobs.settings import JobsSettings
from tests.support.engine import runs_of, soon, working
from tests.support.graphql import Api, serving
from tests.support.target import Call, CannedResponse, Target
from tests.support.waiting import wait_until

CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) {
    __typename ... on Task { id version action { signed } } ... on InvalidInput { problems { path message } }
  }
}
"""
UPDATE = """
mutation ($id: ID!, $action: UpdateHttpActionInput!) {
  updateTask(id: $id, input: {action: $action}) {
    __typename ... on Task { id version action { signed url } } ... on InvalidInput { problems { path message } }
  }
}
"""
PAYLOAD = {"text": "grün", "number": 1.0}


def fresh_secret(size: int = 32) -> str:
    """Return a secret as the owner of a target would create it."""
    return "whsec_" + base64.b64encode(os.urandom(size)).decode()


@pytest.fixture
def sealing(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key."""
    return jobs_settings.model_copy(update={"secret_key": base64.b64encode(os.urandom(32)).decode()})


def wanted(url: str, **action: Any) -> dict[str, Any]:
    """Return a signed task that is due soon."""
    return {
        "name": "signed",
        "trigger": {"oneOff": {"at": soon().isoformat()}},
        "action": {"method": "POST", "url": url, "payload": PAYLOAD, **action},
        "retry": {"initialDelayMs": 100},
    }


async def do(api: Api, mutation: str, **variables: Any) -> dict[str, Any]:
    """Return the response of the mutation's only field."""
    [found] = (await api.data(mutation, **variables)).values()
    assert isinstance(found, dict)
    return found


def verify(call: Call, secret: str) -> Any:
    """Verify a call as its receiver does. Raises `WebhookVerificationError`."""
    return Webhook(secret).verify(call.body, call.headers)


async def test_receivers_can_verify_a_call(service: Api, target: Target) -> None:
    """Receivers can verify each attempt with either of two secrets and no other; its id is the run's."""
    url = target.responds("/hook", CannedResponse(status=500), CannedResponse())
    secrets = [fresh_secret(), fresh_secret(24)]
    task = await do(service, CREATE, input=wanted(url, signingSecrets=secrets))
    assert task["action"] == {"signed": True}
    [run] = await wait_until(lambda: runs_of(service.engine, task["id"], at_least=1), what="the run has ended")
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert len(target.calls) == 2
    for call in target.calls:
        assert [verify(call, secret) for secret in secrets] == [PAYLOAD, PAYLOAD]
        assert call.headers["webhook-id"] == str(run.id)
        assert abs(int(call.headers["webhook-timestamp"]) - call.at.timestamp()) < 2
        with pytest.raises(WebhookVerificationError):
            verify(call, fresh_secret())


@pytest.mark.parametrize(("status", "becomes"), [(302, "GET"), (303, "GET"), (307, "POST")])
async def test_a_redirect_that_drops_the_body_drops_its_signature(
    service: Api, target: Target, status: int, becomes: str
) -> None:
    """A GET in place of the signed POST has neither the signature nor a digest of the body, which it does not have."""
    secret = fresh_secret()
    url = target.responds("/old", CannedResponse(status=status, headers={"Location": "/new"}))
    digests = ["Digest", "Content-Digest", "Content-MD5", "Signature", "Signature-Input"]
    headers = [{"name": name, "value": "of the body"} for name in digests]
    action = {"signingSecrets": [secret], "redirects": 1, "headers": headers}
    task = await do(service, CREATE, input=wanted(url, **action))
    await wait_until(lambda: runs_of(service.engine, task["id"], at_least=1), what="the run has ended")
    first, second = target.calls
    assert (first.method, second.method) == ("POST", becomes)
    assert verify(first, secret) == PAYLOAD
    names = {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature", *map(str.lower, digests)}
    assert names <= first.headers.keys()
    if becomes == "POST":
        assert verify(second, secret) == PAYLOAD
    else:
        assert names & second.headers.keys() == set()
        assert second.body == b""
        assert second.headers["idempotency-key"] == first.headers["idempotency-key"]


async def test_a_redirected_call_without_a_body_stays_signed(service: Api, target: Target) -> None:
    """A GET without a body stays the same request after a redirect, and so its signature stays valid."""
    secret = fresh_secret()
    url = target.responds("/old", CannedResponse(status=303, headers={"Location": "/new"}))
    action: dict[str, Any] = {"signingSecrets": [secret], "redirects": 1, "method": "GET", "payload": None}
    task = await do(service, CREATE, input=wanted(url, **action))
    await wait_until(lambda: runs_of(service.engine, task["id"], at_least=1), what="the run has ended")
    for call in target.calls:
        Webhook(secret).verify(call.body, call.headers, json_parse=False)
    assert [call.path for call in target.calls] == ["/old", "/new"]


async def test_a_call_without_a_body_is_signed(service: Api, target: Target) -> None:
    """A call without a body is signed over an empty body."""
    secret = fresh_secret()
    task = await do(service, CREATE, input=wanted(target.url, signingSecrets=[secret], method="GET", payload=None))
    await wait_until(lambda: runs_of(service.engine, task["id"], at_least=1), what="the run has ended")
    [call] = target.calls
    Webhook(secret).verify(call.body, call.headers, json_parse=False)


async def test_secrets_are_shown_to_nobody(database: DatabaseSettings, sealing: JobsSettings, target: Target) -> None:
    """Signing secrets are neither in the tables nor in anything that the API shows."""
    secret = fresh_secret()
    async with serving(database, sealing) as api:
        made = await do(api, CREATE, input=wanted(target.url, signingSecrets=[secret]))
        await do(api, UPDATE, id=made["id"], action={"signingSecrets": [fresh_secret()]})
        async with api.engine.connect() as connection:
            for table in ("tasks", "task_versions", "audit_log", "idempotency_keys"):
                rows = (await connection.execute(text(f"SELECT row_to_json(t)::text FROM {table} t"))).scalars()
                assert secret.removeprefix("whsec_") not in "".join(rows)
        rest = await api.http.get(f"/api/v1/tasks/{made['id']}")
    assert secret not in rest.text


async def test_updates_keep_change_and_end_the_signing(
    database: DatabaseSettings, sealing: JobsSettings, target: Target
) -> None:
    """Absent secrets stay, the same ones change nothing, and an empty list ends signing."""
    secret = fresh_secret()
    async with serving(database, sealing) as api:
        made = await do(api, CREATE, input=wanted(target.url, signingSecrets=[secret]))
        versions, signed = [], []
        changes: list[dict[str, Any]] = [
            {"url": f"{target.url}/other"},
            {"signingSecrets": [secret]},
            {"signingSecrets": [secret, fresh_secret()]},
            {"signingSecrets": None},
            {"signingSecrets": []},
        ]
        for action in changes:
            task = await do(api, UPDATE, id=made["id"], action=action)
            versions.append(task["version"])
            signed.append(task["action"]["signed"])
    assert versions == [2, 2, 3, 3, 4]
    assert signed == [True, True, True, True, False]


async def test_a_lost_key_ends_the_run_with_a_reason(
    database: DatabaseSettings, sealing: JobsSettings, target: Target
) -> None:
    """A call that cannot be signed is not made."""
    async with serving(database, sealing) as api, working(database, sealing.model_copy(update={"secret_key": ""})):
        task = await do(api, CREATE, input=wanted(target.url, signingSecrets=[fresh_secret()]))
        [run] = await wait_until(lambda: runs_of(api.engine, task["id"], at_least=1), what="the run has ended")
    assert (run.state, run.attempt) == (RunState.FAILED, 1)
    assert "DUETIME_SECRET_KEY" in (run.error_message or "")
    assert target.calls == []


async def test_a_secret_outlives_the_key_that_sealed_it(
    database: DatabaseSettings, sealing: JobsSettings, target: Target
) -> None:
    """After a rotation the new key alone opens secrets, also in earlier versions of the task and its definitions."""
    url = target.responds("/hook", CannedResponse(status=500), CannedResponse())
    secret, new = fresh_secret(), base64.b64encode(os.urandom(32)).decode()
    both = sealing.model_copy(update={"secret_key": f"{new},{sealing.secret_key}"})
    async with serving(database, sealing) as api:
        task = await do(api, CREATE, input=wanted(url, signingSecrets=[secret]))
        await do(api, UPDATE, id=task["id"], action={"payload": {}})
        assert await rotate_secrets(api.engine, both.secrets) == (4, [])
        assert await rotate_secrets(api.engine, both.secrets) == (0, [])
        async with working(database, both.model_copy(update={"secret_key": new})):
            await wait_until(lambda: runs_of(api.engine, task["id"], at_least=1), what="the run has ended")
    assert [verify(call, secret) for call in target.calls] == [{}, {}]


@pytest.mark.parametrize(
    ("action", "path", "message"),
    [
        ({"signingSecrets": ["whsec_no base64"]}, ["signingSecrets", "0"], "is not base64; write whsec_ and 24 to 64"),
        ({"signingSecrets": [fresh_secret(23)]}, ["signingSecrets", "0"], "has 23 bytes; write whsec_ and 24 to 64"),
        ({"signingSecrets": [fresh_secret(65)]}, ["signingSecrets", "0"], "has 65 bytes"),
        ({"signingSecrets": ["whsec_" + "A" * 32] * 2}, ["signingSecrets", "1"], "is given twice"),
        ({"signingSecrets": [fresh_secret() for _ in range(5)]}, ["signingSecrets"], "has 5 secrets; at most 4"),
        (
            {"signingSecrets": [fresh_secret()], "headers": [{"name": "Webhook-Id", "value": "mine"}]},
            ["headers", "0", "name"],
            "Webhook-Id cannot be set: it is made from signingSecrets",
        ),
    ],
)
async def test_wrong_secrets_are_refused(service: Api, action: dict[str, Any], path: list[str], message: str) -> None:
    """Wrong secrets are refused with the reason, and not repeated."""
    refused = await do(service, CREATE, input=wanted("http://127.0.0.1/", **action))
    [problem] = refused["problems"]
    assert problem["path"] == ["action", *path]
    assert problem["message"].startswith(message)
    assert action["signingSecrets"][0] not in json.dumps(refused)


async def test_without_a_key_nothing_is_kept(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Without a secret key, signing secrets are refused."""
    async with serving(database, jobs_settings) as api:
        refused = await do(api, CREATE, input=wanted("http://127.0.0.1/", signingSecrets=[fresh_secret()]))
    [problem] = refused["problems"]
    assert problem["path"] == ["action", "signingSecrets"]
    assert "set DUETIME_SECRET_KEY" in problem["message"]
