"""API keys by GraphQL: admins list, create and revoke them, and nobody locks himself out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.keys import bearer, guarded, make_key

KEYS = "{ apiKeys { id name scope createdAt expiresAt lastUsedAt revokedAt active } }"
CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  __typename
  ... on CreatedApiKey { key apiKey { id name scope expiresAt active } }
  ... on InvalidInput { problems { path message } }
  ... on Conflict { reason message }
} }"""
REVOKE = """mutation ($id: ID!) { revokeApiKey(id: $id) {
  __typename
  ... on ApiKey { id active revokedAt }
  ... on Conflict { reason message }
} }"""
VIEWER = "{ viewer { keysRequired keyName scope expiresAt } }"
AUDIT = "{ auditLog(first: 9) { nodes { action keyName before after } } }"


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API that requires keys, whose client sends an admin key."""
    async with guarded(database, jobs_settings) as running:
        running.http.headers.update(bearer(await make_key(running.engine, "ops")))
        yield running


async def ids(api: Api) -> dict[str, str]:
    """Return the ids of all keys by their names."""
    return {key["name"]: key["id"] for key in (await api.data(KEYS))["apiKeys"]}


async def created(api: Api, **given: Any) -> dict[str, Any]:
    """Return what createApiKey answers."""
    found: dict[str, Any] = (await api.data(CREATE, input=given))["createApiKey"]
    return found


async def revoked(api: Api, key_id: str) -> dict[str, Any]:
    """Return what revokeApiKey answers."""
    found: dict[str, Any] = (await api.data(REVOKE, id=key_id))["revokeApiKey"]
    return found


async def test_a_key_is_created_used_and_revoked_while_it_is_open(api: Api) -> None:
    """A created key works at once, and its WebSocket is closed when it is revoked; the audit log names the admin."""
    expires_at = (utc_now() + timedelta(days=1)).isoformat()
    made = await created(api, name="feed", scope="READ", expiresAt=expires_at)
    assert made["__typename"] == "CreatedApiKey"
    assert made["apiKey"]["active"]
    async with api.socket(headers=bearer(made["key"])) as socket:
        viewer = await (await socket.subscribe(VIEWER)).next()
        assert viewer == {
            "keysRequired": True, "keyName": "feed", "scope": "READ", "expiresAt": made["apiKey"]["expiresAt"]
        }  # fmt: skip
        await socket.receive()
        ended = await revoked(api, made["apiKey"]["id"])
        assert ended == {**ended, "__typename": "ApiKey", "active": False}
        assert await socket.close_code() == 4403
    refused = await api.http.post("/graphql", json={"query": VIEWER}, headers=bearer(made["key"]))
    assert refused.status_code == 401
    assert await revoked(api, made["apiKey"]["id"]) == ended
    listed = {key["name"]: key for key in (await api.data(KEYS))["apiKeys"]}
    assert not listed["feed"]["active"]
    assert listed["feed"]["revokedAt"] == ended["revokedAt"]
    assert listed["ops"]["active"]
    assert listed["ops"]["lastUsedAt"]
    [revocation, creation, _] = (await api.data(AUDIT))["auditLog"]["nodes"]
    assert (revocation["action"], revocation["keyName"], revocation["before"]["name"]) == ("revokeKey", "ops", "feed")
    assert (creation["action"], creation["keyName"], creation["after"]["name"]) == ("createKey", "ops", "feed")
    assert made["key"] not in str(listed) + str(creation)


async def test_wrong_keys_are_refused_with_what_would_be_right(api: Api) -> None:
    """Each problem has the path of its member, and a name that is taken is a conflict."""
    past = (utc_now() - timedelta(days=1)).isoformat()
    wrong = await created(api, name="", scope="READ", expiresAt=past)
    assert [problem["path"] for problem in wrong["problems"]] == [["name"], ["expiresAt"]]
    assert "expired already" in wrong["problems"][1]["message"]
    for name in ("", " x", "a\n", "x" * 65, "command line"):
        [problem] = (await created(api, name=name, scope="ADMIN"))["problems"]
        assert problem["path"] == ["name"], name
    taken = await created(api, name="ops", scope="READ")
    assert taken["reason"] == "NAME_TAKEN"
    both = await asyncio.gather(*(created(api, name="twin", scope="READ") for _ in range(4)))
    assert sorted(each["__typename"] for each in both) == ["Conflict"] * 3 + ["CreatedApiKey"]
    assert (await api.data(REVOKE, id=str(uuid4())))["revokeApiKey"] == {"__typename": "NotFound"}
    assert await api.code(REVOKE, id="x") == "INVALID_ID"


async def test_nobody_locks_himself_out(api: Api) -> None:
    """One's own key stays, and of two admins who revoke each other at the same time, one stays."""
    other = await make_key(api.engine, "other")
    known = await ids(api)
    own = await revoked(api, known["ops"])
    assert own["reason"] == "WRONG_STATE"
    assert "made with it" in own["message"]

    async def revoke_as(token: str, key_id: str) -> int:
        answer = await api.http.post(
            "/graphql", json={"query": REVOKE, "variables": {"id": key_id}}, headers=bearer(token)
        )
        return answer.status_code == 200 and answer.json()["data"]["revokeApiKey"]["__typename"] == "ApiKey"

    mine = api.http.headers["authorization"].removeprefix("Bearer ")
    both = await asyncio.gather(revoke_as(mine, known["other"]), revoke_as(other, known["ops"]))
    assert sorted(both) == [False, True]


async def test_without_keys_the_viewer_is_anybody(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Without authentication everybody is an admin, and the last admin key still stays."""
    async with serving(database, jobs_settings) as api:
        assert (await api.data(VIEWER))["viewer"] == {
            "keysRequired": False, "keyName": None, "scope": "ADMIN", "expiresAt": None
        }  # fmt: skip
        await make_key(api.engine, "reader", scope=KeyScope.READ)
        await make_key(api.engine, "only")
        known = await ids(api)
        last = await revoked(api, known["only"])
        assert last["reason"] == "WRONG_STATE"
        assert "last" in last["message"]
        assert (await revoked(api, known["reader"]))["__typename"] == "ApiKey"
