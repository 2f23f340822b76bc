"""Documents that exceed a limit are refused before execution, with the limit and the value, over every transport."""

import json
import time
from typing import Any

import pytest
from graphql import get_introspection_query

from db.settings import DatabaseSettings
from graphql_api.execution.document_cache import KEPT, KEPT_CHARACTERS
from graphql_api.execution.schema import DuetimeSchema
from graphql_api.execution.schema import schema as default_schema
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.graphql import Api, serving

MANY = "mutation ($ids: [ID!]!) { cancelTasks(ids: $ids) {"
MAKE = "mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) {"
DEFAULTS = ApiSettings.model_construct()


@pytest.fixture(scope="module")
def schema() -> DuetimeSchema:
    """Return a schema with the default limits."""
    return within()


def within(**limits: Any) -> DuetimeSchema:
    """Return a schema with other limits than the default ones."""
    return default_schema.within(DEFAULTS.model_copy(update=limits))


def message(schema: DuetimeSchema, text: str, name: str | None = None, **variables: Any) -> str | None:
    """Return the message of the refusal, or None if the operation may be executed."""
    refused = schema.refusal(text, variables, name)
    if refused is None:
        return None
    assert refused.errors
    [error] = refused.errors
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}
    return error.message


def nested(levels: int) -> str:
    """Return a document with that many levels of fields."""
    between = "task { runs { nodes { " * levels
    body = "{ run(id: 1) { " + " ".join(between.split()[: 2 * (levels - 2)]) + " id"
    return body + " }" * body.count("{")


def test_depth(schema: DuetimeSchema) -> None:
    """Levels of fields count through fragments as well; fragments themselves are not levels."""
    through = "{ run(id: 1) { ...A } } fragment A on Run { task { ... on Task { ...B } } } fragment B on Task { %s }"
    assert message(schema, nested(15)) != message(schema, nested(16))
    assert message(schema, nested(16)) == (
        "The document is 16 levels deep; at most 15 are accepted (DUETIME_GRAPHQL_MAX_DEPTH)"
    )
    small = within(max_depth=3)
    assert message(small, through % "id") is None
    assert message(small, through % "lastRun { id }") == (
        "The document is 4 levels deep; at most 3 are accepted (DUETIME_GRAPHQL_MAX_DEPTH)"
    )


def test_aliases_and_directives(schema: DuetimeSchema) -> None:
    """Aliases and directives count once for each place where a fragment puts them."""
    aliases = " ".join(f"a{n}: __typename" for n in range(26))
    spread_twice = (
        f"{{ tasks {{ ...A nodes {{ runs {{ ...B }} }} }} }} {{}} fragment A on TaskConnection {{ {aliases} }}"
    )
    twice = spread_twice.replace(" {}", "") + f" fragment B on RunConnection {{ {aliases} }}"
    assert (
        message(schema, twice) == "The document has 52 aliases; at most 50 are accepted (DUETIME_GRAPHQL_MAX_ALIASES)"
    )
    assert message(schema, f"{{ {aliases} }}") is None
    skips = "query ($a: Boolean! @b) @b { __typename @skip(if: $a) ... @include(if: $a) { " + "id @x " * 47 + "} }"
    assert message(schema, skips) == (
        "The document has 51 directives; at most 50 are accepted (DUETIME_GRAPHQL_MAX_DIRECTIVES)"
    )


def test_size_and_tokens(schema: DuetimeSchema) -> None:
    """Bytes and tokens are checked before parsing, and comments count."""
    assert message(schema, "#" * 65_536 + "{") == (
        "The document has 65,537 bytes; at most 65,536 are accepted (DUETIME_GRAPHQL_MAX_BYTES)"
    )
    assert message(schema, "#" + "\U0001f600" * 16_384) == (
        "The document has 65,537 bytes; at most 65,536 are accepted (DUETIME_GRAPHQL_MAX_BYTES)"
    )
    too_many = "The document has more than the 10,000 tokens that are accepted (DUETIME_GRAPHQL_MAX_TOKENS)"
    assert message(schema, "{" + " a" * 9_999 + " }") == too_many
    assert message(schema, "#\n" * 10_001 + "{ a }") == too_many


