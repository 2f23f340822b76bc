"""Responses may be endless, bombs, or not HTTP: each becomes the result or failure of one run, within bounds."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import psutil
import pytest

from db.states import BodyEncoding
from jobs.http.body import NO_CONTENT
from jobs.http.client import KEPT_HEADER_CHARACTERS, HttpCaller, Response
from jobs.http.request import Action
from jobs.http.response_body import KEPT_BYTES
from tests.support.hostile_target import BEHAVIOURS, hostile_target

AT_ONCE = 100
MEBIBYTE = 1024 * 1024
QUICK = timedelta(seconds=90)
"""Longer than any of these tests may take: what ends, ends by a limit and not by its deadline."""
BRIEF = timedelta(seconds=1)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Run a hostile target in its own process and return its URL."""
    async with hostile_target() as running:
        yield running


def get(url: str, *, timeout: timedelta = QUICK) -> Action:
    """Return the simplest request."""
    return Action(method="GET", url=url, headers={}, content=NO_CONTENT, timeout=timeout, redirects=0)


def is_cut(answer: Response) -> bool:
    """Return whether 64 KiB were kept of more."""
    size = (
        len(base64.b64decode(answer.body or "")) if answer.encoding is BodyEncoding.BASE64 else len(answer.body or "")
    )
    return answer.status_code == 200 and answer.truncated and size == KEPT_BYTES


def is_nothing(answer: Response) -> bool:
    """Return whether nothing was kept of a body."""
    return answer.status_code == 200 and answer.truncated and answer.body is None


def says(body: str, encoding: BodyEncoding = BodyEncoding.UTF8) -> Callable[[Response], bool]:
    """Return a check that the whole body is a text."""
    return lambda answer: (answer.body, answer.encoding, answer.truncated) == (body, encoding, False)


def fails(reason: str) -> Callable[[Response], bool]:
    """Return a check that there is no response, for a reason."""
    return lambda answer: answer.status_code is None and reason in (answer.error or "") and not answer.refused


def is_cut_short(answer: Response) -> bool:
    """Return whether the head was kept of a response whose body did not arrive as a whole."""
    return answer.status_code == 200 and answer.incomplete and answer.truncated and answer.error is not None


EXPECTED: dict[str, Callable[[Response], bool]] = {
    "gzip-bomb": is_cut,
    "deflate-bomb": is_cut,
    "raw-deflate-bomb": is_cut,
    "packed-twice": lambda answer: answer.encoding is BodyEncoding.BASE64,
    "empty-members": is_nothing,
    "endless-members": is_nothing,
    "members": says("one,two"),
    "padded": says("padded"),
    "nothing-comes-out": is_nothing,
    "no-gzip": says("this is no gzip"),
    "brotli": is_cut,
    "zstd": says(base64.b64encode(b"\x28\xb5\x2f\xfd\x04\x00").decode(), BodyEncoding.BASE64),
    "endless-body": is_cut,
    "endless-chunks": is_cut,
    "endless-trailers": is_cut_short,
    "endless-header": fails("the call failed"),
    "endless-headers": fails("the call failed"),
    "endless-status": fails("the call failed"),
    "great-headers": lambda answer: len(json.dumps(answer.headers)) < KEPT_HEADER_CHARACTERS + 2000,
    "not-http": fails("the call failed"),
    "two-lengths": fails("the call failed"),
    "ends-early": is_cut_short,
    "nul": says("a\ufffdb"),
    "invalid": says("a\ufffd\ufffdb"),
    "utf-16": says("grün"),
    "charset-bz2": lambda answer: answer.status_code == 200 and len(answer.body or "") <= KEPT_BYTES,
    "charset-hex": says("6162"),
    "charset-punycode": says("a-" + "z" * 60_000),
    "charset-unknown": says("plain"),
    "binary": says(base64.b64encode(b"\x00\xff\x00\xff").decode(), BodyEncoding.BASE64),
    "surrogates": says("body"),
    "endless-continue": fails("more than 10 interim responses"),
}
BY_DEADLINE = BEHAVIOURS.keys() - EXPECTED.keys()


@pytest.mark.parametrize("way", EXPECTED)
async def test_an_answer_ends_by_a_limit(caller: HttpCaller, url: str, way: str) -> None:
    """What is too large is truncated or refused long before the deadline, and what is kept can be stored."""
    answer = await caller.call(get(f"{url}/{way}"), headers={})
    assert EXPECTED[way](answer), answer
    assert answer.duration < QUICK / 3
    json.dumps([answer.headers, answer.body, answer.error], ensure_ascii=False).encode()


@pytest.mark.parametrize("way", sorted(BY_DEADLINE))
async def test_what_drips_ends_at_the_deadline(caller: HttpCaller, url: str, way: str) -> None:
    """The deadline applies to the whole response, however steadily it drips."""
    answer = await caller.call(get(f"{url}/{way}", timeout=BRIEF), headers={})
    assert answer.error == "the target sent no complete response within 1 s"
    assert answer.duration < 5 * BRIEF


async def test_a_hundred_at_once_take_little_memory(caller: HttpCaller, url: str) -> None:
    """A hundred hostile responses together take less than 64 MiB of memory."""
    ways = [way for way in BEHAVIOURS if way not in ("charset-bz2", "packed-twice")]
    process = psutil.Process()

    async def call(number: int) -> Response:
        return await caller.call(get(f"{url}/{ways[number % len(ways)]}", timeout=BRIEF), headers={})

    await asyncio.gather(*(call(number) for number in range(len(ways))))
    before = peak = process.memory_info().rss
    calls = asyncio.gather(*(call(number) for number in range(AT_ONCE)))
    while not calls.done():
        await asyncio.sleep(0.005)
        peak = max(peak, process.memory_info().rss)
    assert len(await calls) == AT_ONCE
    assert peak - before < 64 * MEBIBYTE
