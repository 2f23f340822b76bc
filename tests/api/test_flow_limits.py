"""Flow limits as admin keys see them, and what is refused."""

from typing import Any

import pytest

from tests.support.graphql import Api

LIMIT = "id key { host flowKey } maxConcurrent ratePerSecond burst waitingRuns runningRuns"
RESULT = f"""__typename ... on FlowLimit {{ {LIMIT} }} ... on InvalidInput {{ problems {{ path message }} }}
    ... on Conflict {{ message reason }} ... on NotFound {{ message }}"""
CREATE = f"mutation ($input: CreateFlowLimitInput!) {{ createFlowLimit(input: $input) {{ {RESULT} }} }}"
UPDATE = f"""mutation ($id: ID!, $input: UpdateFlowLimitInput!) {{
    updateFlowLimit(id: $id, input: $input) {{ {RESULT} }}
}}"""
DELETE = """mutation ($id: ID!) { deleteFlowLimit(id: $id) {
    __typename ... on DeletedFlowLimit { flowLimitId } ... on NotFound { message }
} }"""
LIST = f"{{ flowLimits {{ {LIMIT} }} }}"
AUDIT = "{ auditLog(first: 10) { nodes { action before after } } }"
MAKE_TASK = """mutation ($input: CreateTaskInput!) { createTask(input: $input) {
    ... on Task { id flowKey } ... on InvalidInput { problems { path message } }
} }"""
CHANGE_TASK = """mutation ($id: ID!, $input: UpdateTaskInput!) {
    updateTask(id: $id, input: $input) { ... on Task { flowKey version } }
}"""
ROLLBACK = """mutation ($id: ID!, $version: Int!) {
    rollbackTask(id: $id, version: $version) { ... on Task { flowKey version } }
}"""
UPSERT = (
    "mutation ($input: CreateTaskInput!) { upsertTask(input: $input) { ... on UpsertedTask { task { flowKey } } } }"
)
TASK = {"name": "a task", "trigger": {"interval": {"everyMs": 3_600_000}}, "action": {"url": "http://localhost/"}}


async def create(api: Api, **input: Any) -> dict[str, Any]:  # noqa: A002 (the argument's name in the schema)
    """Create a limit and return the result."""
    made: dict[str, Any] = (await api.data(CREATE, input=input))["createFlowLimit"]
    return made


