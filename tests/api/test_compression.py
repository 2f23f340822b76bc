"""Responses that are compressed, those that are not because their length could tell a secret, and ETags."""

import gzip
from typing import Any

import httpx
import pytest

from db.models import utc_now
from tests.api.test_run_events import WATCH
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.rest import CRON, RESULTS, TASKS

GZIP = {"accept-encoding": "gzip"}
MANY_TASKS = {"query": "{ tasks(first: 100) { nodes { id name status action { url } } } }"}
DOCUMENTS = ("/openapi.json", "/swagger/doc.json", "/swagger/index.html", "/graphql")


async def raw(api: Api, method: str, path: str, **request: Any) -> tuple[httpx.Response, bytes]:
    """Return a response, and its body as it was sent."""
    async with api.http.stream(method, path, **request) as response:
        return response, b"".join([part async for part in response.aiter_raw()])


async def fill(api: Api, *, tasks: int, body: str = "") -> None:
    """Save tasks, each with a run."""
    saved = [every("http://localhost/", HOUR, utc_now() + HOUR, name=f"Task {number}") for number in range(tasks)]
    await save(api.engine, *saved)
    await save(api.engine, *(run_of(task, scheduled_for=ago(1), response_body=body) for task in saved))


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*;q=0", False),
        ("gzip;q=0.5, identity", False),
        ("br", False),
        ("gzipped", False),
        ("", False),
    ],
)
async def test_a_long_response_is_compressed_where_the_client_likes_that(
    api: Api, accepted: str, *, compressed: bool
) -> None:
    """The weights of Accept-Encoding decide, and caches are told of it either way."""
    response, body = await raw(api, "GET", "/openapi.json", headers={"accept-encoding": accepted})
    assert (response.headers.get("content-encoding") == "gzip") is compressed
    assert "Accept-Encoding" in response.headers["vary"]
    assert int(response.headers["content-length"]) == len(body)
    plain = (await api.http.get("/openapi.json", headers={"accept-encoding": "identity"})).content
    assert (gzip.decompress(body) if compressed else body) == plain


async def test_lists_are_compressed_from_1_kib(api: Api) -> None:
    """A list of tasks is compressed by GraphQL and REST, once it has 1,024 bytes."""
    await fill(api, tasks=30)
    for method, path, request in (
        ("POST", "/graphql", {"json": MANY_TASKS}),
        ("GET", "/graphql", {"params": MANY_TASKS}),
        ("GET", f"{TASKS}?limit=100", {}),
    ):
        response, body = await raw(api, method, path, headers=GZIP, **request)
        assert response.headers["content-encoding"] == "gzip", path
        plain = gzip.decompress(body)
        assert len(plain) > 3 * len(body)
        assert b"Task 29" in plain
    short, body = await raw(api, "GET", f"{TASKS}?limit=1", headers=GZIP)
    assert "content-encoding" not in short.headers
    assert len(body) < 1024


async def test_equal_responses_have_different_lengths(api: Api) -> None:
    """The exact length of a compressed response is hidden, so one comparison of two lengths tells nothing."""
    lengths = {len((await raw(api, "GET", "/openapi.json", headers=GZIP))[1]) for _ in range(10)}
    assert len(lengths) > 1


async def test_a_response_is_not_compressed_where_its_length_could_tell_a_secret(api: Api) -> None:
    """What a request or a target has sent is not compressed together with what stands beside it, by nobody."""
    await fill(api, tasks=30, body="x" * 100)
    long = CRON | {"name": "n" * 200, "description": "d" * 2_000}
    bodies = "{ runs(first: 30) { nodes { id responseBody } } }"
    headers = "{ runs(first: 30) { nodes { id state scheduledFor responseHeaders { name } } } }"
    create = """mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id description } } }"""
    new = {
        "name": "x",
        "description": "d" * 2_000,
        "trigger": {"interval": {"everyMs": 3_600_000}},
        "action": {"url": "http://localhost/"},
    }
    for method, path, request in (
        ("POST", "/graphql", {"json": {"query": bodies}}),
        ("POST", "/graphql", {"json": {"query": headers}}),
        ("POST", "/graphql", {"json": {"query": create, "variables": {"input": new}}}),
        ("GET", RESULTS, {"params": {"limit": 100}}),
        ("POST", TASKS, {"json": long}),
        ("GET", "/" + "x" * 2_000, {}),
        ("POST", "/graphql", {"json": {"query": f"{{ {' '.join(f'nothing{number:0200}' for number in range(9))} }}"}}),
    ):
        response, body = await raw(api, method, path, headers=GZIP, **request)
        assert len(body) > 1024, path
        assert "content-encoding" not in response.headers, (path, request)
        if response.status_code < 400:
            assert response.headers["cache-control"] == "no-store, no-transform"


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_streams_are_not_held_back(api: Api, accept: str) -> None:
    """A stream is sent as it comes to a client that accepts gzip."""
    headers = GZIP | {"accept": accept}
    async with api.http.stream("POST", "/graphql", json={"query": WATCH}, headers=headers) as response:
        assert "content-encoding" not in response.headers
        assert "no-transform" in response.headers["cache-control"]
        assert await anext(response.aiter_raw())


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_sent_once(api: Api, path: str) -> None:
    """A client that has the present document gets 304 without a body, compressed or not."""
    accept = {"accept": "text/html" if path == "/graphql" else "*/*"}
    first = await api.http.get(path, headers=accept)
    assert first.status_code == 200
    assert "no-store" not in first.headers["cache-control"]
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await api.http.get(path, headers=accept | {"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert (await api.http.get(path, headers=accept | {"if-none-match": '"other"'})).content == first.content


async def test_assets_are_compressed_and_sent_once(api: Api) -> None:
    """Assets were compressed at the build. An ETag that belongs to a compressed one is weak, and is recognized."""
    page = (await api.http.get("/swagger/index.html")).text
    asset = page.split('src="', 1)[1].split('"', 1)[0].removeprefix("./")
    plain, body = await raw(api, "GET", f"/swagger/{asset}", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    response, compressed = await raw(api, "GET", f"/swagger/{asset}", headers=GZIP)
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == plain.headers["content-type"]
    assert gzip.decompress(compressed) == body
    assert response.headers["etag"].startswith('W/"')
    again = await api.http.get(f"/swagger/{asset}", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
