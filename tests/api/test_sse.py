"""Operations over server-sent events: the content of a stream, its end, and what is refused before it starts."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import Message

from graphql_api.transport import sse
from graphql_api.transport.streaming import ResultStream
from tests.api.test_run_events import WATCH, attempts, newest
from tests.support.graphql import Api
from tests.support.history import append_events
from tests.support.sse import events
from tests.support.waiting import wait_until

ONE, TWO = uuid4(), uuid4()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_events_come_live_and_in_order(api: Api, method: str) -> None:
    """A subscriber receives what was committed before and after it connected, by POST and by GET."""
    begin = await newest(api)
    await append_events(api.engine, 2, task_id=ONE, run_id=ONE)
    async with events(api, WATCH, method=method, variables={"after": begin}) as reader:
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.response.headers["cache-control"] == "no-cache, no-transform"
        first = await reader.take(2)
        await append_events(api.engine, 3, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        assert attempts(first + await reader.take(3)) == [1, 2, 1, 2, 3]


async def test_queries_and_mutations_are_one_result(api: Api) -> None:
    """Queries and mutations send one result, and then the stream is complete."""
    for query in ("{ __typename }", f'mutation {{ cancelTask(id: "{ONE}") {{ __typename }} }}'):
        async with events(api, query) as reader:
            assert "data" in await reader.payload()
            assert await reader.event() == ("complete", "")
            with pytest.raises(EOFError):
                await reader.event()


async def test_faults_of_the_operation_are_results(api: Api) -> None:
    """Errors of the operation are sent in the stream, because browsers do not show other responses."""
    requests: tuple[dict[str, Any], ...] = (
        {"query": "{"},
        {"query": "{ nope }"},
        {"query": "query ($id: ID!) { task(id: $id) { id } }"},
        {"query": "{ __typename }", "operationName": "x"},
        {"query": "subscription ($n: Int!) { runEvents { __typename } }"},
        {"query": WATCH, "variables": {"after": "x"}},
        {"query": WATCH, "variables": {"taskId": 1.5}},
        {"query": "{" + " a" * 10_001 + " }"},
        {"query": "{ a: __typename " + "b: __typename " * 51 + "}"},
    )
    for request in requests:
        async with events(api, **request) as reader:
            assert reader.response.status_code == 200
            payload = await reader.payload()
            assert payload["errors"][0]["message"], request
            assert payload.get("data") is None
            assert await reader.event() == ("complete", "")


async def test_faults_of_the_request_begin_no_stream(api: Api) -> None:
    """Malformed requests get the same status and form as without a stream."""
    headers = {"accept": "text/event-stream"}
    for body, status in (("{", 400), ("[]", 400), ("{}", 400), ('{"query": 1}', 400), ('{"query": ""}', 400)):
        headers["content-type"] = "application/json"
        answer = await api.http.post("/graphql", content=body, headers=headers)
        assert answer.status_code == status, body
        assert answer.json()["errors"][0]["message"]
    headers["content-type"] = "text/plain"
    assert (await api.http.post("/graphql", content="{ __typename }", headers=headers)).status_code == 415
    query = {"query": f'mutation {{ cancelTask(id: "{ONE}") {{ __typename }} }}'}
    assert (await api.http.get("/graphql", params=query, headers=headers)).status_code == 405
    assert (await api.http.put("/graphql", headers=headers)).status_code == 405


async def test_plain_request_is_told_of_both_ways_to_subscribe(api: Api) -> None:
    """A subscription by a POST without a stream is refused, and the message names both ways to subscribe."""
    answer = await api.http.post("/graphql", json={"query": "subscription { runEvents { __typename } }"})
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["message"] == (
        "Subscriptions need a websocket, protocol graphql-transport-ws, or a request that accepts text/event-stream"
    )


async def test_who_leaves_is_followed_no_more(api: Api) -> None:
    """The subscription ends as soon as the client has closed the connection, even if nothing is being sent."""
    before = asyncio.all_tasks()
    async with events(api, WATCH, variables={"after": await newest(api)}) as reader:
        await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        await reader.next()
        assert len(followers(before)) == 1
    await wait_until(lambda: not followers(before), what="the subscription has ended", within=2)


def followers(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Return the tasks of the server that serve subscribers."""
    return [task for task in asyncio.all_tasks() - before if "ResultStream._tell" in repr(task.get_coro())]


async def test_stopping_ends_streams(api: Api) -> None:
    """A server that stops ends streams without completing the operation, so that clients connect to another one."""
    async with events(api, WATCH) as reader:
        api.app.state.end_streams()
        with pytest.raises(EOFError):
            await reader.event()


async def test_silence_is_broken() -> None:
    """A comment is sent when nothing else was sent for a while; an event postpones it."""
    sent: list[Message] = []
    more = asyncio.Event()

    async def results() -> Any:
        yield [1]
        await more.wait()
        yield [2]

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    frames = sse.frames(results(), encode=json.dumps)
    stream = ResultStream(frames, sse.EVENTS, keep_alive=timedelta(milliseconds=20))
    running = asyncio.create_task(stream({}, receive, send))
    await wait_until(lambda: len(sent) >= 6, what="comments come")
    more.set()
    await running
    bodies = [message["body"] for message in sent[1:]]
    assert bodies[:3] == [b":\n\n", b"event: next\ndata: 1\n\n", b":\n\n"]
    assert bodies[-2:] == [b"event: next\ndata: 2\n\n", b"event: complete\ndata:\n\n"]
    assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(bodies) - 1) + [False]


async def test_a_stream_is_resumed_after_the_last_event(api: Api) -> None:
    """Each event has its cursor as `id`, also if the document does not select it. A browser sends it back as
    Last-Event-ID, which counts more than the `after` of the URL, and resumes as `after` does.
    """
    begin = await newest(api)
    await append_events(api.engine, 4, task_id=ONE, run_id=ONE)
    attempt = "subscription ($after: String) { runEvents(after: $after) { ... on RunEvent { attempt } } }"
    cursor = "subscription ($after: String) { runEvents(after: $after) { ... on RunEvent { cursor attempt } } }"
    async with events(api, cursor, variables={"after": begin}) as reader:
        for _ in range(2):
            event = await reader.next()
            assert reader.last_id == event["cursor"]
    last_id = reader.last_id
    for variables in ({"after": begin}, {}):
        headers = {"last-event-id": last_id}
        async with events(api, attempt, method="GET", headers=headers, variables=variables) as reader:
            assert attempts(await reader.take(2)) == [3, 4]
            assert reader.last_id not in {"", last_id}
    async with events(api, attempt, headers={"last-event-id": "nonsense"}) as reader:
        [error] = (await reader.payload())["errors"]
        assert error["extensions"]["code"] == "INVALID_CURSOR"
    async with events(api, "{ __typename }") as reader:
        await reader.payload()
        assert reader.last_id == ""
