"""Operations that cost the API much more than they cost their client."""

import asyncio
import json
import logging
import re
import time
import timeit
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
import strawberry
from graphql import (
    GraphQLList,
    coerce_input_value,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
)
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from strawberry.types.arguments import InputContext
from strawberry.types.field import StrawberryField

from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import RunState, TriggerType
from duetime.logs import LineFormatter
from graphql_api.compat import PacedExecution
from graphql_api.execution.schema import schema as printed
from graphql_api.settings import ApiSettings
from graphql_api.types.task_input import CreateTaskInput
from jobs.http.request import HeaderDraft
from jobs.settings import JobsSettings
from jobs.triggers.schedule import Cron, instants
from tests.support.clients_schema import SCHEMA
from tests.support.engine import every, save
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, append_events, run_of

MIB = 1024 * 1024
BODY = 64 * 1024
LOOP_HELD = 0.1
TRIES = 5
"""A machine that takes the processor away counts that as CPU time, so the shortest of several times is what counts."""
SMALL = 2 * MIB
"""A limit of the answer that tests exceed without much data."""
TOO_LARGE = (
    f"The answer would have more than {SMALL:,} bytes (DUETIME_GRAPHQL_MAX_ANSWER_BYTES), where those of JSON values "
    "count four times; ask for smaller pages or fewer fields. If this was a mutation, it was executed"
)
INSERT_RUNS = text("""
    INSERT INTO task_results (id, task_id, state, scheduled_for, due_at, finished_at, success, response_body)
    SELECT gen_random_uuid(), :task_id, 'succeeded', now() - n * interval '1 s', now(), now(), true, :body
    FROM generate_series(1, :number) AS n
""")


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API with the default limits."""
    async with serving(database, jobs_settings) as running:
        yield running


@asynccontextmanager
async def limited(database: DatabaseSettings, jobs: JobsSettings, **limits: Any) -> AsyncIterator[Api]:
    """Serve an API whose operations may cost anything, so that nothing but the other limits ends them."""
    settings = ApiSettings.model_construct(max_cost=100_000_000, max_aliases=10_000, **limits)
    async with serving(database, jobs, settings=settings) as api:
        yield api


async def saved(api: Api, **columns: Any) -> Task:
    """Save a task that is not due soon."""
    task = every("http://localhost/x", HOUR, utc_now() + HOUR, **columns)
    await save(api.engine, task)
    return task


async def run_often(api: Api, task: Task, number: int, body: str) -> None:
    """Give a task finished runs with the same response."""
    async with api.engine.begin() as connection:
        await connection.execute(INSERT_RUNS, {"task_id": task.id, "number": number, "body": body})


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Check that the block never needs as much memory as that, in this process, which is also the API's."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak:,} bytes"


def error_of(answer: dict[str, Any]) -> str:
    """Return the message of the only error, which a limit must have caused, of an operation without data."""
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED"}, error
    assert answer.get("data") is None
    message: str = error["message"]
    return message


LARGE_FIELDS = {
    "responseBody": "runs(first: 100) { nodes { responseBody } }",
    "responseHeaders": "runs(first: 100) { nodes { responseHeaders { value } } }",
    "payload": "tasks(first: 100) { nodes { action { payload } } }",
    "before": "auditLog(first: 100) { nodes { before } }",
    "after": "auditLog(first: 100) { nodes { after } }",
}


@pytest.mark.parametrize("field", LARGE_FIELDS)
async def test_large_fields_weigh_more_than_small_ones(api: Api, field: str) -> None:
    """50 pages of 100 values that may have 64 KiB each are refused before anything is read; one page is not."""
    page = LARGE_FIELDS[field]
    many = " ".join(f"a{number}: {page}" for number in range(50))
    assert "values; at most 20,000 are accepted" in error_of(await api.ask(f"{{ {many} }}"))
    await api.data(f"{{ {page} }}")


async def test_bodies_are_counted_before_they_are_read(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """An answer with more bytes than the limit is refused as a whole, and its bodies are never in memory."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await saved(api)
        await run_often(api, task, 100, "x" * BODY)
        page = "runs(first: 100) { nodes { responseBody } }"
        query = "{ " + " ".join(f"a{number}: {page}" for number in range(20)) + " }"
        await api.data("{ runs { nodes { id } } }")
        with memory_below(24 * MIB):
            assert error_of(await api.ask(query)) == TOO_LARGE
        by_task = f"{{ tasks {{ nodes {{ {page} }} }} }}"
        with memory_below(6 * MIB):
            assert error_of(await api.ask(by_task)) == TOO_LARGE
        few = await api.data("{ runs(first: 20) { nodes { responseBody } } }")
        assert {len(run["responseBody"]) for run in few["runs"]["nodes"]} == {BODY}


