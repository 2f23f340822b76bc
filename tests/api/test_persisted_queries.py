"""Automatic persisted queries: a document is sent once, and named by its hash from then on."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from redis import Redis

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import UNREACHABLE_REDIS
from tests.support.graphql import Api, serving
from tests.support.sse import events

QUERY = "{ __typename }"
DATA = {"data": {"__typename": "Query"}}
NOT_FOUND = {
    "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}],
}


def digest(query: str) -> str:
    """Return the hash of a document."""
    return hashlib.sha256(query.encode()).hexdigest()


def named(document: str, **others: Any) -> dict[str, Any]:
    """Return a request that names the document by its hash, with `others` as further members."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(document)}}, **others}


async def test_document_is_found_by_its_hash(api: Api, redis_url: str) -> None:
    """The hash is unknown at first; after the document was sent with it, the hash is enough, by POST and by GET."""
    response = {"accept": "application/graphql-response+json"}
    unknown = await api.http.post("/graphql", json=named(QUERY), headers=response)
    assert (unknown.status_code, unknown.json()) == (400, NOT_FOUND)
    assert (await api.http.post("/graphql", json=named(QUERY))).status_code == 200
    assert (await api.http.post("/graphql", json=named(QUERY, query=QUERY))).json() == DATA
    assert (await api.http.post("/graphql", json=named(QUERY))).json() == DATA
    params = {"extensions": json.dumps(named(QUERY)["extensions"])}
    assert (await api.http.get("/graphql", params=params)).json() == DATA
    key = f"duetime:apq:{digest(QUERY)}"
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("duetime:apq:*") == [key.encode()]
        # Each use puts the end off.
        redis.expire(key, 100)
        await api.http.post("/graphql", json=named(QUERY))
        assert 86_300 < redis.ttl(key) <= 86_400
        # What others have written there is not believed.
        redis.set(key, "{ tasks { totalCount } }")
    assert (await api.http.post("/graphql", json=named(QUERY))).json() == NOT_FOUND


SECRET = "c2VjcmV0LW9mLXRoZS1zaWduZWQtY2FsbHM="


@pytest.mark.parametrize(
    ("variables", "action"),
    [
        ("", f'headers: [{{name: "Authorization", value: "{SECRET}"}}]'),
        ("", f'headers: {{name: "Authorization", value: """{SECRET}"""}}'),
        ("", f'signingSecrets: ["{SECRET}"]'),
        ("", f'signingSecrets: "{SECRET}"'),
        (f'($value: String = "{SECRET}")', 'headers: [{name: "Authorization", value: $value}]'),
        (f'($all: [String!] = ["{SECRET}"])', "signingSecrets: $all"),
        (f'($all: [HeaderInput!]! = [{{name: "Cookie", value: "{SECRET}"}}])', "headers: $all"),
    ],
)
async def test_document_with_a_secret_is_not_kept(api: Api, redis_url: str, variables: str, action: str) -> None:
    """A document with a literal secret is executed but not stored; one with its secrets in variables is stored."""
    document = (
        f'mutation Make{variables} {{ createTask(input: {{name: "a", trigger: {{interval: {{everyMs: 1000}}}}, '
        f'action: {{url: "http://127.0.0.1/", {action}}}}}) {{ __typename }} }}'
    )
    assert (await api.http.post("/graphql", json=named(document, query=document))).json()["data"]["createTask"]
    assert (await api.http.post("/graphql", json=named(document))).json() == NOT_FOUND
    with Redis.from_url(redis_url) as redis:
        assert not redis.keys("duetime:apq:*")

    kept = "mutation Make($input: CreateTaskInput!) { createTask(input: $input) { __typename } }"
    await api.http.post("/graphql", json=named(kept, query=kept, variables={"input": None}))
    assert (await api.http.post("/graphql", json=named(kept))).json() != NOT_FOUND


