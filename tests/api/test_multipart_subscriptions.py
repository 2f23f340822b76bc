"""Apollo's multipart subscriptions: parts of one response, as its clients and as parsers of mail read them."""

import json
from collections.abc import AsyncIterator
from email.parser import BytesParser
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.test_run_events import WATCH, newest
from tests.support.graphql import Api
from tests.support.history import append_events

ONE = uuid4()
ACCEPTED = [
    'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json',
    "multipart/mixed;subscriptionSpec=1.0, application/graphql-response+json",
    'application/json, multipart/mixed; subscriptionSpec="1.0"',
]


async def payloads(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the bodies of parts as Apollo Client does: a part is complete when the boundary after it has come."""
    text = ""
    async for piece in response.aiter_text():
        text += piece
        while (found := text.find("\r\n--graphql")) >= 0:
            part, text = text[:found], text[found + len("\r\n--graphql") :]
            _, _, body = part.partition("\r\n\r\n")
            if body.strip():
                yield json.loads(body)


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_results_are_parts(api: Api, accept: str) -> None:
    """A subscriber receives what is committed, live, and each part as soon as it is sent."""
    request = {"query": WATCH, "variables": {"after": await newest(api)}}
    async with api.http.stream("POST", "/graphql", json=request, headers={"accept": accept}) as response:
        assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'
        parts = payloads(response)
        assert await anext(parts) == {}
        for number in (1, 2):
            await append_events(api.engine, number, task_id=ONE, run_id=ONE)
            await api.services.queue.poke()
            for attempt in range(1, number + 1):
                part = await anext(parts)
                assert part["payload"]["data"]["runEvents"]["attempt"] == attempt


async def test_what_ends_is_a_whole_multipart_body(api: Api) -> None:
    """A query and a document that is wrong are one part each, before the end, as a parser of MIME reads it."""
    for query, member in (("{ __typename }", "data"), ("{ nope }", "errors"), ("{", "errors")):
        answer = await api.http.post("/graphql", json={"query": query}, headers={"accept": ACCEPTED[0]})
        head = f"content-type: {answer.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + answer.content)
        assert not message.defects
        first, second = [json.loads(str(part.get_payload())) for part in message.get_payload()]  # type: ignore[union-attr]
        assert first == {}
        assert second["payload"][member]
        assert answer.content.endswith(b"\r\n--graphql--\r\n")


async def test_other_multipart_types_are_no_streams(api: Api) -> None:
    """Apollo asks for parts of a deferred query by the same type, which is another protocol: the answer is JSON."""
    for accept in ("multipart/mixed;deferSpec=20220824, application/json", "multipart/mixed, application/json"):
        answer = await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
        assert answer.headers["content-type"].startswith("application/json")
        refused = await api.http.post("/graphql", json={"query": WATCH}, headers={"accept": accept})
        assert refused.status_code == 400
