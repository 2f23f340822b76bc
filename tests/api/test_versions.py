"""Versions of tasks: who changed what and when, the task as it was, and the return to an earlier definition."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from db.tasks import definitions
from jobs.maintenance.key_rotation import rotate_secrets
from jobs.settings import JobsSettings
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.rest import CRON
from tests.support.target import Target
from tests.support.waiting import wait_until

VERSIONS = """query ($id: ID!, $first: Int, $after: String) { task(id: $id) { versions(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor }
  nodes {
    version at actor name tags action { url payload headers { name value secret } } trigger { __typename }
    changes { field before after }
  }
} } }"""
AS_OF = """query ($id: ID!, $asOf: DateTime) { task(id: $id, asOf: $asOf) {
  name version nextRunAt metadata action { url payload } trigger { ... on CronTrigger { expression } }
} }"""
CREATE = """mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  ... on Task { id createdAt } ... on InvalidInput { message }
} }"""
UPDATE = """mutation ($id: ID!, $input: UpdateTaskInput!) { updateTask(id: $id, input: $input) {
  ... on Task { version updatedAt } ... on InvalidInput { message }
} }"""
ROLLBACK = """mutation ($id: ID!, $version: Int!, $expectedVersion: Int) {
  rollbackTask(id: $id, version: $version, expectedVersion: $expectedVersion) {
    __typename
    ... on Task { version name status nextRunAt action { url } }
    ... on InvalidInput { problems { path message } }
    ... on Conflict { reason }
  }
}"""
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
TASK = {
    "name": "first",
    "trigger": {"cron": {"expression": "0 9 * * *"}},
    "action": {
        "url": "http://localhost:1/a",
        "payload": {"price": 1},
        "headers": [{"name": "Authorization", "value": "Bearer swordfish"}, {"name": "X-Plain", "value": "a"}],
    },
    "metadata": {"version": 7},
    "tags": ["a"],
}


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that can keep secrets."""
    async with serving(database, jobs_settings.model_copy(update={"secret_key": OLD})) as running:
        yield running


async def versions(api: Api, task_id: str, **page: Any) -> list[dict[str, Any]]:
    """Return a task's versions, newest first."""
    found = (await api.data(VERSIONS, id=task_id, **page))["task"]["versions"]
    nodes: list[dict[str, Any]] = found["nodes"]
    return nodes


async def rolled_back(api: Api, task_id: str, version: int, **more: Any) -> dict[str, Any]:
    """Return what rollbackTask answers."""
    found: dict[str, Any] = (await api.data(ROLLBACK, id=task_id, version=version, **more))["rollbackTask"]
    return found


