"""Slow clients: their connections are closed, and other clients are served in the meantime."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote

import pytest

from db.settings import DatabaseSettings
from duetime.compat import HEAD_TIMEOUT, TimeoutHttpProtocol
from graphql_api.middleware.header_limits import MAX_BYTES
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving
from tests.support.rest import error
from tests.support.shared import Shared
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_loops

SHORT = timedelta(milliseconds=300)
WITHIN = 10
SHORTER_THAN_THE_BUFFER = (
    f"/graphql?query={quote('{__schema{types{name,fields{name,description},inputFields{name,description}}}}')}"
)
"""A request whose response the server's write buffer takes as a whole, and the operating system does not."""


class ShortTimeouts(TimeoutHttpProtocol):
    """The protocol with timeouts that a test can wait for."""

    head_timeout: ClassVar[timedelta] = SHORT
    write_timeout: ClassVar[timedelta] = SHORT


@pytest.fixture(scope="module")
async def api(shared: Shared) -> AsyncIterator[Api]:
    """Run an API."""
    async with serving(shared.database, shared.jobs) as running:
        yield running


@pytest.fixture(scope="module")
async def impatient(shared: Shared) -> AsyncIterator[Api]:
    """Run an API with short timeouts."""
    settings = ApiSettings.model_construct(keep_alive_seconds=1)
    async with serving(
        shared.database, shared.jobs, settings=settings, protocol=ShortTimeouts, body_within=SHORT
    ) as api:
        yield api


@asynccontextmanager
async def connected(
    api: Api, *, limit: int = 2**16
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a TCP connection to the API."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Return everything that the server still sends before it closes the connection."""
    async with asyncio.timeout(WITHIN):
        return await reader.read()


def request(path: str, *headers: str, method: str = "POST") -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_head_that_is_never_completed(impatient: Api, sent: bytes) -> None:
    """The connection is closed, whether or not the client has sent part of a request."""
    async with connected(impatient) as (reader, writer):
        writer.write(sent)
        assert await rest_of(reader) == b""


async def test_a_head_that_arrives_byte_by_byte(impatient: Api) -> None:
    """A further byte does not restart the timeout."""
    async with connected(impatient) as (reader, writer):
        ended = asyncio.create_task(rest_of(reader))
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        async with asyncio.timeout(WITHIN):
            while not ended.done():
                writer.write(b"a")
                await asyncio.wait({ended}, timeout=0.02)


async def test_the_head_of_a_second_request_that_is_never_completed(impatient: Api) -> None:
    """Its timeout starts with its first byte."""
    async with connected(impatient) as (reader, writer):
        writer.write(request("/health/live", method="GET"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"}")
        writer.write(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
        assert await rest_of(reader) == b""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/graphql",
            b'{"errors": [{"message": "The request body did not arrive within 0.3 s", "extensions": {"code": "BAD_REQUEST"}}]}',  # noqa: E501
        ),
        ("/api/v1/tasks", b'{"error": "The request body did not arrive within 0.3 s"}'),
    ],
)
@pytest.mark.parametrize("sent", [b"", b'{"name": "'])
async def test_a_body_that_is_never_completed(impatient: Api, path: str, expected: bytes, sent: bytes) -> None:
    """The response is 408 in the error format of the API, and the connection is closed."""
    async with connected(impatient) as (reader, writer):
        writer.write(request(path, "Content-Type: application/json", "Content-Length: 1000") + sent)
        head, _, body = (await rest_of(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert body == expected


async def test_a_head_that_is_too_long(api: Api) -> None:
    """The response is 400 if the head is still incomplete, and 431 if it arrived at once."""
    async with connected(api) as (reader, writer):
        writer.write(request("/health", f"X-Long: {'a' * MAX_BYTES}")[:-2])
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    response = await api.http.get("/health", headers={"x-long": "a" * MAX_BYTES})
    assert error(response, 431) == "The head of the request has more than 32,768 bytes"
    response = await api.http.get("/health", params={"long": "a" * MAX_BYTES})
    assert error(response, 431) == "The head of the request has more than 32,768 bytes"


async def test_a_head_with_two_lengths(api: Api) -> None:
    """The response is 400, and the bytes that follow are not treated as another request."""
    head = request("/graphql", "Content-Length: 5", "Transfer-Encoding: chunked")
    async with connected(api) as (reader, writer):
        writer.write(head + b"0\r\n\r\n" + request("/health", method="GET"))
        received = await rest_of(reader)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("length", ["1048577", "9" * 20])
async def test_a_content_length_that_is_too_large(api: Api, length: str) -> None:
    """The response is 413 before any of the body has arrived."""
    async with connected(api) as (reader, writer):
        writer.write(request("/api/v1/tasks", f"Content-Length: {length}"))
        async with asyncio.timeout(WITHIN):
            assert b" 413 " in await reader.readline()


async def test_a_response_that_is_never_read(impatient: Api) -> None:
    """The connection is closed, and the response is no longer kept in memory."""
    async with connected(impatient, limit=1) as (_, writer):
        writer.write(request("/openapi.json", method="GET") * 400)
        await wait_until(lambda: impatient.server.server_state.connections, what="the connection is open")
        await wait_until(lambda: not impatient.server.server_state.connections, what="the connection is closed")


@pytest.mark.parametrize("header", ["Connection: close", "Connection: keep-alive"])
async def test_a_last_response_that_is_never_read(impatient: Api, header: str) -> None:
    """The connection is closed also if what is left of the response is small, no matter which side ends it."""
    with socket.socket() as plain:
        # The operating systems of both sides keep little of the response.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(0)
        host, port = impatient.url.removeprefix("http://").split(":")
        await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
        await wait_until(lambda: impatient.server.server_state.connections, what="the connection is open")
        [server] = impatient.server.server_state.connections
        assert isinstance(server, TimeoutHttpProtocol)
        server.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        plain.send(request(SHORTER_THAN_THE_BUFFER, header, method="GET"))
        await wait_until(server.transport.get_write_buffer_size, what="a part of the response waits")
        assert not server.flow.write_paused
        await wait_until(lambda: not impatient.server.server_state.connections, what="the connection is closed")


async def test_a_websocket_without_connection_init(api: Api) -> None:
    """It is closed with the code 4408 of graphql-transport-ws, after the same time as an incomplete head."""
    async with asyncio.timeout(2 * HEAD_TIMEOUT.total_seconds()), api.socket(begun=False) as client:
        await client.connection.wait_closed()
        assert client.connection.close_code == 4408


async def test_other_clients_are_served_in_the_meantime(api: Api) -> None:
    """Two hundred silent clients delay no other client."""
    async with AsyncExitStack() as silent:
        for _ in range(200):
            _, writer = await silent.enter_async_context(connected(api))
            writer.write(b"POST /graphql HTTP/1.1\r\n")
        assert await api.data("{ __typename }") == {"__typename": "Query"}


async def test_an_idle_connection_outlives_that_of_a_balancer(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A connection is kept for 75 s after a response, or as long as DUETIME_KEEP_ALIVE_SECONDS says."""
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        ApiSettings(keep_alive_seconds=0)
    async with serving(database, jobs_settings) as api, connected(api) as (reader, writer):
        assert api.server.config.timeout_keep_alive == 75
        for _ in range(2):
            writer.write(request("/health/live", method="GET"))
            assert b"alive" in await reader.readuntil(b"}")
    settings = ApiSettings.model_construct(keep_alive_seconds=1)
    async with serving(database, jobs_settings, settings=settings) as api, connected(api) as (reader, writer):
        writer.write(request("/health/live", method="GET"))
        assert (await rest_of(reader)).endswith(b"}")
