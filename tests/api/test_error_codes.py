"""The codes of requests that are not executed, which clients switch on, over every transport."""

import hashlib
import json
from typing import Any

import pytest

from tests.support.graphql import Api

LIST = "query ($first: Int) { tasks(first: $first) { totalCount } }"
UPCOMING = """query ($count: Int = 1) {
  previewTrigger(trigger: {oneOff: {delayMs: 0}}, count: $count) { __typename }
}"""
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("GRAPHQL_PARSE_FAILED", {"query": "{ tasks {"}),
    ("GRAPHQL_VALIDATION_FAILED", {"query": "{ tasks { colour } }"}),
    ("GRAPHQL_VALIDATION_FAILED", {"query": '{ tasks(first: "ten") { totalCount } }'}),
    ("GRAPHQL_VALIDATION_FAILED", {"query": "subscription { runEvents { colour } }"}),
    ("BAD_USER_INPUT", {"query": LIST, "variables": {"first": "ten"}}),
    (
        "BAD_USER_INPUT",
        {"query": "mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename } }", "variables": {}},
    ),
    (
        "BAD_USER_INPUT",
        {
            "query": "subscription ($taskId: ID) { taskChanged(taskId: $taskId) { __typename } }",
            "variables": {"taskId": ["x"]},
        },
    ),
    (
        "BAD_USER_INPUT",
        {"query": UPCOMING, "variables": {"count": None}},
    ),
    ("OPERATION_RESOLUTION_FAILURE", {"query": "query A { __typename } query B { __typename }"}),
    ("OPERATION_RESOLUTION_FAILURE", {"query": "query A { __typename }", "operationName": "B"}),
    ("INVALID_PAGE", {"query": LIST, "variables": {"first": 0}}),
    ("LIMIT_EXCEEDED", {"query": "{ " + " ".join(f"a{n}: __typename" for n in range(60)) + " }"}),
    (
        "PERSISTED_QUERY_NOT_FOUND",
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(b"nothing").hexdigest()}}},
    ),
    (
        "BAD_REQUEST",
        {"query": LIST, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
    ),
]


def code_of(errors: list[dict[str, Any]]) -> str:
    """Return the code that all errors have."""
    [code] = {error["extensions"]["code"] for error in errors}
    assert isinstance(code, str)
    return code


@pytest.mark.parametrize("accepted", ["application/json", "application/graphql-response+json", "text/event-stream"])
async def test_over_http(api: Api, accepted: str) -> None:
    """Each kind of wrong request has the code that Apollo's clients know, in a response and in a stream of events."""
    found = []
    for _, request in WRONG:
        if accepted != "text/event-stream" and request.get("query", "").startswith("subscription"):
            continue
        answer = await api.http.post("/graphql", json=request, headers={"Accept": accepted})
        text = answer.text.split("data: ", 1)[1].splitlines()[0] if "event:" in answer.text else answer.text
        found.append(code_of(json.loads(text)["errors"]))
    expected = [
        code
        for code, request in WRONG
        if accepted == "text/event-stream" or not request.get("query", "").startswith("subscription")
    ]
    assert found == expected


async def test_over_a_websocket(api: Api) -> None:
    """The same errors have the same codes in messages of the type `error`, or in a result."""
    found = []
    async with api.socket() as socket:
        for number, (_, request) in enumerate(WRONG):
            await socket.send({"id": str(number), "type": "subscribe", "payload": request})
            message = await socket.receive()
            while message["type"] == "complete":
                message = await socket.receive()
            assert message["id"] == str(number)
            payload = message["payload"]
            found.append(code_of(payload if message["type"] == "error" else payload["errors"]))
    assert found == [code for code, _ in WRONG]


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (400, "application/json", "{"),
        (400, "application/json", "[]"),
        (400, "application/json", "{}"),
        (415, "text/plain", "{}"),
    ],
)
@pytest.mark.parametrize("accepted", ["application/json", "text/event-stream"])
async def test_a_request_that_is_no_graphql(api: Api, status: int, content_type: str, body: str, accepted: str) -> None:
    """A body that holds no operation is BAD_REQUEST."""
    answer = await api.http.post("/graphql", content=body, headers={"Content-Type": content_type, "Accept": accepted})
    assert (answer.status_code, code_of(answer.json()["errors"])) == (status, "BAD_REQUEST")