async def test_versions_tell_who_changed_what(api: Api) -> None:
    """Each change of the definition is a version with its changes and no secrets; the past can be read."""
    made = (await api.data(CREATE, input=TASK))["createTask"]
    task_id = made["id"]
    [only] = await versions(api, task_id)
    assert (only["version"], only["actor"], only["at"], only["changes"]) == (1, "anybody", made["createdAt"], [])
    pause = "mutation ($id: ID!) { pauseTask(id: $id) { __typename } resumeTask(id: $id) { __typename } }"
    await api.data(pause, id=task_id)
    assert await versions(api, task_id) == [only]
    action = {
        "url": "http://localhost:1/b", "payload": {"price": "1.10"},
        "headers": [{"name": "Authorization", "value": "Bearer marlin9"}, {"name": "X-Plain", "value": "a"}],
    }  # fmt: skip
    changed = await api.data(UPDATE, id=task_id, input={"name": "second", "action": action, "metadata": {"version": 8}})
    assert changed["updateTask"]["version"] == 4
    await api.data(UPDATE, id=task_id, input={"trigger": {"interval": {"everyMs": 60000}}, "externalId": "e"})
    newest, second, first = await versions(api, task_id)
    assert first == only
    assert (newest["version"], second["version"], second["actor"]) == (5, 4, "anybody")
    assert newest["trigger"] == {"__typename": "IntervalTrigger"}
    assert {each["field"] for each in newest["changes"]} == {
        "trigger.cron.expression", "trigger.cron.timezone", "trigger.cron.startAt", "trigger.cron.endAt",
        "trigger.cron.jitterMs", "trigger.interval.everyMs", "trigger.interval.startAt", "trigger.interval.endAt",
        "trigger.interval.jitterMs",
    } - {"trigger.cron.startAt", "trigger.cron.endAt", "trigger.interval.endAt"}  # fmt: skip
    differing = {each["field"]: (each["before"], each["after"]) for each in second["changes"]}
    old_headers, new_headers = differing.pop("action.headers")
    assert differing == {
        "name": ("first", "second"),
        "metadata": ({"version": 7}, {"version": 8}),
        "action.url": ("http://localhost:1/a", "http://localhost:1/b"),
        "action.payload": ({"price": 1}, {"price": "1.10"}),
    }
    assert old_headers[0]["secret"] != new_headers[0]["secret"]
    assert old_headers[1] == new_headers[1] == {"name": "X-Plain", "value": "a"}
    assert "marlin9" not in str([newest, second])

    async def as_of(instant: Any) -> Any:
        return (await api.data(AS_OF, id=task_id, asOf=instant))["task"]

    assert await as_of((utc_now() - timedelta(days=1)).isoformat()) is None
    past = await as_of(made["createdAt"])
    assert past == {
        "name": "first", "version": 1, "nextRunAt": None, "metadata": {"version": 7},
        "action": {"url": "http://localhost:1/a", "payload": {"price": 1}}, "trigger": {"expression": "0 9 * * *"},
    }  # fmt: skip
    assert (await as_of(second["at"]))["action"]["payload"] == {"price": "1.10"}
    assert (await as_of(utc_now().isoformat()))["version"] == 5
    page = (await api.data(VERSIONS, id=task_id, first=2))["task"]["versions"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
    assert await versions(api, task_id, after=page["pageInfo"]["endCursor"]) == [first]


async def test_a_rollback_is_a_new_version_with_the_secrets_of_the_old_one(
    api: Api, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """A task goes back with its secrets, also after a rotation of the key; what cannot be restored is said."""
    action = {**TASK["action"], "url": f"{target.url}/a"}  # type: ignore[dict-item]
    task_id = (await api.data(CREATE, input={**TASK, "action": action}))["createTask"]["id"]
    moved = {"url": "http://localhost:2/b", "headers": []}
    await api.data(UPDATE, id=task_id, input={"name": "second", "action": moved, "tags": []})
    assert (await rolled_back(api, task_id, 1, expectedVersion=1))["reason"] == "STALE_VERSION"
    for unknown in (0, -1, 3):
        [problem] = (await rolled_back(api, task_id, unknown))["problems"]
        assert problem["path"] == ["version"], unknown
    both = jobs_settings.model_copy(update={"secret_key": f"{NEW},{OLD}"})
    assert (await rotate_secrets(api.engine, both.secrets))[1] == []
    [closed] = (await rolled_back(api, task_id, 1))["problems"]
    assert "no key" in closed["message"]
    rotated = jobs_settings.model_copy(update={"secret_key": NEW})
    async with serving(database, rotated) as again, working(database, rotated):
        back = await rolled_back(again, task_id, 1, expectedVersion=2)
        assert (back["version"], back["name"], back["status"]) == (3, "first", "SCHEDULED")
        assert await rolled_back(again, task_id, 3) == back
        assert await rolled_back(again, task_id, 1) == back
        await again.data("mutation ($id: ID!) { runTask(id: $id) { __typename } }", id=task_id)
        await wait_until(lambda: bool(target.calls), what="the restored request is made")
        assert target.calls[0].headers["authorization"] == "Bearer swordfish"
        newest = (await versions(again, task_id))[0]
        assert {each["field"] for each in newest["changes"]} == {"name", "tags", "action.url", "action.headers"}
        [entry] = (await again.data('{ auditLog(filter: {action: "rollbackTask"}) { nodes { taskId after } } }'))[
            "auditLog"
        ]["nodes"]
        assert entry["after"]["name"] == "first"


async def test_what_cannot_be_restored(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A one-off of the past is refused, and what is no longer kept or allowed; REST's tasks have versions, too."""
    monkeypatch.setattr(definitions, "KEPT", 3)
    made = (await api.http.post("/api/v1/tasks", json=CRON)).json()
    path = f"/api/v1/tasks/{made['id']}"
    for name in ("b", "c"):
        assert (await api.http.put(path, json={"name": name})).status_code == 200
    assert (await rolled_back(api, made["id"], 1))["name"] == CRON["name"]
    assert [each["version"] for each in await versions(api, made["id"])] == [4, 3, 2]
    assert (await rolled_back(api, made["id"], 1))["problems"][0]["path"] == ["version"]
    assert await api.code(AS_OF, id=made["id"], asOf=made["created_at"]) == "NOT_KEPT"

    one_off = {"name": "a", "trigger": {"oneOff": {"delayMs": 3_600_000}}, "action": {"url": "http://localhost:1/a"}}
    task_id = (await api.data(CREATE, input=one_off))["createTask"]["id"]
    await api.data(UPDATE, id=task_id, input={"trigger": {"interval": {"everyMs": 60_000}}})
    async with api.engine.begin() as connection:
        await connection.execute(text("UPDATE task_definitions SET trigger_time = now() - interval '1 hour'"))
        await connection.execute(text("UPDATE task_definitions SET url = 'http://169.254.169.254/' WHERE version = 2"))
    [past] = (await rolled_back(api, task_id, 1))["problems"]
    assert past["path"][0] == "trigger"
    await api.data(UPDATE, id=task_id, input={"name": "third"})
    [forbidden] = (await rolled_back(api, task_id, 2))["problems"]
    assert forbidden["path"] == ["action", "url"], forbidden
