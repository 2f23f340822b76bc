"""The attacks that graphql-cop tries and graphql-armor protects against, each sent in the same way.

https://github.com/dolevf/graphql-cop and https://escape.tech/graphql-armor/docs/. None of their code runs here.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from db.settings import DatabaseSettings
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving

QUICKLY = 2
"""Seconds, on a busy machine, within which whatever is sent is refused."""
LIMIT, REQUEST = "LIMIT_EXCEEDED", "BAD_REQUEST"
PARSE, VALIDATION = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A request, and the words of its refusal. `code` is that of the errors."""

    query: str = ""
    code: str = LIMIT
    words: str
    status: int = 400
    method: str = "POST"
    request: dict[str, Any] = field(default_factory=dict)


def spreads(width: int, depth: int) -> str:
    """Return fragments that use each other several times, so that a short document stands for a long one."""
    inner = " ".join(f"fragment F{n} on Task {{ {f'...F{n + 1} ' * width} }}" for n in range(depth))
    return f"{{ tasks {{ nodes {{ ...F0 }} }} }} {inner} fragment F{depth} on Task {{ id }}"


MUTATION = "mutation { runTask(id: 1) { __typename } }"
FIELD = "fields { type { "
ATTACKS = {
    # graphql-cop
    "alias overloading": Attack(
        query="query cop { " + " ".join(f"alias{n}: __typename" for n in range(101)) + " }", words="101 aliases"
    ),
    "array-based batching": Attack(
        code=REQUEST,
        words="one JSON object with a query",
        request={"json": [{"query": "query cop { __typename }"}] * 10},
    ),
    "directive overloading": Attack(
        query="query cop { __typename " + "@aa" * 10 + " }", code=VALIDATION, words="aborted"
    ),
    "directive overloading, known ones": Attack(
        query="query cop { __typename " + "@include(if: true) " * 51 + " }", words="51 directives"
    ),
    "circular query by introspection": Attack(
        query="query cop { __schema { types { " + FIELD * 4 + "name" + " }" * 8 + " } } }",
        code=VALIDATION,
        words="Maximum introspection depth exceeded",
    ),
    "field duplication": Attack(
        query="query cop { " + "__typename \n" * 500 + " }", words="selects 499 duplicate fields"
    ),
    "field duplication, of objects": Attack(
        query="query cop { " + "tasks { totalCount } " * 2_000 + " }", words="selects 1,999 duplicate fields"
    ),
    "field duplication by fragments": Attack(
        query="query cop { " + "... on Query { tasks { nodes { id } } } " * 800 + " }", words="12,500 steps"
    ),
    "mutation by GET": Attack(
        code=REQUEST, method="GET", status=405, words="Mutations need a POST", request={"params": {"query": MUTATION}}
    ),
    "mutation by GET, as a stream": Attack(
        code=REQUEST,
        method="GET",
        status=405,
        words="Mutations need a POST",
        request={"params": {"query": MUTATION}, "headers": {"accept": "text/event-stream"}},
    ),
    "query by a form": Attack(
        code=REQUEST, status=415, words="application/json", request={"data": {"query": "query cop { __typename }"}}
    ),
    "mutation by a form": Attack(
        code=REQUEST, status=415, words="application/json", request={"data": {"query": MUTATION}}
    ),
    "mutation as plain text": Attack(
        code=REQUEST,
        status=415,
        words="application/json",
        request={"content": f'{{"query": "{MUTATION}"}}', "headers": {"content-type": "text/plain"}},
    ),
    "mutation without a type": Attack(
        code=REQUEST, status=415, words="application/json", request={"content": f'{{"query": "{MUTATION}"}}'}
    ),
    "upload": Attack(
        code=REQUEST,
        status=415,
        words="application/json",
        request={"data": {"operations": f'{{"query": "{MUTATION}"}}', "map": "{}"}, "files": {"0": b"x"}},
    ),
    "unhandled error": Attack(query="queryy cop { __typename }", code=PARSE, words="Syntax Error"),
    # graphql-armor
    "too many characters": Attack(query="#" * 65_537 + "\n{ __typename }", words="bytes"),
    "too many tokens": Attack(query="{ " + "a " * 10_001 + " }", words="tokens"),
    "too deep": Attack(
        query="{ task(id: 1) { " + "lastRun { task { " * 8 + "id" + " }" * 16 + " } }", words="levels deep"
    ),
    "too deep to be read": Attack(query="{ " + "task { " * 3_000 + "id" + " }" * 3_001, words="15 levels of fields"),
    "too dear": Attack(
        query="{ tasks(first: 100) { nodes { runs(first: 100) { nodes { id state } } } } }", words="20,202 values"
    ),
    "too dear by many aliases": Attack(
        query="{ "
        + " ".join(f"a{n}: tasks(first: 100) {{ nodes {{ id name status version tags }} }}" for n in range(50))
        + " }",
        words="values",
    ),
    "a bomb of fragments": Attack(query=spreads(8, 12), words="values"),
    "a circle of fragments": Attack(
        query="{ tasks { nodes { ...A } } } fragment A on Task { ...B } fragment B on Task { ...A }",
        code=VALIDATION,
        words="Cannot spread fragment",
    ),
    "brackets without end": Attack(query="{ a(b: " + "[" * 9_000 + ") }", words="nested too deeply"),
    "many mistakes": Attack(
        query="{ " + " ".join(f"x{n}" for n in range(5_000)) + " }", code=VALIDATION, words="Too many validation errors"
    ),
}


