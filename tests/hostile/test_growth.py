"""What reads the input of clients takes time in proportion to its size: twice the size, less than three times the time.

The times are CPU times of one thread, so that a busy machine does not matter.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from db.models import utc_now
from graphql_api import content_negotiation, cursors
from graphql_api.execution.document_cache import Document
from graphql_api.execution.schema import schema as printed
from graphql_api.settings import ApiSettings
from jobs import json_value
from jobs.http.body import BodyDraft
from jobs.http.client import Response
from jobs.http.redaction import redacted
from jobs.http.request import ActionDraft, HeaderDraft, header_problems
from jobs.security import signatures
from jobs.security.encryption import SecretKeys
from jobs.tasks.idempotency import digest_of
from jobs.tasks.validation import is_printable, tag_problems

pytestmark = pytest.mark.timing

TIMES = 4
"""How many times larger the second of two sizes is."""
MOST = 2.2
"""How many times more the time may grow than that of the standard library's parser, which is linear; quadratic is 4. On
some machines four times as much memory takes six times as long.
"""
SHORTEST = 0.001
"""Seconds of CPU time, below which measurements say nothing."""
LARGEST = 100_000
NO_KEYS = SecretKeys()


def cpu_time(work: Callable[[], object]) -> float:
    """Return the CPU time that a call takes in this thread, the least of several."""
    times = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            began = time.thread_time()
            work()
            times.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(times)


def assert_proportional(make: Callable[[int], Callable[[], object]], size: int) -> None:
    """Check the growth between a size and a larger one. What is quick is made larger first, as far as requests go."""
    while cpu_time(make(size)) < SHORTEST:
        if size > LARGEST:
            return
        size *= 2
    growths = (growth(make, size) / growth(linear, size) for _ in range(3))
    assert any(each < MOST for each in growths), size


def growth(make: Callable[[int], Callable[[], object]], size: int) -> float:
    """Return how many times longer the larger of two sizes takes."""
    return cpu_time(make(TIMES * size)) / cpu_time(make(size))


def linear(size: int) -> Callable[[], object]:
    """Return work whose time is linear in its size, but for the memory that it takes."""
    text = "{" + ",".join(members(size)) + "}"
    return lambda: json.loads(text)


def members(count: int) -> Iterator[str]:
    """Yield members of a JSON object, with different names."""
    return (f'"name{number}":{number}' for number in range(count))


def refused(text: str) -> None:
    """Parse JSON that must be refused."""
    with pytest.raises(json_value.NotJson):
        json_value.parse(text)


JSON_TEXTS: dict[str, Callable[[int], str]] = {
    "the last name twice": lambda size: "{" + ",".join([*members(size), f'"name{size - 1}":0']) + "}",
    "the first name again at the end": lambda size: "{" + ",".join([*members(size), '"name0":0']) + "}",
    "one name all the time": lambda size: "{" + ",".join(['"name":0'] * size) + "}",
    "no end": lambda size: "{" + ",".join(members(size)),
    "brackets that only open": lambda size: "[" * size,
}


@pytest.mark.parametrize("kind", JSON_TEXTS)
def test_json_that_is_refused(kind: str) -> None:
    """Finding what is wrong with a JSON text is linear in its length."""

    def make(size: int) -> Callable[[], object]:
        text = JSON_TEXTS[kind](size)
        return lambda: refused(text)

    assert_proportional(make, 10_000)


def test_the_name_that_occurs_twice_is_named() -> None:
    """The error names the first name that occurs again, also after others."""
    with pytest.raises(json_value.NotJson, match="'b' occurs twice"):
        json_value.parse('{"a":1,"b":2,"c":3,"b":4,"a":5}')


VALUES: dict[str, Callable[[int], object]] = {
    "a wide object": lambda size: {f"name{number}": number for number in range(size)},
    "a long array": lambda size: [0] * size,
    "a long text": lambda size: "\u00e4" * 100 * size,
    "arrays in arrays": lambda size: [[[]]] * size,
    "numbers that keep their digits": lambda size: json_value.parse("[" + ",".join(["1.10"] * size) + "]"),
}


NUMBERS: dict[str, Callable[[int], str]] = {
    "a long fraction": lambda size: "1." + "1" * size,
    "zeros before a digit": lambda size: "0." + "0" * size + "1",
    "many digits and a small exponent": lambda size: "9" * size + f"e-{size}",
    "a long exponent": lambda size: "1e" + "9" * size,
    "many numbers": lambda size: "[" + ",".join(["-0,1.50"] * size) + "]",
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_json_numbers(kind: str) -> None:
    """Reading numbers with their digits is linear in their length."""

    def make(size: int) -> Callable[[], object]:
        text = NUMBERS[kind](size)
        return lambda: json_value.parse(text, max_values=None)

    assert_proportional(make, 10_000)


@pytest.mark.parametrize("kind", VALUES)
def test_json_values(kind: str) -> None:
    """Judging, writing and fingerprinting a payload is linear in its size."""

    def make(size: int) -> Callable[[], object]:
        value = VALUES[kind](size)
        action = ActionDraft(url="http://localhost/", body=BodyDraft(payload=value))

        def judge() -> None:
            assert list(json_value.faults(value)) == []
            json_value.encode(value)
            digest_of(action)

        return judge

    assert_proportional(make, 500)


def problems_of_tags(size: int) -> Callable[[], object]:
    """Return the validation of tags of which the last stands twice."""
    tags = [f"tag {number}" for number in range(size)] * 2
    return lambda: list(tag_problems(tags))


def problems_of_headers(size: int) -> Callable[[], object]:
    """Return the validation of headers of which each stands twice."""
    headers = [HeaderDraft(f"x-{number}", "value") for number in range(size)] * 2
    return lambda: list(header_problems(headers, secrets=NO_KEYS))


def problems_of_signing_secrets(size: int) -> Callable[[], object]:
    """Return the validation of signing secrets of which each stands twice."""
    secrets = [f"whsec_{number:032}" for number in range(size)] * 2
    return lambda: list(signatures.problems_of(secrets))


def long_name(size: int) -> Callable[[], object]:
    """Return the validation of a long name."""
    return lambda: is_printable("a" * size)


def redaction(size: int) -> Callable[[], object]:
    """Return the redaction of a response that resembles a secret which repeats itself."""
    response = Response(utc_now(), timedelta(), body="a" * size + "c", truncated=True)
    secret = "a" * size + "b"
    return lambda: redacted(response, [secret])


def negotiation(size: int) -> Callable[[], object]:
    """Return the reading of a long Accept header."""
    accept = ",".join(f"text/x{number};q=0.{number};q" for number in range(size))
    return lambda: content_negotiation.preferred(accept, [content_negotiation.JSON])


def cursor(size: int) -> Callable[[], object]:
    """Return the reading of a long cursor."""
    text = cursors.encode(cursors.RUNS, *range(size))

    def read() -> None:
        with pytest.raises(Exception, match="not one of this service's"):
            cursors.key_of(text, cursors.RUNS)

    return read


@pytest.mark.parametrize(
    "make",
    [
        problems_of_tags,
        problems_of_headers,
        problems_of_signing_secrets,
        long_name,
        redaction,
        negotiation,
        cursor,
    ],
)
def test_members_of_inputs(make: Callable[[int], Callable[[], object]]) -> None:
    """Validating each list and text of an input is linear in its size."""
    assert_proportional(make, 500)


SCALED = ApiSettings.model_construct().model_copy(update={"max_tokens": 1_000_000, "max_bytes": 4 * 1024 * 1024})
"""The numbers of fields are limited in tokens; without that limit, each document can be doubled."""
DOCUMENTS: dict[str, Callable[[int], str]] = {
    "many aliases": lambda size: "{" + " ".join(f"a{n}:__typename" for n in range(size)) + "}",
    "the same field": lambda size: "{" + "__typename " * size + "}",
    "objects of the same name": lambda size: "{" + "tasks{totalCount}" * size + "}",
    "many operations": lambda size: " ".join(f"query q{n}{{__typename}}" for n in range(size)),
    "a chain of fragments": lambda size: (
        "{...f0}" + " ".join(f"fragment f{n} on Query{{...f{n + 1}}}" for n in range(size))
    ),
    "operations that use a chain of fragments": lambda size: (
        " ".join(f"query q{n}{{...f0}}" for n in range(size))
        + " ".join(f"fragment f{n} on Query{{...f{n + 1}}}" for n in range(size))
        + f"fragment f{size} on Query{{__typename}}"
    ),
    "many fragments in one selection": lambda size: (
        "{"
        + " ".join(f"...f{n}" for n in range(size))
        + "}"
        + " ".join(f"fragment f{n} on Query{{metrics{{totalRuns}}}}" for n in range(size))
    ),
    "inline fragments": lambda size: "{" + "...on Query{metrics{totalRuns}}" * size + "}",
    "fragments on the types of a union": lambda size: (
        "{task(id:1){trigger{" + "...on CronTrigger{expression} ...on OneOffTrigger{at} " * size + "}}}"
    ),
    "unused variables": lambda size: "query(" + " ".join(f"$v{n}:Int" for n in range(size)) + "){__typename}",
    "used variables": lambda size: (
        "query("
        + " ".join(f"$v{n}:Int" for n in range(size))
        + "){"
        + " ".join(f"a{n}:tasks(first:$v{n}){{totalCount}}" for n in range(size))
        + "}"
    ),
    "variables in a chain of fragments": lambda size: (
        "query("
        + " ".join(f"$v{n}:Int" for n in range(size))
        + "){...f0}"
        + " ".join(f"fragment f{n} on Query{{a{n}:tasks(first:$v{n}){{totalCount}} ...f{n + 1}}}" for n in range(size))
        + f"fragment f{size} on Query{{__typename}}"
    ),
    "the same argument": lambda size: "{tasks(" + "first:1 " * size + "){totalCount}}",
    "a list of enum values": lambda size: "{tasks(filter:{statuses:[" + "SCHEDULED " * size + "]}){totalCount}}",
    "unknown members": lambda size: (
        "{previewTrigger(trigger:{" + " ".join(f"a{n}:1" for n in range(size)) + "}){__typename}}"
    ),
    "the same directive": lambda size: "{__typename " + "@include(if:true)" * size + "}",
    "unknown directives": lambda size: "{__typename " + "@nope" * size + "}",
    "a long text": lambda size: '{task(id:"' + "x" * 100 * size + '"){id}}',
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """Return the schema by which documents are validated."""
    return build_schema(printed.as_str())


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_documents(schema: GraphQLSchema, kind: str) -> None:
    """Parsing, measuring and validating a document is linear in its length."""

    def make(size: int) -> Callable[[], object]:
        text = DOCUMENTS[kind](size)

        def read() -> None:
            document = Document(text, schema, SCALED)
            document.refusal({}, None)
            assert document.errors is not None

        return read

    assert_proportional(make, 50)


def test_variables(schema: GraphQLSchema) -> None:
    """Measuring an operation, and the key of a subscription's results, is linear in the size of the variables."""
    fields = "...on RunEvent{run{task{runs(after:$text){totalCount}}}}"
    text = f"subscription($ids:[ID!],$text:String){{runEvents(after:$text){{{fields}}}}}"

    def make(size: int) -> Callable[[], object]:
        variables: dict[str, Any] = {"ids": ["x"] * size, "text": "y" * 20 * size}
        document = Document(text, schema, SCALED)

        def read() -> None:
            document.refusal(variables, None)
            json.dumps(document.result_key(variables, None))

        return read

    assert_proportional(make, 5_000)
