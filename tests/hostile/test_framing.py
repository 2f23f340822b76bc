"""Where a request begins and ends: the parser is quick, and the server is as strict as it was with a slow one."""

import asyncio
import json

import pytest

from db.settings import DatabaseSettings
from duetime.compat import PIECES_AT_ONCE, TimeoutHttpProtocol
from graphql_api.middleware.header_limits import MAX_BYTES
from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.keys import guarded, make_key

pytestmark = pytest.mark.both_loops

WITHIN = 20
HEAD = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
QUERY = b'{"query":"{ __typename }"}'
LAST = LIVE + b"Connection: close\r\n\r\n"


async def answer(api: Api, *sent: bytes) -> bytes:
    """Send bytes one after another, and return everything that comes until the server closes the connection."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(WITHIN):
            for data in sent:
                writer.write(data)
                await asyncio.sleep(0.01)
            return await reader.read()
    finally:
        writer.transport.abort()


REFUSED = {
    "no Host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two Hosts": LIVE + b"Host: b\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET /health/live HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "another encoding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "several encodings": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "two lengths in a line": HEAD + b"Content-Length: 5, 6\r\n\r\nhello!",
    "a signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a length and an encoding": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a malformed chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    "a chunk without its end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "a space before the colon": LIVE + b"X : b\r\n\r\n",
    "a folded line": LIVE + b"X: a\r\n b\r\n\r\n",
    "line feeds alone": b"GET /health/live HTTP/1.1\nHost: a\n\n",
    "a line feed alone within a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    "no version": b"GET /health/live\r\n\r\n",
    "another version": b"GET /health/live HTTP/2.0\r\nHost: a\r\n\r\n",
    "another protocol": b"GET /health/live RTSP/1.0\r\nHost: a\r\n\r\n",
    "empty lines before it": b"\r\n\r\n\r\n" + LIVE + b"\r\n",
    "a tunnel": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an endless chunk extension": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"e" * (2 * MAX_BYTES),
    "an endless trailer": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"e" * (2 * MAX_BYTES),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_an_ambiguous_request_ends_the_connection(api: Api, refused: bytes) -> None:
    """It has one response, 400, and nothing behind it is taken for another request."""
    received = await answer(api, refused + LIVE + b"\r\n")
    assert received.startswith(b"HTTP/1.1 400 "), received
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (
            HEAD + b"Content-Length: " + b"9" * 30,
            b" 413 ",
            "The Content-Length is larger than any body that is accepted",
        ),
        (LIVE.replace(b"GET", b"FETCH") + b"Connection: close", b" 405 ", "/health/live takes GET, HEAD, not FETCH"),
    ],
)
async def test_what_the_parser_refuses_by_itself_is_explained(
    api: Api, sent: bytes, status: bytes, message: str
) -> None:
    """The errors of these requests have the form of the application's."""
    head, _, body = (await answer(api, sent + b"\r\n\r\n")).partition(b"\r\n\r\n")
    assert status in head.partition(b"\r\n")[0]
    assert json.loads(body) == {"error": message}


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
async def test_requests_in_pieces_of_any_size(api: Api, size: int) -> None:
    """Heads, bodies, chunks and the requests behind them are found wherever the pieces end."""
    chunks = b"2;x=y\r\n\r\n\r\n%x\r\n%b\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(QUERY), QUERY)
    sent = (
        (HEAD + b"Content-Length: %d \r\n\r\n" % len(QUERY) + QUERY)
        + (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        + (LIVE + b"\r\n")
        + LAST
    )
    received = await answer(api, *(sent[at : at + size] for at in range(0, len(sent), size)))
    assert received.count(b"HTTP/1.1 200 ") == 4, received
    assert received.count(b'{"data": {"__typename": "Query"}}') + received.count(b'"__typename":"Query"') == 2


async def test_a_trailer_is_no_header(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A proxy that checks headers does not see a key in a trailer, so the API ignores it there."""
    async with guarded(database, jobs_settings) as api:
        token = (await make_key(api.engine, "good")).encode()
        key = b"Authorization: Bearer " + token + b" \t\r\n"
        chunked = b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
        chunks = b"%x\r\n%b\r\n0\r\n" % (len(QUERY), QUERY)
        assert b" 401 " in (await answer(api, HEAD + chunked + b"\r\n" + chunks + key + b"\r\n"))[:20]
        assert b" 200 " in (await answer(api, HEAD + chunked + key + b"\r\n" + chunks + b"\r\n"))[:20]


async def test_requests_in_a_row_are_answered_one_after_another(api: Api) -> None:
    """A thousand requests that arrive together have one task at a time, and their answers are in order."""
    paths = [b"/health/live", b"/nowhere"] * 500
    answered = asyncio.create_task(
        answer(api, b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths) + LAST)
    )
    most = 0
    while not answered.done():
        await asyncio.sleep(0)
        most = max(most, len(api.server.server_state.tasks))
    found = [part[:3] for part in (await answered).split(b"HTTP/1.1 ")[1:]]
    assert found == [b"200", b"404"] * 500 + [b"200"]
    assert most <= 2


@pytest.mark.parametrize(
    "length", [b"Content-Length: %d\r\n\r\n%b", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"]
)
async def test_an_unknown_upgrade_keeps_its_body(api: Api, length: bytes) -> None:
    """The upgrade is ignored; the body belongs to the request, and is not the next one."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUPGRADE: h2c\r\nHTTP2-Settings: \r\n"
    received = await answer(api, HEAD + upgrade + length % (len(QUERY), QUERY), LAST)
    assert received.count(b"HTTP/1.1 200 ") == 2, received
    smuggled = LIVE + b"\r\n"
    received = await answer(api, HEAD + upgrade + length % (len(smuggled), smuggled), LAST)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"400", b"200"]


async def test_a_handshake_with_a_body(api: Api) -> None:
    """It is no handshake, and the server ends the connection without waiting for the body."""
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    head = LIVE.replace(b"/health/live", b"/graphql") + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + key
    assert b" 101 " not in await answer(api, head + b"Content-Length: 1000000\r\n\r\nhello")


async def test_a_client_of_http_1_0_gets_no_chunks(api: Api) -> None:
    """The end of the connection is the end of its stream."""
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Accept: text/event-stream\r\nConnection: keep-alive\r\n"
    head, _, body = (await answer(api, head + b"Content-Length: %d\r\n\r\n" % len(QUERY) + QUERY)).partition(
        b"\r\n\r\n"
    )
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith((b"event: ", b":"))
    assert body.endswith(b"\n\n")
    head, _, body = (await answer(api, b"GET /health/live HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head


@pytest.mark.parametrize(
    "body",
    [b"fffff\r\n" + b"\r\n" * 0x7FFFF, b"1\r\na\r\n" * 100_000, b"4\r\n\r\n\r\n\r\n" * 60_000],
    ids=["line breaks", "chunks of a byte", "chunks of line breaks"],
)
async def test_small_pieces_let_others_have_their_turn(api: Api, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that arrive together are handled a few at a time, and few of them are kept."""
    parsed, parse = 0, TimeoutHttpProtocol._parse_part

    def counted(protocol: TimeoutHttpProtocol, piece: bytes) -> None:
        nonlocal parsed
        parsed += 1
        parse(protocol, piece)

    monkeypatch.setattr(TimeoutHttpProtocol, "_parse_part", counted)
    answered = asyncio.create_task(answer(api, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"not a size\r\n"))
    kept, most, turns = 0, 0, 0
    while not answered.done():
        parsed = 0
        await asyncio.sleep(0)
        most, turns = max(most, parsed), turns + (parsed > 0)
        kept = max([kept, *(len(each._unparsed) for each in http_connections(api))])
    assert (await answered).startswith(b"HTTP/1.1 4")
    assert most <= 2 * PIECES_AT_ONCE
    assert turns > 1
    assert kept < 600_000


def http_connections(api: Api) -> list[TimeoutHttpProtocol]:
    """Return the server's ends of all connections."""
    return [each for each in api.server.server_state.connections if isinstance(each, TimeoutHttpProtocol)]
