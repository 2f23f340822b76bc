"""A kept connection is used only while its target surely keeps it, and its end does not fail a call needlessly."""

import asyncio
from datetime import timedelta

import pytest

from db.models import Run
from db.settings import DatabaseSettings
from jobs.http.body import NO_CONTENT, Content
from jobs.http.client import HttpCaller, Response
from jobs.http.compat import LEARNED_AT_LEAST, MARGIN, idle_limit_of
from jobs.http.request import Action
from jobs.settings import JobsSettings
from tests.support.engine import every, opened, runs_of, save, soon, working
from tests.support.graphql import serving
from tests.support.raw_target import RawTarget, Request, Respond, raw_target
from tests.support.waiting import wait_until

IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH"]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
EARLY = "the call failed: the target closed the connection before its response was complete"


async def call(caller: HttpCaller, target: RawTarget, *, method: str = "GET", body: bytes = b"") -> Response:
    """Call the target."""
    content = Content(body, "text/plain") if body else NO_CONTENT
    timeout = timedelta(seconds=20)
    action = Action(method=method, url=target.url, headers={}, content=content, timeout=timeout, redirects=0)
    return await caller.call(action, headers={"Idempotency-Key": "key"})


def connections(target: RawTarget) -> list[int]:
    """Return the connection of each request."""
    return [request.connection for request in target.requests]


async def test_the_limit_that_a_target_names_is_kept(caller: HttpCaller) -> None:
    """A connection is not used in the last moments before the target ends it."""

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=99\r\nContent-Length: 0\r\n\r\n")

    async with raw_target(respond) as target:
        for pause in (0, 0, 0.6):
            await asyncio.sleep(pause)
            assert (await call(caller, target, method="POST")).error is None
        assert connections(target) == [0, 0, 1]


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("timeout=5", 5),
        ("timeout=5, max=100", 5),
        ("max=100,timeout = 5", 5),
        ('Timeout="5"', 5),
        ("timeout=0", 0),
        ("", None),
        ("max=100", None),
        ("timeout=soon", None),
        ("mytimeout=5", None),
    ],
)
def test_the_field_is_read_leniently(field: str, seconds: float | None) -> None:
    """What is no number of seconds is ignored."""
    assert idle_limit_of(field) == seconds


async def test_a_limit_is_learned_from_the_end_of_a_connection(caller: HttpCaller) -> None:
    """A target that names no limit and ends an idle connection once is believed to do so again."""
    idle = LEARNED_AT_LEAST + 0.3
    ends = iter([True])

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if next(ends, False):
            asyncio.get_running_loop().call_later(idle, writer.close)

    async with raw_target(respond) as target:
        await call(caller, target)
        await wait_until(lambda: target.ended == [0], what="the target has ended the connection", within=5)
        for pause in (0, 0, idle - min(MARGIN, idle / 2) + 0.05):
            await asyncio.sleep(pause)
            assert (await call(caller, target, method="POST")).error is None
        assert connections(target) == [0, 1, 1, 2]


def ends_at(number: int, beginning: bytes = b"") -> Respond:
    """Return the behaviour of a target that ends the connection at a request, instead of answering it."""
    seen = 0

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if seen < number:
            writer.write(OK)
            return
        if seen == number:
            writer.write(beginning)
            writer.close()
            return
        writer.write(OK)

    return respond


@pytest.mark.parametrize("body", [b"", b"a body"], ids=["no body", "body"])
@pytest.mark.parametrize("method", IDEMPOTENT)
async def test_a_request_that_is_safe_to_repeat_is_sent_again(caller: HttpCaller, method: str, body: bytes) -> None:
    """It goes over a new connection, and the response says so."""
    async with raw_target(ends_at(2)) as target:
        first, second, third = [await call(caller, target, method=method, body=body) for _ in range(3)]
        assert [each.status_code for each in (first, second, third)] == [200, 200, 200]
        assert [each.resent for each in (first, second, third)] == [False, True, False]
        assert connections(target) == [0, 0, 1, 1]
        assert {request.body for request in target.requests} == {body}


@pytest.mark.parametrize("method", OTHERS)
async def test_another_request_is_not_sent_again(caller: HttpCaller, method: str) -> None:
    """The target may have carried it out, so only a retry may repeat it."""
    async with raw_target(ends_at(2)) as target:
        _, second = [await call(caller, target, method=method, body=b"x") for _ in range(2)]
        assert (second.status_code, second.resent, second.error) == (None, False, EARLY)
        assert len(target.requests) == 2


async def test_after_the_first_byte_nothing_is_sent_again(caller: HttpCaller) -> None:
    """Half a head shows that the target received the request."""
    async with raw_target(ends_at(2, b"HTTP/1.1 2")) as target:
        _, second = [await call(caller, target) for _ in range(2)]
        assert (second.status_code, second.resent, second.error) == (None, False, EARLY)
        assert len(target.requests) == 2


async def test_a_new_connection_that_ends_is_no_reason_to_send_again(caller: HttpCaller) -> None:
    """Neither the first call nor a second sending is repeated."""
    async with raw_target(lambda _, writer: writer.close()) as target:
        response = await call(caller, target)
        assert (response.status_code, response.resent, response.error) == (None, False, EARLY)
        assert len(target.requests) == 1
    seen = iter([OK])

    def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        if answer := next(seen, b""):
            writer.write(answer)
        else:
            writer.close()

    async with raw_target(respond) as target:
        _, second = [await call(caller, target) for _ in range(2)]
        assert (second.status_code, second.resent, second.error) == (None, True, EARLY)
        assert connections(target) == [0, 0, 1]


QUERY = "query ($id: ID!) { run(id: $id) { state attempts { number resent statusCode } } }"


async def test_an_attempt_shows_that_it_was_sent_again(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """It is still one attempt."""
    used: set[int] = set()

    def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.connection in used:
            writer.close()
        else:
            used.add(request.connection)
            writer.write(OK)

    async with raw_target(respond) as target, opened(database) as engine, serving(database, jobs_settings) as api:
        [task_id] = await save(engine, every(target.url, timedelta(seconds=1), soon()))

        async def resent() -> list[Run]:
            return [run for run in await runs_of(engine, task_id) if run.attempts[0].get("resent")]

        async with working(database, jobs_settings):
            [run, *_] = await wait_until(resent, what="a request was sent again", within=30)
        shown = (await api.data(QUERY, id=str(run.id)))["run"]
    assert shown == {"state": "SUCCEEDED", "attempts": [{"number": 1, "resent": True, "statusCode": 200}]}
