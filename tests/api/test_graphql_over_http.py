"""GraphQL's transports: statuses and media types over HTTP, messages over WebSocket, and what is never shown."""

import json
import logging
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from graphql_api.transport.message_limits import MAX_BYTES
from tests.support.graphql import Api
from tests.support.logs import logged

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


async def post(api: Api, body: Any, *, accept: str = RESPONSE, content_type: str = JSON) -> httpx.Response:
    """POST a body, as JSON or text."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return await api.http.post("/graphql", content=content, headers={"accept": accept, "content-type": content_type})


async def test_answer_has_the_type_that_was_asked_for(api: Api) -> None:
    """The response has the specification's media type if the client names it, else application/json."""
    for accept, expected in (
        (RESPONSE, RESPONSE),
        (f"{RESPONSE};q=0.9, {JSON};q=0.8", RESPONSE),
        (f"{JSON}, {RESPONSE}", RESPONSE),
        (f"{JSON};q=0.9, {RESPONSE};q=0.8", JSON),
        (f"{RESPONSE};q=0", JSON),
        (f"{RESPONSE.upper()}; charset=utf-8; Q=0.9", RESPONSE),
        (f"{RESPONSE};q=much", RESPONSE),
        (JSON, JSON),
        ("*/*", JSON),
        ("", JSON),
    ):
        answer = await post(api, {"query": "{ __typename }"}, accept=accept)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"{expected}; charset=utf-8"
        assert answer.json() == {"data": {"__typename": "Query"}}


async def test_request_that_cannot_be_executed_is_400(api: Api) -> None:
    """Wrong syntax, validation, variables or operation names get 400 and no `data`; old clients get 200."""
    for body in (
        {"query": "{"},
        {"query": "{ nope }"},
        {"query": "query ($id: ID!) { task(id: $id) { id } }"},
        {"query": "query ($first: Int) { tasks(first: $first) { totalCount } }", "variables": {"first": "x"}},
    ):
        answer = await post(api, body)
        assert answer.status_code == 400, body
        assert list(answer.json()) == ["errors"]
        assert (await post(api, body, accept=JSON)).status_code == 200


async def test_errors_of_fields_are_200(api: Api) -> None:
    """An operation that was executed gets 200, whatever errors its fields have."""
    answer = await post(api, {"query": '{ task(id: "x") { id } }'})
    assert answer.status_code == 200
    assert answer.json()["data"] == {"task": None}


async def test_malformed_requests_say_what_is_wrong(api: Api) -> None:
    """Malformed requests get a status and a message in the form of GraphQL errors, and never a 500."""
    deep = "[" * 100_000 + "]" * 100_000
    for body, status in (
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("1", 400),
        ('"query"', 400),
        ("{}", 400),
        ('{"query": 1}', 400),
        ('{"query": ""}', 400),
        ('{"query": "{ __typename }", "variables": []}', 400),
        ('{"query": "{ __typename }", "variables": {"a": NaN}}', 400),
        ('{"query": "{ __typename }", "query": "{ a }"}', 400),
        ('{"query": "{ __typename }", "operationName": {}}', 400),
        ('{"query": "{ __typename }", "operationName": "x"}', 400),
        ('{"query": "{ __typename }", "extensions": 1}', 400),
        ('{"query": "{ __typename }", "variables": {"a": ' + "1" * 4_301 + "}}", 400),
        ('{"query": "{ __typename }", "variables": {"a": ' + deep + "}}", 400),
        (json.dumps({"query": "{ a " * 100_000}), 400),
        (json.dumps({"query": f"{{ tasks(filter: {deep}) {{ totalCount }} }}"}), 400),
        ('{"query": "subscription { runEvents { __typename } }"}', 400),
        (b'{"query": "\xff"}', 400),
        (b" " * (MAX_BYTES + 1), 413),
    ):
        answer = await post(api, body)
        assert answer.status_code == status, (body[:80], answer.text)
        assert answer.json()["errors"][0]["message"]
    assert (await post(api, {"query": "{ __typename }"}, content_type="text/plain")).status_code == 415
    assert (await post(api, {"query": "{ __typename }"}, content_type=f"{JSON}; charset=latin-1")).status_code == 415
    assert (await post(api, {"query": "{ __typename }"}, content_type=f"{JSON}; charset=UTF-8")).status_code == 200
    assert (await post(api, {"query": "{ __typename }"}, content_type="Application/JSON")).status_code == 200


async def test_one_of_several_operations_has_to_be_named(api: Api) -> None:
    """Of several operations none is executed just because it comes first, over any transport."""
    mutation, subscription = "pauseTasks(ids: []) { __typename }", "runEvents { __typename }"
    several = f"query A {{ a: __typename }} mutation B {{ {mutation} }} subscription C {{ {subscription} }}"
    for query in (several, "{ __typename } query A { __typename }", "{ __typename } { __typename }"):
        answer = await post(api, {"query": query})
        assert answer.status_code == 400
        assert "operationName" in answer.json()["errors"][0]["message"]
        assert (await api.http.get("/graphql", params={"query": query})).json() == answer.json()
        events = await post(api, {"query": query}, accept="text/event-stream")
        assert "operationName" in events.text
        async with api.socket() as conversation:
            message = await (await conversation.subscribe(query)).message()
            assert (message["type"], message["payload"]) == ("error", answer.json()["errors"])
    named = await post(api, {"query": several, "operationName": "A"})
    assert named.json() == {"data": {"a": "Query"}}


