"""graphql-sse's single connection mode: one stream for many operations, its limits, and whose it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from db.settings import DatabaseSettings
from db.states import KeyScope
from graphql_api.transport import shared_stream
from jobs.settings import JobsSettings
from tests.api.test_run_events import WATCH, newest
from tests.support.graphql import Api
from tests.support.history import append_events
from tests.support.keys import bearer, guarded, make_key, revoke
from tests.support.sse import EventReader
from tests.support.waiting import wait_until

ONE = uuid4()
TOKEN = "x-graphql-event-stream-token"


def message(answer: httpx.Response, status: int) -> str:
    """Return the message of a refusal."""
    assert answer.status_code == status, answer.text
    [found] = answer.json()["errors"]
    return str(found["message"])


async def reserve(api: Api, **headers: str) -> dict[str, str]:
    """Reserve a stream, and return the headers of the requests that use it."""
    answer = await api.http.put("/graphql", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return headers | {TOKEN: answer.text}


@asynccontextmanager
async def opened(api: Api, headers: dict[str, str]) -> AsyncIterator[EventReader]:
    """Open a reserved stream."""
    async with api.http.stream("GET", "/graphql", headers=headers | {"accept": "text/event-stream"}) as response:
        assert response.status_code == 200, await response.aread()
        yield EventReader(response)


async def start(api: Api, headers: dict[str, str], operation: str, query: str, **variables: Any) -> httpx.Response:
    """Start an operation."""
    body = {"query": query, "variables": variables, "extensions": {"operationId": operation}}
    return await api.http.post("/graphql", json=body, headers=headers)


async def end(api: Api, headers: dict[str, str], operation: str) -> httpx.Response:
    """End an operation."""
    return await api.http.delete("/graphql", params={"operationId": operation}, headers=headers)


def followers(api: Api) -> int:
    """Return how many subscriptions are open."""
    return sum(sum(each.values()) for each in api.services.subscriptions._open.values())


async def test_operations_share_a_stream(api: Api) -> None:
    """Results of queries, mutations and subscriptions come over one stream, each with the id of its operation."""
    headers = await reserve(api)
    async with opened(api, headers) as reader:
        assert (await start(api, headers, "q", "{ __typename }")).status_code == 202
        assert json.loads((await reader.event())[1]) == {"id": "q", "payload": {"data": {"__typename": "Query"}}}
        assert await reader.event() == ("complete", '{"id":"q"}')
        await start(api, headers, "m", f'mutation {{ cancelTask(id: "{ONE}") {{ __typename }} }}')
        assert json.loads((await reader.event())[1])["payload"]["data"]["cancelTask"]["__typename"] == "NotFound"
        assert await reader.event() == ("complete", '{"id":"m"}')
        await start(api, headers, "invalid", "{ nope }")
        assert json.loads((await reader.event())[1])["payload"]["errors"]
        await reader.event()
        begin = await newest(api)
        assert (await start(api, headers, "s", WATCH, after=begin)).status_code == 202
        await append_events(api.engine, 2, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        for attempt in (1, 2):
            found = json.loads((await reader.event())[1])
            assert (found["id"], found["payload"]["data"]["runEvents"]["attempt"]) == ("s", attempt)
        assert (await end(api, headers, "s")).status_code == 200
        await wait_until(lambda: followers(api) == 0, what="the subscription has ended")
        assert (await end(api, headers, "s")).status_code == 200


async def test_what_starts_before_the_stream_is_open_waits_for_it(api: Api) -> None:
    """An operation may come before its stream, and its results are sent then. The token may be in the URL."""
    headers = await reserve(api)
    assert (await start(api, headers, "q", "{ __typename }")).status_code == 202
    accept = {"accept": "text/event-stream"}
    async with api.http.stream("POST", "/graphql", params={"token": headers[TOKEN]}, headers=accept) as response:
        assert json.loads((await EventReader(response).event())[1])["id"] == "q"


async def test_with_the_stream_everything_ends(api: Api) -> None:
    """When the client leaves, its operations end, and the token is worth nothing any more."""
    headers = await reserve(api)
    async with opened(api, headers):
        await start(api, headers, "s", WATCH)
        await wait_until(lambda: followers(api) == 1, what="the subscription has begun")
        async with api.http.stream("GET", "/graphql", headers=headers | {"accept": "text/event-stream"}) as second:
            await second.aread()
            assert "open already" in message(second, 409)
    await wait_until(lambda: followers(api) == 0, what="the subscription has ended")
    assert "no stream with this token" in message(await start(api, headers, "q", "{ __typename }"), 404)


async def test_faults_are_told(api: Api) -> None:
    """Each request that is wrong gets a status of its own, and says what would be right."""
    headers = await reserve(api)
    wrong = {TOKEN: "x"}
    assert "no stream" in message(await start(api, wrong, "q", "{ __typename }"), 404)
    assert "no stream" in message(await end(api, wrong, "q"), 404)
    assert "no stream" in message(await api.http.get("/graphql", headers=wrong | {"accept": "text/event-stream"}), 404)
    for extensions in (None, {}, {"operationId": ""}, {"operationId": 1}, {"operationId": "x" * 129}):
        body = {"query": "{ __typename }", "extensions": extensions}
        assert "operationId" in message(await api.http.post("/graphql", json=body, headers=headers), 400)
    assert "operationId" in message(await api.http.delete("/graphql", headers=headers), 400)
    assert "no query" in message(await start(api, headers, "q", ""), 400)
    assert (await start(api, headers, "s", WATCH)).status_code == 202
    assert "'s' goes on" in message(await start(api, headers, "s", WATCH), 409)
    mutation = {"query": "mutation { cancelTasks(ids: []) { __typename } }", "extensions": '{"operationId": "m"}'}
    assert (await api.http.get("/graphql", params=mutation, headers=headers)).status_code == 405
    assert (await api.http.patch("/graphql", headers=headers)).status_code == 405
    assert "text/plain" in message(await api.http.put("/graphql", headers={"accept": "application/json"}), 406)


@pytest.mark.fresh
async def test_a_token_expires_and_streams_are_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that nobody uses expires with its operations. A key has only so many streams, a stream so many
    operations."""
    monkeypatch.setattr(shared_stream, "MAX_STREAMS", 3)
    monkeypatch.setattr(shared_stream, "MAX_AT_ONCE", 2)
    monkeypatch.setattr(shared_stream, "OPEN_WITHIN", timedelta(milliseconds=300))
    expiring = await reserve(api)
    await start(api, expiring, "s", WATCH)
    monkeypatch.setattr(shared_stream, "OPEN_WITHIN", timedelta(minutes=1))
    headers = await reserve(api)
    for operation in ("a", "b"):
        assert (await start(api, headers, operation, WATCH)).status_code == 202
    assert "no more at once" in message(await start(api, headers, "c", WATCH), 429)
    await end(api, headers, "a")
    assert (await start(api, headers, "c", WATCH)).status_code == 202
    await reserve(api)

    async def is_forgotten() -> bool:
        return (await end(api, expiring, "s")).status_code == 404

    await wait_until(is_forgotten, what="the token has expired")
    await reserve(api)
    assert "may have no more" in message(await api.http.put("/graphql"), 429)