@pytest.mark.parametrize(
    ("text", "variables", "cost"),
    [
        ("{ __typename }", {}, 1),
        ("{ tasks { totalCount } }", {}, 2),
        ("{ tasks(first: 50) { totalCount nodes { name lastRun { state } } } }", {}, 153),
        ("{ tasks(last: 50) { nodes { name } edges { cursor node { id } } } }", {}, 1 + 1 + 50 + 1 + 150),
        ("{ tasks { nodes { id } } }", {}, 2 + 20),
        ("{ tasks(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }", {}, 2 + 100 * (2 + 100)),
        ("query ($n: Int) { tasks(first: $n) { nodes { id } } }", {}, 2 + 20),
        ("query ($n: Int = 7) { tasks(first: $n) { nodes { id } } }", {}, 2 + 7),
        ("query ($n: Int = 7) { tasks(first: $n) { nodes { id } } }", {"n": None}, 2 + 20),
        ("query ($n: Int! = 7) { tasks(last: $n) { nodes { id } } }", {"n": 9}, 2 + 9),
        ("query ($n: Int) { tasks(first: $n) { nodes { id } } }", {"n": 10**400}, 2 + 100),
        ("query ($n: Int) { tasks(first: $n) { nodes { id } } }", {"n": -1}, 2),
        ("query ($n: Int) { tasks(first: $n) { nodes { id } } }", {"n": "x"}, 2 + 1),
        ("{ tasks(first: " + "9" * 5_000 + ") { nodes { id } } }", {}, 2 + 100),
        ("{ task(id: 1) { upcoming } }", {}, 2 + 5),
        ("{ task(id: 1) { upcoming(count: 100) } }", {}, 2 + 100),
        ("{ previewTrigger(trigger: {}, count: 30) { ... on TriggerPreview { instants } } }", {}, 100 + 1 + 30),
        (f"{MANY} ... on Task {{ id name }} }} }}", {"ids": ["x"] * 7}, 1 + 7 * 2),
        (f"{MANY} __typename ... on Task {{ id name }} ... on NotFound {{ message }} }} }}", {"ids": ["x"]}, 1 + 3),
        (f"{MANY} ... on Error {{ message }} ... on Task {{ id }} }} }}", {"ids": ["x"] * 7}, 1 + 7 * 2),
        (f"{MAKE} ... on InvalidInput {{ problems {{ message path }} }} }} }}", {"i": [{}] * 9}, 1 + 9 * (1 + 2 * 7)),
        (f"{MAKE} ...A ... on Task {{ id }} }} }} fragment A on InvalidInput {{ message }}", {"i": [{}] * 9}, 1 + 9),
        ("{ runs(first: 3) { nodes { id responseBody } } }", {}, 2 + 3 * (1 + 64)),
        ("{ task(id: 1) { action { url payload } } }", {}, 1 + 1 + 1 + 64),
        ("{ run(id: 1) { attempts { number durationMs } } }", {}, 2 + 5 * 2),
        ("{ tasks(last: 3) {...A} } fragment A on TaskConnection { nodes {...B ...B} } fragment B on Task {id}", {}, 8),
        ("{ nope(first: 3) { nope { id } } }", {}, 3),
        ("subscription { runEvents { ... on RunEvent { run { attempts { number } } } } }", {}, 8),
    ],
)  # fmt: skip
def test_cost(text: str, variables: dict[str, Any], cost: int) -> None:
    """The cost is the largest number of values in the response; it may equal the limit and not exceed it."""
    just = within(max_cost=cost)
    assert message(just, text, **variables) is None
    if cost > 1:
        below = within(max_cost=cost - 1)
        assert message(below, text, **variables) == (
            f"The answer could have {cost:,} values; at most {cost - 1:,} are accepted (DUETIME_GRAPHQL_MAX_COST). "
            "Ask for smaller pages or fewer fields"
        )


def test_only_the_operation_that_is_executed_counts(schema: DuetimeSchema) -> None:
    """Other operations of the same document may be as large as they like."""
    both = "query Small { __typename } query Large { tasks(first: 100) { nodes { runs(first: 100) { nodes { id task { id } } } } } }"  # noqa: E501
    assert message(schema, both, "Small") is None
    assert message(schema, both, "Large") is not None


@pytest.mark.timing
def test_fragments_are_measured_once(schema: DuetimeSchema) -> None:
    """Nested fragments are refused as quickly as they are read, and cycles are left to validation."""
    chain = " ".join(f"fragment F{n} on Task {{ ...F{n + 1} ...F{n + 1} }}" for n in range(80))
    began = time.process_time()
    assert message(schema, f"{{ tasks {{ nodes {{ ...F0 }} }} }} {chain} fragment F80 on Task {{ id }}") == (
        "The answer could have more than 10^15 values; at most 20,000 are accepted (DUETIME_GRAPHQL_MAX_COST). "
        "Ask for smaller pages or fewer fields"
    )
    assert time.process_time() - began < 1
    assert (
        message(schema, "{ tasks { nodes { ...A } } } fragment A on Task { ...B } fragment B on Task { ...A }") is None
    )
    long = " ".join(f"fragment F{n} on Task {{ ...F{n + 1} }}" for n in range(1_100))
    assert message(schema, f"{{ task(id: 1) {{ ...F0 }} }} {long} fragment F1100 on Task {{ id }}") == (
        "The document's fragments are nested too deeply; at most 15 levels of fields are accepted "
        "(DUETIME_GRAPHQL_MAX_DEPTH)"
    )