async def test_wrong_values_in_a_document_are_told_with_their_place(api: Api) -> None:
    """Wrong values in a document are reported with their place, also those of Duetime's own scalars."""
    for value, message in (
        ('cron: {expression: "@daily", startAt: "2030-01-01"}', "is not an RFC 3339 instant"),
        ("interval: {everyMs: -1}", "Milliseconds are 0 to"),
        ("interval: {everyMs: 1.5}", "Milliseconds are a whole number"),
        ("interval: {everyMs: [1]}", "Milliseconds are a whole number"),
        ("interval: {everyMs: true}", "Milliseconds are a whole number"),
    ):
        query = f"{{ previewTrigger(trigger: {{{value}}}) {{ __typename }} }}"
        [error] = (await post(api, {"query": query})).json()["errors"]
        assert message in error["message"]
        [place] = error["locations"]
        assert query[place["column"] - 1 :].startswith(value.rpartition(": ")[2].rstrip("}"))


async def test_operation_has_to_be_there(api: Api) -> None:
    """A name without an operation, and a document of only fragments, are errors of the caller over any transport."""
    for query, name, message in (
        ("query A { __typename }", "Z", "The document has no operation named 'Z'"),
        ("{ __typename }", "", "The document has no operation named ''"),
        ("fragment A on Query { __typename }", None, "The document has no operation"),
    ):
        request = {"query": query, "operationName": name}
        error = {"message": message, "extensions": {"code": "OPERATION_RESOLUTION_FAILURE"}}
        answer = await post(api, request)
        assert (answer.status_code, answer.json()["errors"]) == (400, [error])
        events = await post(api, request, accept="text/event-stream")
        assert message in events.text
        async with api.socket() as conversation:
            await conversation.send({"id": "1", "type": "subscribe", "payload": request})
            assert await conversation.receive() == {"id": "1", "type": "error", "payload": [error]}


async def test_get_is_for_queries(api: Api) -> None:
    """Queries can be sent by GET and mutations cannot; other methods are refused."""
    answer = await api.http.get("/graphql", params={"query": "query ($a: Int) { tasks(first: $a) { totalCount } }"})
    assert answer.json()["data"] == {"tasks": {"totalCount": 0}}
    mutation = await api.http.get("/graphql", params={"query": 'mutation { cancelTask(id: "x") { __typename } }'})
    assert (mutation.status_code, mutation.headers["allow"]) == (405, "POST")
    for method in ("PATCH", "DELETE"):
        refused = await api.http.request(method, "/graphql")
        assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, POST, PUT")
    assert (await api.http.get("/graphql")).status_code == 400
    wrong = await api.http.get("/graphql", params={"query": "{ __typename }", "variables": "{"})
    assert wrong.status_code == 400


@pytest.mark.fresh
async def test_surprises_are_masked_and_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """For an internal error the client gets an id, and the log has the error under it; no details are shown."""
    async with api.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE tasks RENAME TO elsewhere"))
    with caplog.at_level(logging.ERROR):
        [error] = (await api.ask("{ tasks { nodes { id } } }"))["errors"]
        rest = await api.http.get("/api/v1/tasks")
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["id"] in error["message"]
    assert "elsewhere" not in json.dumps(error)
    assert "UndefinedTable" not in json.dumps(error)
    [record] = logged(caplog, "graphql_failed")
    assert vars(record)["id"] == error["extensions"]["id"]
    assert record.exc_info is not None
    assert "tasks" in str(record.exc_info[1])
    assert rest.status_code == 500
    assert list(rest.json()) == ["error"]
    [record] = logged(caplog, "request_failed")
    assert vars(record)["id"] in rest.text


async def test_callers_mistakes_are_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Errors of a request are reported to its sender, and not logged."""
    await api.ask("{ nope }")
    await api.ask('{ task(id: "x") { id } }')
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_websocket_speaks_one_protocol(api: Api) -> None:
    """Queries work over a WebSocket as well, and each breach of the protocol closes it with the protocol's code."""
    async with api.socket() as socket:
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        query = await socket.subscribe("query ($n: Int) { tasks(first: $n) { totalCount } }", n=1)
        assert (await query.message())["payload"] == {"data": {"tasks": {"totalCount": 0}}}
        assert (await query.message())["type"] == "complete"
        wrong = await socket.subscribe("{ nope }")
        assert (await wrong.message())["type"] == "error"
    for message, code in (
        ("{", 4400),
        ("[]", 4400),
        ("1", 4400),
        ({}, 4400),
        ({"type": 1}, 4400),
        ({"type": "nope"}, 4400),
        ({"type": "subscribe"}, 4400),
        ({"type": "subscribe", "id": "1"}, 4400),
        ({"type": "subscribe", "id": "1", "payload": "x"}, 4400),
        ({"type": "subscribe", "id": "1", "payload": {"query": 1}}, 4400),
        ({"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}, 4400),
        ({"type": "complete"}, 4400),
        ({"type": "connection_init"}, 4429),
    ):
        async with api.socket() as socket:
            await socket.send(message)
            assert await socket.close_code() == code, message
    async with api.socket(begun=False) as socket:
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})
        assert await socket.close_code() == 4401


async def test_completed_subscription_sends_no_more(api: Api) -> None:
    """A client that completes one operation continues with others on the same WebSocket."""
    async with api.socket() as socket:
        await socket.subscribe("subscription { runEvents { __typename } }")
        await socket.send({"id": "1", "type": "complete"})
        query = await socket.subscribe("{ __typename }")
        assert (await query.message())["payload"] == {"data": {"__typename": "Query"}}


async def test_root_tells_where_to_look(api: Api) -> None:
    """The root path returns the addresses of the APIs."""
    assert (await api.http.get("/")).json() == {
        "service": "Duetime",
        "graphql": f"{api.url}/graphql",
        "rest": f"{api.url}/api/v1/tasks",
        "health": f"{api.url}/health",
    }
