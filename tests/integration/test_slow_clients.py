"""Clients that never come to the point are cut off, and others are served meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import ClassVar

import pytest

from db.settings import DatabaseSettings
from duetime.http_protocol import HEAD_WITHIN, TimeoutHttpProtocol
from graphql_api.middleware.header_limits import MAX_BYTES
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.rest import error
from tests.support.waiting import wait_until

SHORT = timedelta(milliseconds=300)
WITHIN = 10


class QuickTempered(TimeoutHttpProtocol):
    """Waits less long than in earnest, so that a test need not wait either."""

    head_within: ClassVar[timedelta] = SHORT
    taken_within: ClassVar[timedelta] = SHORT


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API."""
    async with serving(database, jobs_settings) as running:
        yield running


@pytest.fixture
async def hasty(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API that waits for little."""
    async with serving(database, jobs_settings, protocol=QuickTempered, body_within=SHORT) as api:
        yield api


@asynccontextmanager
async def connected(
    api: Api, *, limit: int = 2**16
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """All that still comes, until the server has closed the connection."""
    async with asyncio.timeout(WITHIN):
        return await reader.read()


def request(path: str, *headers: str, method: str = "POST") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


@pytest.mark.parametrize("begun", [b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_head_that_does_not_come(hasty: Api, begun: bytes) -> None:
    """The connection is closed, whether or not anything of a request came; not so while bytes are merely few."""
    async with connected(hasty) as (reader, writer):
        writer.write(begun)
        assert await rest_of(reader) == b""


async def test_a_head_that_comes_byte_by_byte(hasty: Api) -> None:
    """Each byte does not begin the waiting anew."""
    async with connected(hasty) as (reader, writer):
        ended = asyncio.create_task(rest_of(reader))
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        async with asyncio.timeout(WITHIN):
            while not ended.done():
                writer.write(b"a")
                await asyncio.wait({ended}, timeout=0.02)


async def test_a_second_request_on_a_connection_may_be_as_slow_as_the_first(hasty: Api) -> None:
    """The waiting begins anew with its first byte."""
    async with connected(hasty) as (reader, writer):
        writer.write(request("/health/live", method="GET"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"}")
        writer.write(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
        assert await rest_of(reader) == b""


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/graphql", b'{"errors": [{"message": "The request body did not arrive within 0.3 s"}]}'),
        ("/api/v1/tasks", b'{"error": "The request body did not arrive within 0.3 s"}'),
    ],
)
@pytest.mark.parametrize("begun", [b"", b'{"name": "'])
async def test_a_body_that_does_not_come(hasty: Api, path: str, shape: bytes, begun: bytes) -> None:
    """408 in the API's own shape, and the connection is closed."""
    async with connected(hasty) as (reader, writer):
        writer.write(request(path, "Content-Type: application/json", "Content-Length: 1000") + begun)
        head, _, body = (await rest_of(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert body == shape


async def test_a_head_that_is_too_long(api: Api) -> None:
    """400 before it has ended, and 431 if it came as one."""
    async with connected(api) as (reader, writer):
        writer.write(request("/health", f"X-Long: {'a' * MAX_BYTES}")[:-2])
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    answer = await api.http.get("/health", headers={"x-long": "a" * MAX_BYTES})
    assert error(answer, 431) == "The head of the request has more than 32,768 bytes"
    answer = await api.http.get("/health", params={"long": "a" * MAX_BYTES})
    assert error(answer, 431) == "The head of the request has more than 32,768 bytes"


async def test_a_head_that_tells_two_lengths(api: Api) -> None:
    """400, and whatever follows is not taken for another request."""
    head = request("/graphql", "Content-Length: 5", "Transfer-Encoding: chunked")
    async with connected(api) as (reader, writer):
        writer.write(head + b"0\r\n\r\n" + request("/health", method="GET"))
        said = await rest_of(reader)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("length", ["1048577", "9" * 20])
async def test_a_body_that_is_announced_as_too_long(api: Api, length: str) -> None:
    """Nobody waits for it, however long it is to be."""
    async with connected(api) as (reader, writer):
        writer.write(request("/api/v1/tasks", f"Content-Length: {length}"))
        async with asyncio.timeout(WITHIN):
            assert b" 413 " in await reader.readline()


async def test_an_answer_that_is_not_taken(hasty: Api) -> None:
    """The connection is closed, and nothing of the answer is kept for the client any longer."""
    async with connected(hasty, limit=1) as (_, writer):
        writer.write(request("/openapi.json", method="GET") * 400)
        await wait_until(lambda: hasty.server.server_state.connections, what="the connection is there")
        await wait_until(lambda: not hasty.server.server_state.connections, what="the connection is closed")


async def test_a_websocket_that_says_nothing(api: Api) -> None:
    """It is closed in good order, as the protocol has it, after as long as the head of a request may take."""
    async with asyncio.timeout(2 * HEAD_WITHIN.total_seconds()), api.socket(begun=False) as socket:
        await socket.connection.wait_closed()
        assert socket.connection.close_code == 4408


async def test_others_are_served_meanwhile(api: Api) -> None:
    """Two hundred clients that say nothing keep nobody waiting."""
    async with AsyncExitStack() as silent:
        for _ in range(200):
            _, writer = await silent.enter_async_context(connected(api))
            writer.write(b"POST /graphql HTTP/1.1\r\n")
        assert await api.data("{ __typename }") == {"__typename": "Query"}