async def test_variables_and_names_come_with_each_use(api: Api) -> None:
    """Only the document is stored; variables and operation names come with each request."""
    query = "query A ($n: Int) { tasks(first: $n) { totalCount } } query B { __typename }"
    await api.http.post("/graphql", json=named(query, query=query, operationName="B"))
    response = await api.http.post("/graphql", json=named(query, operationName="A", variables={"n": 0}))
    assert response.json()["errors"][0]["extensions"]["code"] == "INVALID_PAGE"


async def test_streams_and_websockets_find_it_too(api: Api) -> None:
    """All transports share one store."""
    async with api.socket() as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": named(QUERY)})
        assert await socket.receive() == {"id": "1", "type": "error", "payload": NOT_FOUND["errors"]}
        await socket.send({"id": "1", "type": "subscribe", "payload": named(QUERY, query=QUERY)})
        assert await socket.receive() == {"id": "1", "type": "next", "payload": DATA}
        assert await socket.receive() == {"id": "1", "type": "complete"}
        await socket.send({"id": "1", "type": "subscribe", "payload": named(QUERY)})
        assert await socket.receive() == {"id": "1", "type": "next", "payload": DATA}
    async with events(api, None, **named(QUERY)) as reader:
        assert await reader.payload() == DATA
    async with events(api, None, **named("{ a: __typename }")) as reader:
        assert await reader.payload() == {"data": None, **NOT_FOUND}


@pytest.mark.parametrize(
    ("persisted", "reason"),
    [
        ("x", "has to be an object"),
        ({}, "version"),
        ({"version": 2, "sha256Hash": digest(QUERY)}, "version"),
        ({"version": True, "sha256Hash": digest(QUERY)}, "version"),
        ({"version": 1}, "64 hexadecimal digits"),
        ({"version": 1, "sha256Hash": digest(QUERY).upper()}, "64 hexadecimal digits"),
        ({"version": 1, "sha256Hash": "*"}, "64 hexadecimal digits"),
        ({"version": 1, "sha256Hash": digest("{ a }")}, f"is not that of the query, which is {digest(QUERY)}"),
    ],
)
async def test_wrong_hashes_are_refused(api: Api, redis_url: str, persisted: Any, reason: str) -> None:
    """A wrong hash is refused; nothing is executed or stored."""
    request = {"query": QUERY, "extensions": {"persistedQuery": persisted}}
    answer = await api.http.post("/graphql", json=request, headers={"accept": "application/graphql-response+json"})
    assert answer.status_code == 400
    assert reason in answer.json()["errors"][0]["message"]
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("*apq*") == []


async def test_only_what_can_be_executed_is_kept(api: Api, redis_url: str) -> None:
    """Only documents that can be executed are stored, so nobody can fill Redis with anything else."""
    for query in ("{", "{ nope }", "{" + " a" * 10_001 + " }"):
        assert "errors" in (await api.http.post("/graphql", json=named(query, query=query))).json()
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("*apq*") == []


async def test_request_needs_a_document_or_a_hash(api: Api) -> None:
    """Other extensions do not replace the document."""
    assert (await api.http.post("/graphql", json={"extensions": {"other": 1}})).status_code == 400
    async with api.socket() as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": {"extensions": {"other": 1}}})
        assert await socket.close_code() == 4400


async def test_without_redis_documents_have_to_be_sent(database: DatabaseSettings) -> None:
    """Without Redis, documents are executed, and a hash alone is not found."""
    async with serving(database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS)) as api:
        assert (await api.http.post("/graphql", json=named(QUERY, query=QUERY))).json() == DATA
        assert (await api.http.post("/graphql", json=named(QUERY))).json() == NOT_FOUND


async def test_hanging_redis_holds_nothing_up(database: DatabaseSettings) -> None:
    """A Redis that accepts connections and never replies delays a request only briefly."""

    over = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, serving(database, JobsSettings.model_construct(redis_url=f"redis://127.0.0.1:{port}/0")) as api:
        async with asyncio.timeout(10):
            assert (await api.http.post("/graphql", json=named(QUERY, query=QUERY))).json() == DATA
            assert (await api.http.post("/graphql", json=named(QUERY))).json() == NOT_FOUND
        over.set()