async def test_large_columns_that_are_not_selected_are_not_read(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Pages of runs and tasks do not read bodies and payloads that nobody asked for."""
    async with limited(database, jobs_settings) as api:
        task = await saved(api, payload="p" * 4 * BODY)
        for _ in range(40):
            await saved(api, payload="p" * 4 * BODY)
        await run_often(api, task, 100, "x" * BODY)
        everything = (
            "{ tasks(first: 100) { nodes { id lastRun { id action { url } } runs(first: 100) { nodes { id task { id } "
            "} } } } runs(first: 100) { nodes { id state } } auditLog(first: 100) { nodes { id } } }"
        )
        with memory_below(6 * MIB):
            await api.data(everything)


async def test_the_same_body_counts_each_time(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A body that is selected by many aliases is read once, and is in the answer each time."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        await run_often(api, await saved(api), 1, "x" * BODY)
        aliases = " ".join(f"a{number}: responseBody" for number in range(40))
        assert error_of(await api.ask(f"{{ runs {{ nodes {{ {aliases} }} }} }}")) == TOO_LARGE


async def test_escapes_count(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A character that takes six bytes in JSON counts as six bytes."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        await run_often(api, await saved(api), 20, "\x01" * BODY)
        page = "{ runs(first: %d) { nodes { responseBody } } }"
        await api.data(page % 5)
        assert error_of(await api.ask(page % 6)) == TOO_LARGE


async def test_json_counts_four_times(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A payload takes more memory than its text has bytes, and takes longer to read and to write than a body."""
    query = "query ($id: ID!) { task(id: $id) { action { payload } } }"
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        fits, exceeds = [await saved(api, payload=[1] * (SMALL // each)) for each in (16, 8)]
        await api.data(query, id=str(fits.id))
        assert error_of(await api.ask(query, id=str(exceeds.id))) == TOO_LARGE


async def test_many_small_values_count(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """An answer of many small values is refused as well, and so is one over a websocket and as a stream."""
    async with limited(database, jobs_settings, max_answer_bytes=2048) as api:
        await save(api.engine, *[every("http://localhost/x", HOUR, utc_now() + HOUR) for _ in range(100)])
        query = "{ tasks(first: 100) { nodes { id name } } }"
        assert "2,048 bytes" in error_of(await api.ask(query))
        async with api.socket() as socket:
            answer = (await (await socket.subscribe(query)).message())["payload"]
            assert "2,048 bytes" in error_of(answer)
        stream = await api.http.post("/graphql", json={"query": query}, headers={"accept": "text/event-stream"})
        assert "2,048 bytes" in stream.text
        assert "nodes" not in stream.text


async def test_a_mutation_whose_answer_is_too_large_says_that_it_was_executed(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """The answer has data, null, and an error with a path: the operation was not refused."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await saved(api, payload="p" * SMALL)
        pause = f'mutation {{ pauseTask(id: "{task.id}") {{ ... on Task {{ action {{ payload }} }} }} }}'
        answer = await api.http.post(
            "/graphql", json={"query": pause}, headers={"accept": "application/graphql-response+json"}
        )
        assert answer.status_code == 200
        assert answer.json()["data"] is None
        assert answer.json()["errors"][0]["path"][0] == "pauseTask"
        assert error_of(answer.json()).endswith("If this was a mutation, it was executed")
        assert (await api.data("{ tasks { nodes { status } } }"))["tasks"]["nodes"] == [{"status": "PAUSED"}]


async def test_events_are_bounded(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A subscription's result that would be too large is an error, and the results after it arrive."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await saved(api)
        run = run_of(task, scheduled_for=ago(1), state=RunState.RUNNING)
        await save(api.engine, run)
        await run_often(api, task, 100, "x" * BODY)
        page = "run { task { runs(first: $first) { nodes { responseBody } } } }"
        many = f"subscription ($first: Int) {{ runEvents {{ ... on RunEvent {{ attempt {page} }} }} }}"
        async with api.socket() as socket:
            subscriptions = [await socket.subscribe(many, first=first) for first in (100, 2)]
            await (await socket.subscribe("{ runEventsCursor }")).message()
            await socket.receive()
            await append_events(api.engine, 2, task_id=task.id, run_id=run.id)
            answers: dict[str, list[dict[str, Any]]] = {"1": [], "2": []}
            while any(len(found) < 2 for found in answers.values()):
                message = await socket.receive()
                answers[message["id"]].append(message["payload"])
            assert subscriptions
        assert [error_of(answer) for answer in answers["1"]] == [TOO_LARGE] * 2
        assert all("errors" not in answer for answer in answers["2"])


class LoopMonitor:
    """Measures the CPU time between two moments at which the event loop serves others.

    It runs in the API's own thread; the requests come from another one. CPU time does not depend on other processes.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - began)


def post(api: Api, body: str) -> dict[str, Any]:
    """Send a request from the thread that calls this, and return the response."""
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{api.url}/graphql", content=body, headers=headers, timeout=60)
    found: dict[str, Any] = answer.json()
    return found


RARE = "0 0 29 2 */7"
"""Every 29 February that is a Sunday: once in 28 years."""
PREVIEW = (
    'previewTrigger(count: 100, trigger: {cron: {expression: "0 0 29 2 */7", timezone: "%s", jitterMs: 3600000}}) '
    "{ ... on TriggerPreview { instants description } }"
)
SCALARS_OF_TASK = "id name status overlap misfire onLost nextRunAt version createdAt updatedAt"
CREATE = "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { __typename } }"


def aliased(count: int, field: str) -> str:
    """Return a field many times, under different names."""
    return " ".join(f"a{number}: {field}" for number in range(count))


def task_input(**cron: Any) -> dict[str, Any]:
    """Return a task whose trigger takes long to validate."""
    trigger = {"cron": {"expression": RARE, "timezone": "Europe/Berlin", "jitterMs": 3_600_000, **cron}}
    return {"name": "many", "trigger": trigger, "action": {"url": "http://127.0.0.1/"}}


def worst() -> dict[str, str]:
    """Return the bodies of the requests that cost most of what the default limits admit."""
    queries = {
        "upcoming instants": "{ tasks(first: 100) { nodes { upcoming(count: 100) } } }",
        "previews": f"{{ {aliased(20, PREVIEW % 'Europe/Berlin')} }}",
        "unknown zones": "{ " + " ".join(f"a{number}: {PREVIEW % f'Europ/{number}'}" for number in range(20)) + " }",
        "scalars": f"{{ tasks(first: 100) {{ nodes {{ {SCALARS_OF_TASK} {aliased(50, 'name')} {'id ' * 50} }} }} }}",
        "tags": f"{{ tasks(first: 100) {{ nodes {{ {aliased(20, 'tags')} }} }} }}",
        "headers": "{ tasks(first: 100) { nodes { " + aliased(4, "action { headers { name value } }") + " } } }",
        "runs": f"{{ {aliased(6, 'runs(first: 100) { edges { cursor node { id state task { id name } } } }')} }}",
        "bodies": f"{{ {aliased(3, 'runs(first: 100) { nodes { responseBody } }')} }}",
        "a document of many fragments": "{"
        + " ".join(f"...f{number}" for number in range(800))
        + "}"
        + " ".join(f"fragment f{number} on Query{{metrics{{totalRuns}}}}" for number in range(800)),
        "a document of many spreads": "{" + "...f " * 4_600 + "} fragment f on Query { __typename }",
        "a document of unknown members": "{previewTrigger(trigger:{"
        + " ".join(f"a{number}:1" for number in range(3_300))
        + "}){__typename}}",
    }
    bodies = {name: json.dumps({"query": query}) for name, query in queries.items()}
    for name, inputs in {
        "a thousand tasks": [task_input(jitterMs=0)] * 800,
        "tasks with jitter": [task_input(expression=f"{minute} 0 29 2 */7") for minute in range(40)],
        "tasks in unknown zones": [task_input(timezone=f"Europ/Berlin{number}") for number in range(50)],
    }.items():
        bodies[name] = json.dumps({"query": CREATE, "variables": {"inputs": inputs}})
    members = ",".join(f'"name{number}":0' for number in range(20_000))
    trivial = '{"query": "{ __typename }", "variables": {"x": %s}}'
    bodies["the last name twice"] = trivial % f'{{{members},"name19999":0}}'
    bodies["many members"] = trivial % f"{{{members}}}"
    bodies["many empty lists"] = trivial % f"[{','.join(['[]'] * 1_000_000)}]"
    bodies["many enum values"] = json.dumps(
        {
            "query": "query ($s: [TaskStatus!]) { tasks(filter: {statuses: $s}) { totalCount } }",
            "variables": {"s": ["SCHEDULED"] * 190_000},
        }
    )
    return bodies


async def test_nothing_that_is_accepted_holds_the_loop_up(api: Api) -> None:
    """Whatever a client sends, the event loop serves others at least every tenth of a second."""
    now = utc_now()
    tasks = [
        Task(
            name="t" * 200, trigger_type=TriggerType.CRON, cron_expr=RARE, timezone="Europe/Berlin", method="GET",
            url="http://localhost/x", next_run=now + HOUR, settled_until=now, tags=[f"{n:064}" for n in range(20)],
            headers={f"x-{n}": "value" for n in range(50)},
        )
        for _ in range(100)
    ]  # fmt: skip
    await save(api.engine, *tasks)
    await run_often(api, tasks[0], 100, "x" * BODY)
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    too_long = {}
    try:
        for name, body in worst().items():
            for _ in range(TRIES):
                monitor.longest = 0.0
                await asyncio.to_thread(post, api, body)
                if monitor.longest < LOOP_HELD:
                    break
            else:
                too_long[name] = monitor.longest
    finally:
        watching.cancel()
    assert not too_long


def test_a_rare_expression_costs_no_more_than_a_common_one() -> None:
    """A hundred instants over 2,800 years take as long as a hundred over four hundred."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def seconds(expression: str) -> float:
        trigger = Cron(expression=expression, timezone="Europe/Berlin")
        assert len(instants(trigger, now, count=100)) == 100
        return min(timeit.repeat(lambda: instants(trigger, now, count=100), number=1, timer=time.thread_time))

    assert seconds(RARE) < 4 * seconds("0 0 29 2 *")


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
        assert error_of(answer) == REFUSED_ITEMS, name
    literal = " ".join(["SCHEDULED"] * 5_001)
    answer = await api.ask(f"{{ tasks(filter: {{statuses: [{literal}]}}) {{ totalCount }} }}")
    assert error_of(answer) == REFUSED_ITEMS
    default = f"query ($s: [TaskStatus!] = [{literal}]) {{ tasks(filter: {{statuses: $s}}) {{ totalCount }} }}"
    assert error_of(await api.ask(default)) == REFUSED_ITEMS
    await api.data(default.replace(literal, literal.removesuffix(" SCHEDULED")))
    many = [{**task_input(), "tags": ["x"] * 10} for _ in range(455)]
    assert "5,005 items" in error_of(await api.ask(CREATE, inputs=many))
    payload = {**task_input(jitterMs=0), "action": {"url": "http://127.0.0.1/", "payload": [0] * 9_000}}
    assert await api.data(CREATE, inputs=[payload]) == {"createTasks": [{"__typename": "Task"}]}


async def test_the_log_of_a_failure_is_short(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A failing statement's parameters are not in the log, and its traceback has a bound."""
    secret = "marker-of-a-parameter"
    async with api.engine.connect() as connection:
        statement = text(f"SELECT {', '.join(f'CAST(:p{n} AS text) || 1 / 0' for n in range(9_000))}")
        with pytest.raises(SQLAlchemyError) as caught:
            await connection.execute(statement, {f"p{n}": secret for n in range(9_000)})
    logging.getLogger(__name__).error("A statement failed.", exc_info=caught.value, extra={"why": str(caught.value)})
    written = LineFormatter("api").format(caplog.records[-1])
    assert secret not in written
    assert "characters left out" in written
    assert len(written) < 25_000


MISTAKES: dict[str, dict[str, Any]] = {
    "{ tasks { nodes { idd } } }": {},
    "{ tasks { nodes } }": {},
    "{ task { id } }": {},
    "{ tasks { nodes { ... on Run { id } } } }": {},
    "{ runs { nodes { state { x } } } }": {},
    "{ tasks(filter: {statuses: [SCHEDULE]}) { totalCount } }": {},
    '{ tasks(filter: {statuses: "x"}) { totalCount } }': {},
    "{ tasks(orderBy: null) { totalCount } }": {},
    "query ($o: String) { tasks(orderBy: $o) { totalCount } }": {},
    "{ previewTrigger(trigger: {}) { __typename } }": {},
    "{ previewTrigger(trigger: {interval: {}}) { __typename } }": {},
    "{ previewTrigger(trigger: 1) { __typename } }": {},
    "mutation { createTask { __typename } }": {},
    "mutation { createTask(input: {}) { __typename } }": {},
    "mutation ($i: CreateTaskInput!) { createTask(input: $i) { __typename } }": {"i": {"x": 1}},
    "mutation ($x: CreateTaskInput!) { createTask(input: $x) { __typename } }": {},
    "query ($t: TriggerInput!) { previewTrigger(trigger: $t) { __typename } }": {"t": {"cron": {}}},
    "subscription { runEvents { cursor } }": {},
    "subscription ($t: ID) { runEvents(taskId: $t) { __typename } }": {"t": {}},
}
"""Operations whose errors name something of the schema, and their variables."""
OF_EVERY_SCHEMA = {"Query", "Mutation", "Subscription", "String", "Int", "Float", "Boolean", "ID"}


def names_of_the_schema() -> set[str]:
    """Return the names of all types, fields, arguments and enum values that are in no other schema."""
    words = re.sub(r'""".*?"""', "", printed.as_str(), flags=re.DOTALL)
    quoted_alike = {
        "type",
        "input",
        "enum",
        "union",
        "interface",
        "scalar",
        "implements",
        "on",
        "url",
        "value",
        "after",
    }
    return set(re.findall(r"[A-Za-z_]\w+", words)) - OF_EVERY_SCHEMA - quoted_alike


async def test_errors_name_nothing_that_the_request_does_not_name(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """With introspection off, no error has a name of the schema that is not in the request, over any transport."""
    names = names_of_the_schema()
    settings = ApiSettings.model_construct(introspection=False)
    async with serving(database, jobs_settings, settings=settings) as api, api.socket() as socket:
        for query, variables in MISTAKES.items():
            subscription = await socket.subscribe(query, **variables)
            message = await subscription.message()
            if message["type"] == "next":
                assert (await subscription.message())["type"] == "complete"
                message = {"payload": message["payload"]["errors"]}
            answers = [message["payload"]]
            if not query.startswith("subscription"):
                answers.append((await api.ask(query, **variables))["errors"])
            for errors in answers:
                told = re.findall(r"'[^']*'", "\n".join(error["message"] for error in errors))
                words = {word for quoted in told for word in re.findall(r"\w+", quoted)}
                assert errors
                assert not words & names - {*re.findall(r"\w+", query + json.dumps(variables))}, (query, errors)
        [error] = (await api.ask("mutation { createTask(input: {name: 1}) { __typename } }"))["errors"][1:2]
        assert error["message"] == (
            "Expected value of type (not shown) to include required field (not shown), found: { name: 1 }."
        )


@strawberry.type
class LongLists:
    """A root type with a list that takes long to complete."""

    @strawberry.field
    def numbers(self) -> list[int]:
        """Return many numbers."""
        return list(range(60_000))


async def test_long_lists_are_completed_in_portions() -> None:
    """Many operations with long lists at the same time leave the loop to others between portions of their items.

    This fails when graphql-core no longer calls the method that `PacedExecution` overrides.
    """
    slow = strawberry.Schema(LongLists, execution_context_class=PacedExecution)
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    try:
        for _ in range(TRIES):
            monitor.longest = 0.0
            results = await asyncio.gather(*[slow.execute("{ numbers }") for _ in range(2)])
            await asyncio.sleep(0.01)
            if monitor.longest < LOOP_HELD / 2:
                break
    finally:
        watching.cancel()
    assert [result.data for result in results] == [{"numbers": list(range(60_000))}] * 2
    assert monitor.longest < LOOP_HELD / 2


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
