"""Answers that would take much more memory than their requests."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import RunState
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.engine import every, save
from tests.support.expensive import BODY, refusal_of, run_often
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, append_events, run_of
from tests.support.rows import hourly

MIB = 1024 * 1024
SMALL = 2 * MIB
"""A limit of the answer that tests exceed without much data."""
TOO_LARGE = (
    f"The answer would have more than {SMALL:,} bytes (DUETIME_GRAPHQL_MAX_ANSWER_BYTES), where those of JSON values "
    "count four times; ask for smaller pages or fewer fields. If this was a mutation, it was executed"
)


@asynccontextmanager
async def limited(database: DatabaseSettings, jobs: JobsSettings, **limits: Any) -> AsyncIterator[Api]:
    """Serve an API whose operations may cost anything, so that nothing but the other limits ends them."""
    settings = ApiSettings.model_construct(max_cost=100_000_000, max_aliases=10_000, **limits)
    async with serving(database, jobs, settings=settings) as api:
        yield api


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
    assert "values; at most 20,000 are accepted" in refusal_of(await api.ask(f"{{ {many} }}"))
    await api.data(f"{{ {page} }}")


async def test_bodies_are_counted_before_they_are_read(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """An answer with more bytes than the limit is refused as a whole, and its bodies are never in memory."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await hourly(api)
        await run_often(api, task, 100, "x" * BODY)
        page = "runs(first: 100) { nodes { responseBody } }"
        query = "{ " + " ".join(f"a{number}: {page}" for number in range(20)) + " }"
        await api.data("{ runs { nodes { id } } }")
        with memory_below(24 * MIB):
            assert refusal_of(await api.ask(query)) == TOO_LARGE
        by_task = f"{{ tasks {{ nodes {{ {page} }} }} }}"
        with memory_below(6 * MIB):
            assert refusal_of(await api.ask(by_task)) == TOO_LARGE
        few = await api.data("{ runs(first: 20) { nodes { responseBody } } }")
        assert {len(run["responseBody"]) for run in few["runs"]["nodes"]} == {BODY}


async def test_large_columns_that_are_not_selected_are_not_read(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Pages of runs and tasks do not read bodies and payloads that nobody asked for."""
    async with limited(database, jobs_settings) as api:
        task = await hourly(api, payload="p" * 4 * BODY)
        for _ in range(40):
            await hourly(api, payload="p" * 4 * BODY)
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
        await run_often(api, await hourly(api), 1, "x" * BODY)
        aliases = " ".join(f"a{number}: responseBody" for number in range(40))
        assert refusal_of(await api.ask(f"{{ runs {{ nodes {{ {aliases} }} }} }}")) == TOO_LARGE


async def test_escapes_count(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A character that takes six bytes in JSON counts as six bytes."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        await run_often(api, await hourly(api), 20, "\x01" * BODY)
        page = "{ runs(first: %d) { nodes { responseBody } } }"
        await api.data(page % 5)
        assert refusal_of(await api.ask(page % 6)) == TOO_LARGE


async def test_json_counts_four_times(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A payload takes more memory than its text has bytes, and takes longer to read and to write than a body."""
    query = "query ($id: ID!) { task(id: $id) { action { payload } } }"
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        fits, exceeds = [await hourly(api, payload=[1] * (SMALL // each)) for each in (16, 8)]
        await api.data(query, id=str(fits.id))
        assert refusal_of(await api.ask(query, id=str(exceeds.id))) == TOO_LARGE


async def test_many_small_values_count(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """An answer of many small values is refused as well, and so is one over a websocket and as a stream."""
    async with limited(database, jobs_settings, max_answer_bytes=2048) as api:
        await save(api.engine, *[every("http://localhost/x", HOUR, utc_now() + HOUR) for _ in range(100)])
        query = "{ tasks(first: 100) { nodes { id name } } }"
        assert "2,048 bytes" in refusal_of(await api.ask(query))
        async with api.socket() as socket:
            answer = (await (await socket.subscribe(query)).message())["payload"]
            assert "2,048 bytes" in refusal_of(answer)
        stream = await api.http.post("/graphql", json={"query": query}, headers={"accept": "text/event-stream"})
        assert "2,048 bytes" in stream.text
        assert "nodes" not in stream.text


async def test_a_mutation_whose_answer_is_too_large_says_that_it_was_executed(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """The answer has data, null, and an error with a path: the operation was not refused."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await hourly(api, payload="p" * SMALL)
        pause = f'mutation {{ pauseTask(id: "{task.id}") {{ ... on Task {{ action {{ payload }} }} }} }}'
        answer = await api.http.post(
            "/graphql", json={"query": pause}, headers={"accept": "application/graphql-response+json"}
        )
        assert answer.status_code == 200
        assert answer.json()["data"] is None
        assert answer.json()["errors"][0]["path"][0] == "pauseTask"
        assert refusal_of(answer.json()).endswith("If this was a mutation, it was executed")
        assert (await api.data("{ tasks { nodes { status } } }"))["tasks"]["nodes"] == [{"status": "PAUSED"}]


async def test_events_are_bounded(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A subscription's result that would be too large is an error, and the results after it arrive."""
    async with limited(database, jobs_settings, max_answer_bytes=SMALL) as api:
        task = await hourly(api)
        run = run_of(task, scheduled_for=ago(1), state=RunState.RUNNING)
        await save(api.engine, run)
        await run_often(api, task, 100, "x" * BODY)
        member = "... on RunEvent { attempt run { task { runs(first: $first) { nodes { responseBody } } } } }"
        many = f"subscription ($first: Int, $after: String) {{ runEvents(after: $after) {{ {member} }} }}"
        # The subscriptions may begin after the events: they say from where on they want them.
        after = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
        async with api.socket() as socket:
            subscriptions = [await socket.subscribe(many, first=first, after=after) for first in (100, 2)]
            await append_events(api.engine, 2, task_id=task.id, run_id=run.id)
            answers: dict[str, list[dict[str, Any]]] = {"1": [], "2": []}
            while any(len(found) < 2 for found in answers.values()):
                message = await socket.receive()
                answers[message["id"]].append(message["payload"])
            assert subscriptions
        assert [refusal_of(answer) for answer in answers["1"]] == [TOO_LARGE] * 2
        assert all("errors" not in answer for answer in answers["2"])
