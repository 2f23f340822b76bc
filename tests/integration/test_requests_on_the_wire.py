"""What goes out is what was saved: the URL byte for byte, and the headers with their names and in their order."""

import asyncio
import base64
import os
from functools import partial
from typing import Any

import pytest

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.http.request import MAX_URL_LENGTH
from jobs.http.urls import request_target
from jobs.settings import JobsSettings
from tests.support.engine import runs_of, working
from tests.support.graphql import serving
from tests.support.raw_target import Request, raw_target
from tests.support.waiting import wait_until

AS_WRITTEN = [
    *(
        "/",
        "/?",
        "/?a",
        "/?a=",
        "/?=",
        "/?&",
        "/?a&&b",
        "/??",
        "/?a?b",
        "/a/",
        "//",
        "//a//b",
        "/a//",
        "/;",
        "/a;b=c;d=e",
    ),
    *(
        "/%2F",
        "/a%2Fb",
        "/%2f",
        "/%3A%40",
        "/%26%3D%3B",
        "/%25",
        "/%2525",
        "/%20",
        "/%00",
        "/%c3%bc",
        "/%C3%BC",
        "/%zz",
    ),
    *("/a%", "/a%2", "/%41", "/%7e~", "/%7E", "/a+b", "/a%2Bb", "/!$&'()*+,;=:@-._~", "/a:b@c", "/[a]", "/%5B%5D"),
    *(
        "/?q=%2F%3A%40",
        "/?q=/:@",
        "/?q=%26%3D%3B",
        "/?q=a%20b+c",
        "/?q=%2B",
        "/?q=%c3%bc",
        "/?q=%zz",
        "/?q=100%",
        "/?q=%25",
    ),
    *("/?a=1&a=2&b=&=c", "/?sig=aB%2Bc%2Fd%3D%3D&se=2026-01-01T00%3A00%3A00Z", "/?q=!$'()*,;:@/?-._~", "/?q[]=1&q[]=2"),
    *("/?next=http%3A%2F%2Fa.example%2F%3Fb%3Dc", "/?next=http://a.example/?b=c", "/?q=%E2%9C%93", "/?q=%e2%9c%93"),
    *("/.", "/..", "/./a", "/a/../b", "/a/%2e%2e/b", "/a/./b/../../c", "/.well-known/x", "/a..b", "/...", "/?a=../b"),
    *("/?" + "a" * 7_900, "/" + "%2F" * 2_600),
]
ENCODED = {
    "": "/",
    "?a=1": "/?a=1",
    "#part": "/",
    "/#": "/",
    "/?#": "/?",
    "/a?b#c?d": "/a?b",
    "/a#b/c": "/a",
    "/grün": "/gr%C3%BCn",
    "/?q=grün&r=%2F": "/?q=gr%C3%BCn&r=%2F",
    "/%2F/ü/%2f": "/%2F/%C3%BC/%2f",
    "/\u2713?\U0001f600=1": "/%E2%9C%93?%F0%9F%98%80=1",
}
"""What follows the host in a URL, and what goes out."""
HOSTS = {
    "http://bücher.example/ü": "http://xn--bcher-kva.example/%C3%BC",
    "https://faß.example:8443?ü": "https://xn--fa-hia.example:8443?%C3%BC",
    "http://例え.example": "http://xn--r8jz45g.example",
}
"""URLs as they are given and as they are saved."""
CREATE = """mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) {
    __typename ... on Task { id action { url } } ... on InvalidInput { message } } }"""
RUN = "mutation ($id: ID!) { runTask(id: $id) { __typename } }"


def wanted(url: str, **action: Any) -> dict[str, Any]:
    """Return the input of a task that calls the URL once, when it is told to."""
    trigger = {"oneOff": {"at": "2999-01-01T00:00:00Z"}}
    return {"name": "n", "trigger": trigger, "retry": {"maxAttempts": 1}, "action": {"url": url, **action}}


def ok(_: Request, writer: asyncio.StreamWriter) -> None:
    """Send an empty response."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def outcome(database: DatabaseSettings, jobs: JobsSettings, *inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the tasks through the API, wait until a worker has called for each, and return the tasks."""
    async with serving(database, jobs) as api, working(database, jobs):
        tasks: list[dict[str, Any]] = (await api.data(CREATE, inputs=list(inputs)))["createTasks"]
        assert {task["__typename"] for task in tasks} == {"Task"}, tasks
        for task in tasks:
            await api.data(RUN, id=task["id"])
        for task in tasks:
            [run] = await wait_until(
                partial(runs_of, api.engine, task["id"], at_least=1), what="the run has ended", within=30
            )
            assert run.state is RunState.SUCCEEDED, (task, run.error_message)
    return tasks


