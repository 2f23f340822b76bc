"""Operations that cost the API much more than they cost their client."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from graphql import (
    GraphQLList,
    coerce_input_value,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
)
from strawberry.types.arguments import InputContext
from strawberry.types.field import StrawberryField

from db.settings import DatabaseSettings
from graphql_api.execution.schema import schema as printed
from graphql_api.settings import ApiSettings
from graphql_api.types.task_input import CreateTaskInput
from jobs.http.request import HeaderDraft
from jobs.settings import JobsSettings
from tests.support.clients_schema import SCHEMA
from tests.support.expensive import CREATE, refusal_of, task_input
from tests.support.graphql import Api, serving

WATCH = "subscription { runEvents { ... on RunEvent { %s run { task { runs(first: 100) { nodes { id state } } } } } } }"


async def test_the_subscriptions_of_a_connection_have_a_largest_cost(api: Api) -> None:
    """Many subscriptions on one websocket are refused together, with the limit; ending some makes room."""
    query = WATCH % "attempt"
    async with api.socket() as socket:
        subscriptions = [await socket.subscribe(query) for _ in range(100)]
        refused = await socket.receive()
        assert refused["type"] == "error"
        [error] = refused["payload"]
        assert error["extensions"] == {"code": "LIMIT_EXCEEDED"}
        assert "at most 20,000 are accepted (DUETIME_GRAPHQL_MAX_CONNECTION_COST)" in error["message"]
        assert refused["id"] == "98", len(subscriptions)
        for _ in range(2):
            await socket.receive()
        for name in ("1", "2"):
            await socket.send({"id": name, "type": "complete"})
        await socket.subscribe(query)
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_the_subscriptions_of_a_key_have_a_largest_cost(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Different documents count together, on however many connections; the same document counts once."""
    settings = ApiSettings.model_construct(max_key_cost=2_000)
    async with serving(database, jobs_settings, settings=settings) as api:
        async with api.socket() as first, api.socket() as second, api.socket() as third:
            for socket in (first, second):
                for fields in (WATCH % "attempt", WATCH % "at"):
                    await socket.subscribe(fields)
            sockets = [
                await third.subscribe(WATCH % " ".join(["attempt", *(f"a{n}: attempt" for n in range(number))]))
                for number in range(1, 9)
            ]
            refused = await third.receive()
            assert sockets
            assert "at most 2,000 are accepted (DUETIME_GRAPHQL_MAX_KEY_COST)" in refused["payload"][0]["message"]
            assert refused["payload"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
        async with api.socket() as socket:
            await socket.subscribe(WATCH % "type")
            await socket.send({"type": "ping"})
            assert await socket.receive() == {"type": "pong"}


def lists_of_inputs() -> dict[str, tuple[str, Any]]:
    """Return an operation and its variable for each list among the arguments and input types of the schema."""
    found: dict[str, tuple[str, Any]] = {}
    for root, kind in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type)):
        assert kind is not None
        for name, field in kind.fields.items():
            for argument, definition in field.args.items():
                for path in paths_to_lists(definition.type):
                    value: Any = ["x"] * 5_001
                    for step in reversed(path):
                        value = {step: value}
                    operation = f"{root} ($v: {definition.type}) {{ {name}({argument}: $v) {{ __typename }} }}"
                    found[".".join((name, argument, *path))] = (operation, value)
    return found


def paths_to_lists(kind: Any) -> Iterator[tuple[str, ...]]:
    """Yield the path of each list within an argument. A list of objects is one, and so are the lists in its objects."""
    bare = get_nullable_type(kind)
    if is_list_type(bare):
        yield ()
    elif is_input_object_type(bare):
        for name, member in bare.fields.items():
            for path in paths_to_lists(member.type):
                yield (name, *path)


LISTS = lists_of_inputs()
REFUSED_ITEMS = "The lists in the arguments have 5,001 items; at most 5,000 are accepted in one operation"


def test_lists_are_found() -> None:
    """The lists of filters, of bulk mutations and of tasks are among those that the next test sends."""
    assert {
        "tasks.filter.statuses",
        "runs.filter.states",
        "pauseTasks.ids",
        "createTasks.inputs",
        "createTask.input.action.headers",
        "updateTask.input.action.signingSecrets",
    } <= LISTS.keys()


async def test_lists_are_bounded_before_their_items_are_converted(api: Api) -> None:
    """Every list of the schema has a largest length, as a variable and literally, whatever its items are."""
    for name, (operation, value) in LISTS.items():
        answer = await api.ask(operation, v=value)
        assert refusal_of(answer) == REFUSED_ITEMS, name
    literal = " ".join(["SCHEDULED"] * 5_001)
    answer = await api.ask(f"{{ tasks(filter: {{statuses: [{literal}]}}) {{ totalCount }} }}")
    assert refusal_of(answer) == REFUSED_ITEMS
    default = f"query ($s: [TaskStatus!] = [{literal}]) {{ tasks(filter: {{statuses: $s}}) {{ totalCount }} }}"
    assert refusal_of(await api.ask(default)) == REFUSED_ITEMS
    await api.data(default.replace(literal, literal.removesuffix(" SCHEDULED")))
    many = [{**task_input(), "tags": ["x"] * 10} for _ in range(455)]
    assert "5,005 items" in refusal_of(await api.ask(CREATE, inputs=many))
    payload = {**task_input(jitterMs=0), "action": {"url": "http://127.0.0.1/", "payload": [0] * 9_000}}
    assert await api.data(CREATE, inputs=[payload]) == {"createTasks": [{"__typename": "Task"}]}


def test_the_types_of_bulk_inputs_are_not_resolved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting an input does not resolve the types of its members.

    This fails when Strawberry no longer takes instances by `from_input`, or graphql-core no longer makes them by
    `out_type`, as `convert_while_coercing` expects.
    """

    def resolve_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(StrawberryField, "resolve_type", resolve_again)
    registry = printed.schema_converter.scalar_registry
    conversion = InputContext(info=None, config=printed.config, scalar_registry=registry, path=())
    given = {**task_input(), "retry": {"maxAttempts": 2}}
    given["action"]["headers"] = [{"name": "a", "value": "b"}]
    coerced = coerce_input_value(
        [given], GraphQLList(printed.schema_converter.type_map["CreateTaskInput"].implementation)
    )
    [converted] = cast("list[CreateTaskInput]", conversion.convert(coerced, list[CreateTaskInput]))
    assert converted.draft().action.headers == [HeaderDraft("a", "b")]