async def test_a_token_is_worth_nothing_under_another_key(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Only the key that has reserved a stream can use it, and without a key there is none. A revoked key ends it."""
    async with guarded(database, jobs_settings) as api:
        mine = bearer(await make_key(api.engine, "mine", scope=KeyScope.READ))
        other = bearer(await make_key(api.engine, "other"))
        assert (await api.http.put("/graphql")).status_code == 401
        headers = await reserve(api, **mine)
        assert "no stream" in message(await start(api, headers | other, "q", "{ __typename }"), 404)
        assert "no stream" in message(await end(api, headers | other, "q"), 404)
        async with api.http.stream(
            "GET", "/graphql", headers=headers | other | {"accept": "text/event-stream"}
        ) as refused:
            assert refused.status_code == 404
        assert (await start(api, {TOKEN: headers[TOKEN]}, "q", "{ __typename }")).status_code == 401
        async with opened(api, headers) as reader:
            await start(api, headers, "m", "mutation { cancelTasks(ids: []) { __typename } }")
            [error] = json.loads((await reader.event())[1])["payload"]["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN"
            assert await reader.event() == ("complete", '{"id":"m"}')
            await revoke(api.engine, "mine")
            with pytest.raises(EOFError):
                await asyncio.wait_for(reader.event(), 10)