async def sent(api: Api, attack: Attack) -> httpx.Response:
    """Return the response to an attack."""
    given = attack.request or {"json": {"query": attack.query}}
    headers = {"accept": "application/graphql-response+json", **given.get("headers", {})}
    return await api.http.request(attack.method, "/graphql", **{**given, "headers": headers})


@pytest.mark.timing
async def test_every_attack_is_refused_quickly(api: Api) -> None:
    """Every attack is refused quickly, with the reason, and no part of it is executed."""
    for name, attack in ATTACKS.items():
        began = time.perf_counter()
        answer = await sent(api, attack)
        assert time.perf_counter() - began < QUICKLY, name
        assert answer.status_code == attack.status, (name, answer.text)
        body = answer.json()
        assert "data" not in body, (name, body)
        errors = body["errors"]
        assert len(errors) <= 6, name
        assert attack.words in str([error["message"] for error in errors]), (name, errors)
        assert {error["extensions"]["code"] for error in errors} == {attack.code}, (name, errors)


async def test_nothing_of_the_inside_is_told(api: Api) -> None:
    """Refusals contain no traces, whatever header requests them, and no stack, path or library name."""
    for header in ("x-apollo-tracing", "x-debug", "x-graphql-debug", "apollo-query-plan-experimental"):
        answer = await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={header: "1"})
        assert answer.json() == {"data": {"__typename": "Query"}}
        assert "server" not in answer.headers
    for attack in ATTACKS.values():
        text = (await sent(api, attack)).text.lower()
        for word in ("traceback", "exception", "stacktrace", ".py", "strawberry", "sqlalchemy", "asyncpg"):
            assert word not in text
    for method in ("TRACE", "TRACK", "DELETE", "PATCH"):
        assert (await api.http.request(method, "/graphql")).status_code == 405


async def test_the_schema_can_be_kept_back(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """With introspection off, neither introspection nor suggestions reveal the schema, and there is no playground."""
    settings = ApiSettings.model_construct(introspection=False, playground=False)
    async with serving(database, jobs_settings, settings=settings) as api:
        for query, message in (
            ("query cop { __schema { types { name fields { name } } } }", "introspection has been disabled"),
            ('{ __type(name: "Task") { fields { name } } }', "introspection has been disabled"),
            ("query cop { taskss { totalCount } }", "Cannot query field 'taskss' on type 'Query'."),
            ('{ task(idd: "1") { id } }', "Unknown argument 'idd' on field 'Query.task'."),
        ):
            errors = str((await api.ask(query))["errors"])
            assert message in errors
            assert "Did you mean" not in errors
        page = await api.http.get("/graphql", headers={"accept": "text/html"})
        assert page.headers["content-type"].startswith("text/plain")


CREATE = 'createTask(input: {name: "a", trigger: {at: $x}, action: {url: "http://a/"}}) { __typename }'


@pytest.mark.parametrize(
    "query", [f"mutation {{ {CREATE} }}", f"fragment A on Mutation {{ {CREATE} }} mutation {{ ...A }}"]
)
async def test_a_variable_that_no_operation_defines(api: Api, query: str) -> None:
    """It is a mistake like any other, also where exactly one field of an input has to be given."""
    answer = (await api.http.post("/graphql", json={"query": query})).json()
    assert "data" not in answer
    assert "Variable '$x' is not defined" in str(answer["errors"])
    assert "INTERNAL" not in str(answer)