async def test_introspection_passes() -> None:
    """The introspection query of playgrounds and generators is within the limits, even with a small depth."""
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    result = await within(max_depth=2).execute(query)
    assert result.errors is None
    assert result.data


async def test_introspection_can_be_off(schema: DuetimeSchema) -> None:
    """Without introspection neither the schema nor suggestions are shown; __typename still works."""
    hidden = within(introspection=False)
    for text in ("{ __schema { description } }", '{ __type(name: "Task") { name } }'):
        result = await hidden.execute(text)
        assert result.data is None
        assert result.errors
        assert "introspection has been disabled" in result.errors[0].message
    assert (await hidden.execute("{ __typename }")).data == {"__typename": "Query"}
    for text, variables in (
        ("{ taks { totalCount } }", {}),
        ("{ tasks(frist: 1) { totalCount } }", {}),
        ("query ($o: TaskOrder!) { tasks(orderBy: $o) { totalCount } }", {"o": "NAME_ASK"}),
        ("query ($f: TaskFilter) { tasks(filter: $f) { totalCount } }", {"f": {"statusses": []}}),
    ):
        answers = [(await each.execute(text, variables)).errors for each in (hidden, schema)]
        shown = [json.dumps([error.formatted for error in errors or ()]) for errors in answers]
        assert ["Did you mean" in each for each in shown] == [False, True], text


def test_documents_are_kept_within_bounds(schema: DuetimeSchema) -> None:
    """The newest documents stay cached, as many as fit."""
    documents = schema.documents
    first = documents.read("{ __typename }")
    assert documents.read("{ __typename }") is first
    for n in range(KEPT):
        documents.read(f"{{ a{n}: __typename }}")
    assert len(documents._kept) == KEPT
    assert documents.read("{ __typename }") is not first
    for n in range(20):
        documents.read("#" * 60_000 + f"\n{{ a{n}: __typename }}")
    assert sum(map(len, documents._kept)) == documents._characters <= KEPT_CHARACTERS


async def test_every_transport_refuses(api: Api) -> None:
    """Queries and subscriptions are refused by POST, by GET and on a WebSocket, which stays open."""
    large = "{ tasks(first: 100) { nodes { runs(first: 100) { nodes { id state } } } } }"
    expected = (
        "The answer could have 20,202 values; at most 20,000 are accepted (DUETIME_GRAPHQL_MAX_COST). "
        "Ask for smaller pages or fewer fields"
    )
    assert await api.code(large) == "LIMIT_EXCEEDED"
    for answer in (
        await api.http.post("/graphql", json={"query": large}, headers={"accept": "application/graphql-response+json"}),
        await api.http.get(
            "/graphql", params={"query": large}, headers={"accept": "application/graphql-response+json"}
        ),
    ):
        assert answer.status_code == 400
        assert answer.json() == {"errors": [{"message": expected, "extensions": {"code": "LIMIT_EXCEEDED"}}]}
    async with api.socket() as socket:
        for text in (large, f"subscription {{ runEvents {{ {'a: __typename ' * 51} }} }}", "{" + " a" * 10_000 + " }"):
            refused = await (await socket.subscribe(text)).message()
            assert refused["type"] == "error"
            assert refused["payload"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
        query = await socket.subscribe("{ __typename }")
        assert (await query.message())["payload"] == {"data": {"__typename": "Query"}}


async def test_operations_are_not_batched(api: Api) -> None:
    """Several operations in one request are refused, because they would evade every limit."""
    answer = await api.http.post("/graphql", json=[{"query": "{ __typename }"}] * 2)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["message"] == "The request has to be one JSON object with a query"


async def test_limits_come_from_the_environment(
    database: DatabaseSettings, jobs_settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running API has the limits that its environment sets."""
    monkeypatch.setenv("DUETIME_GRAPHQL_MAX_COST", "3")
    async with serving(database, jobs_settings) as api:
        assert await api.code("{ a: __typename b: __typename c: __typename d: __typename }") == "LIMIT_EXCEEDED"