async def test_the_life_of_a_limit(api: Api) -> None:
    """It is created, listed, changed member by member, and deleted, each with an entry in the audit log."""
    made = await create(api, key={"host": "*.Example.com"}, ratePerSecond=2.5)
    limit = {
        "id": made["id"], "key": {"host": "*.example.com", "flowKey": None}, "maxConcurrent": None,
        "ratePerSecond": 2.5, "burst": 1, "waitingRuns": 0, "runningRuns": 0,
    }  # fmt: skip
    assert made == {"__typename": "FlowLimit", **limit}
    other = await create(api, key={"flowKey": "Acme"}, maxConcurrent=3)
    assert (await api.data(LIST))["flowLimits"] == [limit, {n: v for n, v in other.items() if n != "__typename"}]

    again = await create(api, key={"host": "*.EXAMPLE.com "}, maxConcurrent=1)
    message = "There is a flow limit of *.example.com already; change or delete that one"
    assert again == {"__typename": "Conflict", "reason": "FLOW_LIMIT_EXISTS", "message": message}

    for given, then in (
        ({"maxConcurrent": 4}, {"maxConcurrent": 4, "ratePerSecond": 2.5, "burst": 1}),
        ({"burst": 7}, {"maxConcurrent": 4, "ratePerSecond": 2.5, "burst": 7}),
        ({"ratePerSecond": 0}, {"maxConcurrent": 4, "ratePerSecond": None, "burst": None}),
        ({"ratePerSecond": 1, "maxConcurrent": 0}, {"maxConcurrent": None, "ratePerSecond": 1, "burst": 1}),
        ({}, {"maxConcurrent": None, "ratePerSecond": 1, "burst": 1}),
    ):
        changed = (await api.data(UPDATE, id=limit["id"], input=given))["updateFlowLimit"]
        assert changed == {"__typename": "FlowLimit", **limit, **then}
    deleted = (await api.data(DELETE, id=limit["id"]))["deleteFlowLimit"]
    assert deleted == {"__typename": "DeletedFlowLimit", "flowLimitId": limit["id"]}
    for gone in (await api.data(DELETE, id=limit["id"]), await api.data(UPDATE, id=limit["id"], input={})):
        [result] = gone.values()
        assert result == {"__typename": "NotFound", "message": f"There is no flow limit {limit['id']}"}
    entries = (await api.data(AUDIT))["auditLog"]["nodes"]
    assert [each["action"] for each in entries] == [
        "deleteFlowLimit", *["updateFlowLimit"] * 4, "createFlowLimit", "createFlowLimit"
    ]  # fmt: skip
    assert entries[1]["before"] == {"id": limit["id"], "max_concurrent": 4}
    assert entries[1]["after"] == {"rate_per_second": 1, "burst": 1}


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"key": {"host": "a.example"}}, [], "has no limit; give maxConcurrent, ratePerSecond, or both"),
        ({"key": {"host": "a.example"}, "maxConcurrent": 0}, ["maxConcurrent"], "must be from 1 to 10,000, not 0"),
        ({"key": {"host": "a.example"}, "maxConcurrent": -1}, ["maxConcurrent"], "must be from 1 to 10,000, not -1"),
        (
            {"key": {"host": "a.example"}, "ratePerSecond": 0},
            ["ratePerSecond"],
            "must be from 0.0001 to 10,000 calls per second, not 0.0",
        ),
        (
            {"key": {"host": "a.example"}, "maxConcurrent": 1, "burst": 2},
            ["burst"],
            "requires a rate; also give ratePer",
        ),
        ({"key": {"host": "a.example"}, "ratePerSecond": 1, "burst": 0}, ["burst"], "must be from 1 to 10,000, not 0"),
        (
            {"key": {"host": "a.*.example"}, "maxConcurrent": 1},
            ["key", "host"],
            "has a * inside; a pattern may only begin with",
        ),
        ({"key": {"flowKey": ""}, "maxConcurrent": 1}, ["key", "flowKey"], "must have 1 to 255 characters, not 0"),
        ({"key": {"flowKey": "a\n"}, "maxConcurrent": 1}, ["key", "flowKey"], "contains a control character"),
    ],
)
async def test_what_is_wrong_is_said(api: Api, given: dict[str, Any], path: list[str], message: str) -> None:
    """Each problem has the path of its member and says what would be right."""
    refused = await create(api, **given)
    [problem] = refused["problems"]
    assert problem["path"] == path
    assert problem["message"].startswith(message)


async def test_an_update_leaves_something(api: Api) -> None:
    """A limit that would limit nothing is refused, and a burst without a rate."""
    made = await create(api, key={"flowKey": "k"}, maxConcurrent=1)
    for given, message in (
        ({"maxConcurrent": 0}, "would limit nothing; delete the limit instead"),
        ({"burst": 2}, "requires a rate; also give ratePerSecond"),
        ({"maxConcurrent": 20_000}, "must be from 1 to 10,000, not 20,000; 0 removes it"),
    ):
        refused = (await api.data(UPDATE, id=made["id"], input=given))["updateFlowLimit"]
        assert [each["message"] for each in refused["problems"]] == [message]


async def test_flow_keys_of_tasks(api: Api) -> None:
    """A task has a key when it is created, changed or upserted, and an empty text takes it away."""
    made = (await api.data(MAKE_TASK, input={**TASK, "flowKey": "acme"}))["createTask"]
    assert made["flowKey"] == "acme"
    for given, key, version in (({"flowKey": "b"}, "b", 2), ({"name": "c"}, "b", 3), ({"flowKey": ""}, None, 4)):
        changed = (await api.data(CHANGE_TASK, id=made["id"], input=given))["updateTask"]
        assert changed == {"flowKey": key, "version": version}
    back = (await api.data(ROLLBACK, id=made["id"], version=2))["rollbackTask"]
    assert back == {"flowKey": "b", "version": 5}
    for given, key in (({"flowKey": "d"}, "d"), ({}, None)):
        upserted = await api.data(UPSERT, input={**TASK, "externalId": "e", **given})
        assert upserted["upsertTask"]["task"]["flowKey"] == key
    [problem] = (await api.data(MAKE_TASK, input={**TASK, "flowKey": "x" * 256}))["createTask"]["problems"]
    assert problem == {"path": ["flowKey"], "message": "must have 1 to 255 characters, not 256"}
