"""Scopes of keys: read sees, write changes, and admin also reads the audit log and manages notifications."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.states import KeyScope
from graphql_api.rest.openapi import document
from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.keys import bearer, guarded, make_key
from tests.support.operations import MUTATIONS
from tests.support.rest import CRON, ONE_OFF, error
from tests.support.shared import Shared

FOR_ADMINS = {name for name in MUTATIONS if name.endswith(("Channel", "NotificationRule", "ApiKey", "FlowLimit"))}
INPUT = {"name": "a task", "trigger": {"interval": {"everyMs": 1000}}, "action": {"url": "http://localhost/"}}
ID = str(uuid4())
ARGUMENTS: dict[str, dict[str, Any]] = {name: {"id": ID} for name in MUTATIONS} | {
    "createTask": {"input": INPUT},
    "createTasks": {"inputs": [INPUT]},
    "updateTask": {"id": ID, "input": {"name": "another"}},
    "upsertTask": {"input": {**INPUT, "externalId": "e"}},
    "upsertTasks": {"inputs": [{**INPUT, "externalId": "e"}], "dryRun": True},
    **{name: {"ids": [ID]} for name in ("pauseTasks", "resumeTasks", "cancelTasks", "deleteTasks")},
    **{name: {"ids": [ID]} for name in ("runTasks", "cancelRuns", "retryRuns")},
    "createChannel": {"input": {"name": "", "target": {"webhook": {"url": "", "signingSecrets": []}}}},
    "updateChannel": {"id": ID, "input": {}},
    "createNotificationRule": {"input": {"name": "", "channelIds": [], "events": []}},
    "updateNotificationRule": {"id": ID, "input": {}},
    "createFlowLimit": {"input": {"key": {"host": ""}}},
    "updateFlowLimit": {"id": ID, "input": {}},
    "createApiKey": {"input": {"name": "", "scope": "READ"}},
    "bulk": {"action": "PAUSE", "tasks": {}, "dryRun": False},
    "rollbackTask": {"id": ID, "version": 1},
    "tryAction": {"action": {"url": ""}},
}
QUERIES = (
    "{ tasks { nodes { id action { headers { value } } } } }",
    "{ runs { nodes { id } } }",
    "{ metrics { totalRuns } }",
    "{ runEventsCursor }",
    "{ viewer { scope } }",
    "{ previewTrigger(trigger: {interval: {everyMs: 1000}}) { __typename } }",
)


@pytest.fixture(scope="module")
async def shared_api(shared: Shared, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API with authentication."""
    async with guarded(shared.database, jobs_settings) as running:
        yield running


async def show_key(api: Api, scope: KeyScope) -> None:
    """Make the client send a key with that scope from now on."""
    api.http.headers.update(bearer(await make_key(api.engine, scope, scope=scope)))


async def tasks(api: Api) -> int:
    """Return the number of tasks."""
    async with api.engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM tasks"))).scalar_one())


async def test_a_read_key_changes_nothing_by_graphql(api: Api) -> None:
    """With a read key every mutation is FORBIDDEN, over HTTP and WebSocket, and queries work."""
    await show_key(api, KeyScope.READ)
    refused = "The key 'read' has the scope read; this needs"
    headers = {"authorization": api.http.headers["authorization"]}
    async with api.socket(headers=headers) as socket:
        for name, mutation in MUTATIONS.items():
            answers = [await api.ask(mutation, **ARGUMENTS[name])]
            message = await (await socket.subscribe(mutation, **ARGUMENTS[name])).message()
            answers.append(message["payload"])
            await socket.receive()
            for answer in answers:
                [refusal] = answer["errors"]
                # Some refusals come before the one that asks for the scope admin.
                needed = {KeyScope.WRITE, KeyScope.ADMIN} if name in FOR_ADMINS else {KeyScope.WRITE}
                assert refusal["message"] in {f"{refused} {scope}" for scope in needed}
                assert refusal["extensions"] == {"code": "FORBIDDEN"}
    for query in QUERIES:
        await api.data(query)
    assert await tasks(api) == 0


async def test_a_read_key_is_told_nothing_else_of_a_mutation(api: Api) -> None:
    """A mutation is forbidden before its arguments are checked."""
    await show_key(api, KeyScope.READ)
    wrongs: dict[str, dict[str, Any]] = {"id": {"id": "x"}, "ids": {"ids": ["x"]}, "inputs": {"inputs": [INPUT] * 1001}}
    for name, wrong in wrongs.items():
        for mutation, arguments in ARGUMENTS.items():
            if name in arguments:
                [refusal] = (await api.ask(MUTATIONS[mutation], **{**arguments, **wrong}))["errors"]
                assert refusal["extensions"] == {"code": "FORBIDDEN"}, mutation


async def test_a_write_key_may_use_every_mutation(api: Api) -> None:
    """With a write key no mutation of tasks is forbidden; most of them find no task here, which is data."""
    await show_key(api, KeyScope.WRITE)
    for name, mutation in MUTATIONS.items():
        if name in FOR_ADMINS:
            assert await api.code(mutation, **ARGUMENTS[name]) == "FORBIDDEN"
        else:
            await api.data(mutation, **ARGUMENTS[name])
    assert await tasks(api) == 3
    await show_key(api, KeyScope.ADMIN)
    for name in FOR_ADMINS:
        await api.data(MUTATIONS[name], **ARGUMENTS[name])


async def test_a_read_key_changes_nothing_by_rest(api: Api) -> None:
    """With a read key every REST operation answers 403, except GET and the preview of a trigger."""
    await show_key(api, KeyScope.READ)
    refused = 0
    for path, operations in document()["paths"].items():
        for method in operations.keys() & {"get", "put", "post", "delete", "patch"}:
            answer = await api.http.request(method.upper(), f"/api/v1{path.replace('{id}', ID)}", json=ONE_OFF)
            if method == "post" and path == "/tasks/preview":
                assert answer.status_code == 200
            elif method == "get":
                assert answer.status_code in {200, 404}, (method, path)
            else:
                assert error(answer, 403) == "The key 'read' may only read; this needs the scope write"
                refused += 1
    assert refused == 8
    assert await tasks(api) == 0


async def test_a_write_key_changes_by_rest(api: Api) -> None:
    """With a write key a task is created, changed and cancelled."""
    await show_key(api, KeyScope.WRITE)
    made = await api.http.post("/api/v1/tasks", json=CRON)
    assert made.status_code == 201
    path = f"/api/v1/tasks/{made.json()['id']}"
    assert (await api.http.put(path, json={"name": "another"})).status_code == 200
    assert (await api.http.delete(path)).status_code == 200


@pytest.mark.parametrize("scope", [KeyScope.READ, KeyScope.WRITE])
async def test_the_audit_log_is_for_admin(api: Api, scope: KeyScope) -> None:
    """A key with a smaller scope is told which one it needs; an admin key reads the audit log."""
    await show_key(api, scope)
    [refused] = (await api.ask("{ auditLog { nodes { id } } }"))["errors"]
    assert refused["message"] == f"The key '{scope}' has the scope {scope}; this needs admin"
    assert refused["extensions"] == {"code": "FORBIDDEN"}
    await show_key(api, KeyScope.ADMIN)
    await api.data("{ auditLog { nodes { id } totalCount } }")