async def test_every_byte_of_a_url_goes_out_as_it_was_saved(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Only what a request line cannot hold is encoded, once, when the task is saved, and is shown so."""
    async with raw_target(ok) as target:
        base = target.url.removesuffix("/")
        expected = {rest: rest for rest in AS_WRITTEN} | ENCODED
        tasks = await outcome(database, jobs_settings, *(wanted(base + rest) for rest in expected))
        assert sorted(request.path for request in target.requests) == sorted(expected.values())
    for (rest, path), task in zip(expected.items(), tasks, strict=True):
        shown = task["action"]["url"]
        assert shown.isascii()
        assert request_target(shown) == path
        if rest.isascii():
            assert shown == base + rest


async def test_a_host_is_saved_in_idna(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A URL that is too long once it is encoded is refused, and so is one with a space, which is no part of a URL."""
    refused = {
        "http://a.example/" + "ü" * 1_400: "has 8,417 characters; at most 8,000 are accepted",
        "http://a.example/" + "a" * MAX_URL_LENGTH: "has 8,017 characters; at most 8,000 are accepted",
        "http://a.example/a b": "contains the character ' ', which a URL must percent-encode",
        'http://a.example/"': "contains the character '\"', which a URL must percent-encode",
    }
    async with serving(database, jobs_settings) as api:
        inputs = [wanted(url) for url in (*HOSTS, *refused)]
        made = (await api.data(CREATE, inputs=inputs))["createTasks"]
    assert [each["action"]["url"] for each in made[: len(HOSTS)]] == list(HOSTS.values())
    for each, message in zip(made[len(HOSTS) :], refused.values(), strict=True):
        assert message in each["message"]


LOCATIONS = {
    "/a%2Fb?q=%2F%3A%40": "/a%2Fb?q=%2F%3A%40",
    "/;m=%26%3D?": "/;m=%26%3D?",
    "/%c3?q=%zz": "/%c3?q=%zz",
    "/?next=http://a.example/../b": "/?next=http://a.example/../b",
    "/a#part": "/a",
    "?only=%2F": "/start?only=%2F",
    "other": "/other",
    "../x/./y/..": "/x/",
    "/gr\u00fcn": "/gr%C3%BCn",
    "/latin\udcfc": "/latin%FC",
    "/a b|c": "/a%20b%7Cc",
    "/" + "%2F" * 2_600: "/" + "%2F" * 2_600,
}


async def test_every_byte_of_a_location_goes_out_as_it_was_sent(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """This holds for references too, which are resolved as RFC 3986 says, and for bytes that are no UTF-8."""
    places = list(LOCATIONS)

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.path.startswith("/start?number="):
            return ok(request, writer)
        location = places[int(request.path.partition("=")[2])].encode(errors="surrogateescape")
        return writer.write(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location)

    async with raw_target(respond) as target:
        urls = (f"{target.url}start?number={number}" for number in range(len(places)))
        await outcome(database, jobs_settings, *(wanted(url, redirects=1) for url in urls))
        sent = [request.path for request in target.requests if "number=" not in request.path]
    assert sorted(sent) == sorted(LOCATIONS.values())


GIVEN = ["X-Zulu", "accept", "X-ALPHA", "aUTHORIZATION", "X-mike", "Idempotency-KEY", "x_under", "B"]
DUETIMES = ["X-Duetime-Scheduled-For", "X-Duetime-Attempt"]
DEFAULTS = ["User-Agent", "Accept-Encoding", "Content-Type"]


@pytest.mark.parametrize("kept", [True, False], ids=["the same origin", "another origin"])
async def test_headers_go_out_with_their_names_and_in_their_order(
    database: DatabaseSettings, jobs_settings: JobsSettings, *, kept: bool
) -> None:
    """First Host, then the task's own, then Duetime's, then the defaults, then the length; after a redirect as well."""
    elsewhere: list[str] = []

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/":
            place = "/there" if kept else elsewhere[0]
            return writer.write(f"HTTP/1.1 307 T\r\nContent-Length: 0\r\nLocation: {place}\r\n\r\n".encode())
        return ok(request, writer)

    headers = [{"name": name, "value": f"value of {name}"} for name in GIVEN]
    async with raw_target(respond) as target, raw_target(ok) as other:
        elsewhere.append(f"{other.url}there")
        sealing = jobs_settings.model_copy(update={"secret_key": base64.b64encode(os.urandom(32)).decode()})
        task = wanted(target.url, method="POST", payload=1, headers=headers, redirects=1)
        await outcome(database, sealing, task)
        [first, *rest] = target.requests
        second = rest[0] if kept else other.requests[0]
    everything = ["Host", *GIVEN, *DUETIMES, *DEFAULTS, "Content-Length"]
    assert names_of(first) == everything
    travels = {"Host", "accept", "Idempotency-KEY", *DUETIMES, *DEFAULTS, "Content-Length"}
    assert names_of(second) == [name for name in everything if kept or name in travels]


def names_of(request: Request) -> list[str]:
    """Return the names of the headers as they arrived."""
    return [line.partition(":")[0] for line in request.lines[1:]]
