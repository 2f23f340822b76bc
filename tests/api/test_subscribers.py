"""Many subscribers, slow subscribers, and what they share."""

import asyncio
import json
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import RunState
from duetime.compat import BoundedWebSocketProtocol
from graphql_api import cursors
from graphql_api.events import tail
from graphql_api.execution.document_cache import Document
from graphql_api.execution.schema import schema
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings
from tests.support.engine import every, save
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, append_events, run_of
from tests.support.sse import events
from tests.support.waiting import wait_until
from tests.support.watchers import Watcher, all_have, watching

SUBSCRIBERS = 1_000
FILES = 4_096
RUN = "... on RunEvent { cursor attempt run { id state } }"
WATCH = f"subscription ($after: String, $taskId: ID) {{ runEvents(after: $after, taskId: $taskId) {{ {RUN} }} }}"
ONE = uuid4()


def port(api: Api) -> int:
    """Return the port of the API."""
    return int(api.url.rpartition(":")[2])


def subscribe(watchers: list[Watcher], query: str, **variables: Any) -> None:
    """Return the protocol's greeting, and one subscription."""
    for watcher in watchers:
        watcher.send({"type": "connection_init"})
        payload = {"query": query, "variables": variables}
        watcher.send({"id": "1", "type": "subscribe", "payload": payload})


async def saved_run(api: Api, state: RunState) -> Run:
    """Return a run of a task of its own."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    run = run_of(task, scheduled_for=ago(1), state=state)
    await save(api.engine, task)
    await save(api.engine, run)
    return run


@contextmanager
def statements(api: Api, part: str) -> Iterator[list[str]]:
    """Record the API's statements that contain the part."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        if part in arguments[2]:
            seen.append(arguments[2])

    engine = api.services.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow as many open files as both ends of the sockets need, if the process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_subscribers_are_told_of_everything_once(api: Api) -> None:
    """Each of a thousand subscribers receives each event once, and a batch costs one execution and one statement."""
    run = await saved_run(api, RunState.FAILED)
    begin = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    await append_events(api.engine, 1, task_id=run.task_id, run_id=run.id)
    async with watching(port(api), SUBSCRIBERS) as watchers:
        subscribe(watchers, WATCH, after=begin)
        # Each has its acknowledgement and the first event, so all of them stand.
        await all_have(watchers, 2)
        with statements(api, "FROM task_results") as seen:
            for told in (7, 12):
                await append_events(api.engine, 5, task_id=run.task_id, run_id=run.id)
                await api.services.queue.poke()
                await all_have(watchers, told)
        assert 1 <= len(seen) <= 10
        assert {watcher.texts[0] for watcher in watchers} == {b'{"type":"connection_ack"}'}
        assert len({tuple(watcher.texts) for watcher in watchers}) == 1
        payloads = [json.loads(text)["payload"]["data"]["runEvents"] for text in watchers[0].texts[1:]]
        assert [payload["attempt"] for payload in payloads] == [1, *range(1, 6), *range(1, 6)]
        assert {payload["run"]["state"] for payload in payloads} == {"FAILED"}


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("subscription ($t: ID, $a: String) { runEvents(taskId: $t, after: $a) { __typename } }", set()),
        ("subscription ($a: String, $s: Boolean!) { runEvents(after: $a) { __typename @skip(if: $s) } }", {"s"}),
        ("subscription ($s: Boolean!) { runEvents @include(if: $s) { __typename } }", {"s"}),
        (
            "subscription ($a: String) { ...A } fragment A on Subscription { runEvents(after: $a) { __typename } }",
            {"a"},
        ),
        (
            "subscription ($n: Int) { taskChanged { ...A } } fragment A on Task { runs(first: $n) { totalCount } }",
            {"n"},
        ),
    ],
)
def test_what_is_shared_depends_on_what_is_shown(query: str, used: set[str]) -> None:
    """Variables that only choose the events make no difference; all others do."""
    document = Document(query, schema._schema, ApiSettings.model_construct())
    variables = {name: name for name in "tasn"}
    told, operation_name, rest = document.result_key(variables, None)
    assert (told, operation_name) == (query, None)
    assert json.loads(rest).keys() == used


async def test_different_variables_have_different_results(api: Api) -> None:
    """Subscribers of one document with different variables each receive their own results."""
    fields = "... on RunEvent { attempt state @skip(if: $s) }"
    query = f"subscription ($s: Boolean!, $a: String) {{ runEvents(after: $a) {{ {fields} }} }}"
    begin = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    async with api.socket() as socket:
        subscriptions = [await socket.subscribe(query, s=skip, a=begin) for skip in (True, False)]
        await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        messages = [(await socket.receive()) for _ in subscriptions]
    data = {message["id"]: message["payload"]["data"]["runEvents"] for message in messages}
    assert data == {"1": {"attempt": 1}, "2": {"attempt": 1, "state": "RUNNING"}}


async def test_present_state_is_that_of_the_sending(api: Api) -> None:
    """A result that was computed for one subscriber is not sent to another one much later."""
    run = await saved_run(api, RunState.RUNNING)
    begin = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    await append_events(api.engine, 1, task_id=run.task_id, run_id=run.id)
    async with events(api, WATCH, variables={"after": begin}) as reader:
        assert (await reader.next())["run"]["state"] == "RUNNING"
    async with api.engine.begin() as connection:
        await connection.execute(
            text("UPDATE task_results SET state = 'succeeded', finished_at = now(), success = true, worker_id = NULL")
        )

    async def state() -> str:
        async with events(api, WATCH, variables={"after": begin}) as reader:
            found: str = (await reader.next())["run"]["state"]
            return found

    async def has_changed() -> bool:
        return await state() == "SUCCEEDED"

    await wait_until(has_changed, what="the new state is told", within=3)


async def test_events_that_are_ready_together_are_written_together(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Events of one moment cost one write a subscriber, each in a message of its own, and large ones a few writes."""
    written: list[list[str]] = []

    class Recording(BoundedWebSocketProtocol):
        async def _send_texts(self, texts: Sequence[str]) -> None:
            written.append(list(texts))
            await super()._send_texts(texts)

    large = " ".join(f"{'a' * 200}{n}: cursor" for n in range(45))
    async with serving(database, jobs_settings, websocket_protocol=Recording) as api:
        begin = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
        await append_events(api.engine, 20, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        await wait_until(lambda: len(api.services.tail._events) == 20, what="the tail has read the events")
        async with watching(port(api), 1) as watchers:
            subscribe(watchers, WATCH, after=begin)
            await all_have(watchers, 21)
        assert [len(texts) for texts in written] == [20]
        assert [text.decode() for text in watchers[0].texts[1:]] == written[0]
        written.clear()
        async with watching(port(api), 1) as watchers:
            query = f"subscription ($after: String) {{ runEvents(after: $after) {{ ... on RunEvent {{ {large} }} }} }}"
            subscribe(watchers, query, after=begin)
            await all_have(watchers, 21)
        assert sum(map(len, written)) == 20
        assert 1 < len(written) < 20
        assert max(sum(map(len, texts)) for texts in written) < 2 * 64 * 1024


async def test_client_that_stops_reading_costs_bounded_memory(api: Api) -> None:
    """When a client stops reading, nothing more is computed for it; when it reads again it gets a gap and continues."""
    names = " ".join(f"{'a' * 200}{n}: cursor" for n in range(45))
    query = f"subscription {{ runEvents {{ __typename ... on RunEvent {{ taskId {names} }} }} }}"
    async with watching(port(api), 1) as watchers:
        [slow] = watchers
        subscribe(watchers, query)
        await all_have(watchers, 1)
        while slow.frames < 2:
            await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
            await api.services.queue.poke()
            await asyncio.sleep(0.01)
        slow.pause()
        for _ in range(3):
            await append_events(api.engine, tail.KEPT // 2, task_id=ONE, run_id=ONE)
        newest = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
        follower = api.services.tail
        await wait_until(lambda: follower._seq == cursors.seq_of(newest), what="the tail has read everything")
        waiting = [connection.transport.get_write_buffer_size() for connection in api.server.server_state.connections]
        assert max(waiting) < 256 * 1024
        assert len(follower._events) <= tail.KEPT
        slow.resume()
        await wait_until(lambda: any(b"RunEventsGap" in text for text in slow.texts), what="the gap is told")
        assert len(slow.texts) < tail.KEPT
        sent = len(slow.texts)
        await append_events(api.engine, 1, task_id=uuid4(), run_id=uuid4())
        await api.services.queue.poke()
        await wait_until(lambda: len(slow.texts) == sent + 1, what="what follows the gap is told")
