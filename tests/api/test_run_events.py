"""Watching runs: live, resumed without loss or duplicates, with a gap where events are gone, by many clients."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import RunState
from graphql_api import cursors
from graphql_api.events.tail import BATCH, Event, Gap, Tail, following
from graphql_api.transport.websocket import MAX_AT_ONCE
from jobs.queue import Queue
from jobs.settings import LOOPBACK, JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, every, opened, save
from tests.support.graphql import Api, Subscription, serving
from tests.support.history import HOUR, ago, append_events, run_of
from tests.support.ports import free_port
from tests.support.waiting import wait_until

WATCH = """
subscription ($taskId: ID, $after: String) {
  runEvents(taskId: $taskId, after: $after) {
    __typename
    ... on RunEvent { cursor type at taskId runId state attempt statusCode errorMessage durationMs }
    ... on RunEventsGap { cursor message }
  }
}
"""

ONE, TWO = uuid4(), uuid4()


async def newest(api: Api) -> str:
    """Return the newest cursor."""
    cursor: str = (await api.data("{ runEventsCursor }"))["runEventsCursor"]
    return cursor


def attempts(events: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the events, as the test counted them."""
    return [event["attempt"] for event in events]


async def test_events_come_live_and_in_order(api: Api) -> None:
    """A subscriber receives what is committed after it started, after a poke."""
    begin = await newest(api)
    async with api.socket() as socket:
        subscription = await socket.subscribe(WATCH, after=begin)
        at = utc_now()
        for _ in range(3):
            await append_events(api.engine, 2, task_id=ONE, run_id=TWO, at=at)
            await api.services.queue.poke()
        events = await subscription.take(6)
    assert attempts(events) == [1, 2] * 3
    assert len({event["cursor"] for event in events}) == 6
    assert events[0] | {"cursor": ""} == {
        "__typename": "RunEvent",
        "cursor": "",
        "type": "STARTED",
        "at": at.isoformat().replace("+00:00", "Z"),
        "taskId": str(ONE),
        "runId": str(TWO),
        "state": "RUNNING",
        "attempt": 1,
        "statusCode": None,
        "errorMessage": None,
        "durationMs": None,
    }


async def test_without_after_nothing_old_is_sent(api: Api) -> None:
    """Without `after`, the stream starts with the first event after the subscription."""
    await append_events(api.engine, 5, task_id=ONE, run_id=ONE)
    async with api.socket() as socket:
        subscription = await socket.subscribe(WATCH)
        waiting = asyncio.create_task(subscription.next())
        # Whether the subscription stands can only be seen from what it delivers, so events are made until it does.
        while not waiting.done():
            await append_events(api.engine, 1, task_id=TWO, run_id=TWO)
            await asyncio.wait([waiting], timeout=0.05)
        assert (await waiting)["taskId"] == str(TWO)


async def test_resuming_misses_nothing_and_repeats_nothing(api: Api) -> None:
    """A client that reconnects with the last cursor it saw receives the rest, old and new, exactly once."""
    begin = await newest(api)
    await append_events(api.engine, 1_200, task_id=ONE, run_id=ONE)
    async with api.socket() as socket:
        first = await (await socket.subscribe(WATCH, after=begin)).take(700)
    writing = asyncio.create_task(append_events(api.engine, 300, task_id=ONE, run_id=ONE))
    async with api.socket() as socket:
        second = await (await socket.subscribe(WATCH, after=first[-1]["cursor"])).take(800)
    await writing
    assert attempts(first + second) == [*range(1, 1_201), *range(1, 301)]


async def test_one_task_can_be_watched(api: Api) -> None:
    """With taskId only that task's events arrive, replayed and live, and cursors of other subscriptions work."""
    begin = await newest(api)
    for task_id in (ONE, TWO, ONE):
        await append_events(api.engine, 2, task_id=task_id, run_id=task_id)
    async with api.socket() as socket:
        subscription = await socket.subscribe(WATCH, taskId=str(TWO), after=begin)
        replayed = await subscription.take(2)
        await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
        await append_events(api.engine, 1, task_id=TWO, run_id=TWO)
        await api.services.queue.poke()
        live = await subscription.next()
        everything = await (await socket.subscribe(WATCH, after=replayed[-1]["cursor"])).take(4)
    assert {event["taskId"] for event in [*replayed, live]} == {str(TWO)}
    assert [event["taskId"] for event in everything] == [str(ONE), str(ONE), str(ONE), str(TWO)]


async def test_event_carries_the_run_as_it_is(api: Api) -> None:
    """`run` is read when the event is sent, and is null once the run is deleted."""
    begin = await newest(api)
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    run = run_of(task, scheduled_for=ago(1), state=RunState.FAILED)
    await save(api.engine, task)
    await save(api.engine, run)
    await append_events(api.engine, 1, task_id=task.id, run_id=run.id)
    await append_events(api.engine, 1, task_id=task.id, run_id=uuid4())
    async with api.socket() as socket:
        subscription = await socket.subscribe(
            "subscription ($a: String) { runEvents(after: $a) { ... on RunEvent { run { id state task { id } } } } }",
            a=begin,
        )
        assert await subscription.take(2) == [
            {"run": {"id": str(run.id), "state": "FAILED", "task": {"id": str(task.id)}}},
            {"run": None},
        ]


async def forget(engine: AsyncEngine, up_to: int) -> None:
    """Remove the oldest events."""
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM run_events WHERE seq <= :seq"), {"seq": up_to})


@pytest.mark.fresh
async def test_what_is_no_longer_kept_is_a_gap(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """The gap comes first, and its cursor can be used to continue."""
    async with opened(database) as engine:
        await append_events(engine, 10, task_id=ONE, run_id=ONE)
        await forget(engine, 5)
    async with serving(database, jobs_settings) as api, api.socket() as socket:
        subscription = await socket.subscribe(WATCH, after=cursors.of_event(0))
        gap = await subscription.next()
        assert gap["__typename"] == "RunEventsGap"
        await append_events(api.engine, 1, task_id=TWO, run_id=TWO)
        await api.services.queue.poke()
        assert (await subscription.next())["taskId"] == str(TWO)
        again = await socket.subscribe(WATCH, after=gap["cursor"])
        assert (await again.next())["taskId"] == str(TWO)
        # The newest event that was removed is no loss to who has seen it.
        kept = await socket.subscribe(WATCH, after=cursors.of_event(5))
        assert attempts(await kept.take(5)) == [6, 7, 8, 9, 10]


@pytest.mark.fresh
async def test_what_is_removed_while_it_is_replayed_is_a_gap(database: DatabaseSettings, redis_url: str) -> None:
    """A slow subscriber of old events receives a gap as well, also with a filter by task."""
    queue = Queue.open(redis_url)
    async with opened(database) as engine:
        await append_events(engine, BATCH + 50, task_id=ONE, run_id=ONE)
        async with following(engine, queue) as tail:
            subscribers = [tail.follow(0), tail.follow(0, task_id=ONE), tail.follow(0, task_id=TWO)]
            for subscriber in subscribers[:2]:
                assert numbers_in(await anext(subscriber)) == list(range(1, BATCH + 1))
            await forget(engine, BATCH + 10)
            for subscriber in subscribers:
                gap = await anext(subscriber)
                assert isinstance(gap, Gap)
                assert gap.seq == BATCH + 50
    await queue.close()


@pytest.mark.fresh
async def test_what_the_process_has_is_told_though_it_was_removed(api: Api) -> None:
    """A client that reconnects soon receives events from the process's memory, although they were removed."""
    async with api.socket() as socket:
        live = await socket.subscribe(WATCH, after=cursors.of_event(0))
        for number in (1, 10):
            # Once the first is told, the process reads; it has what comes from then on.
            await append_events(api.engine, number, task_id=ONE, run_id=ONE)
            await api.services.queue.poke()
            await live.take(number)
        await forget(api.engine, 11)
        assert attempts(await (await socket.subscribe(WATCH, after=cursors.of_event(5))).take(6)) == [5, 6, 7, 8, 9, 10]


async def refusal_code(subscription: Subscription) -> str:
    """Return the code of the error of an operation."""
    message = await subscription.message()
    assert message["type"] == "error", message
    [error] = message["payload"]
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.fresh
async def test_wrong_arguments_have_codes(api: Api) -> None:
    """A cursor that is malformed, of another list, or newer than all events has a code, and so has a malformed id."""
    async with api.socket() as socket:
        for cursor in ("x", "", cursors.encode("runs", 1, "a"), cursors.of_event(1), cursors.encode("events", -1)):
            assert await refusal_code(await socket.subscribe(WATCH, after=cursor)) == "INVALID_CURSOR"
        assert await refusal_code(await socket.subscribe(WATCH, taskId="1")) == "INVALID_ID"
        unknown = await socket.subscribe(WATCH, taskId=str(uuid4()), after=await newest(api))
        other = await socket.subscribe(WATCH, after=await newest(api))
        await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
        await api.services.queue.poke()
        # The socket's only message is that of the subscription to everything.
        assert attempts(await other.take(1)) == [1]
        assert unknown is not other


async def test_a_document_that_cannot_be_read_costs_its_own_operation_only(api: Api) -> None:
    """The WebSocket and its other operations stay open."""
    async with api.socket() as socket:
        failed = await (await socket.subscribe("{")).message()
        assert failed["type"] == "error"
        assert "Syntax Error" in failed["payload"][0]["message"]
        answered = await (await socket.subscribe("{ __typename }")).message()
        assert answered["payload"] == {"data": {"__typename": "Query"}}


async def test_a_websocket_carries_a_thousand_operations(api: Api) -> None:
    """One operation too many is refused with a code, and accepted once another one has ended."""
    async with api.socket() as socket:
        for _ in range(MAX_AT_ONCE):
            await socket.subscribe("subscription { runEvents { __typename } }")
        refused = await (await socket.subscribe("{ __typename }")).message()
        [error] = refused["payload"]
        assert (refused["type"], error["extensions"]) == ("error", {"code": "LIMIT_EXCEEDED"})
        assert "1,000" in error["message"]
        await socket.send({"type": "complete", "id": "1"})
        answered = await (await socket.subscribe("{ __typename }")).message()
        assert answered["payload"] == {"data": {"__typename": "Query"}}


async def test_watching_goes_on_without_redis(database: DatabaseSettings) -> None:
    """While Redis is away the API polls."""
    async with serving(
        database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS, targets_allowed=LOOPBACK)
    ) as api:
        begin = await newest(api)
        async with api.socket() as socket:
            subscription = await socket.subscribe(WATCH, after=begin)
            await append_events(api.engine, 3, task_id=ONE, run_id=ONE)
            assert attempts(await subscription.take(3)) == [1, 2, 3]


async def test_watching_survives_lost_connections(api: Api) -> None:
    """When Postgres drops every connection, the tail reconnects and loses nothing."""
    begin = await newest(api)
    async with api.socket() as socket:
        subscription = await socket.subscribe(WATCH, after=begin)
        await append_events(api.engine, 1, task_id=ONE, run_id=ONE)
        assert attempts(await subscription.take(1)) == [1]
        async with api.engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'duetime api'"
                )
            )
        await append_events(api.engine, 2, task_id=ONE, run_id=ONE)
        assert attempts(await subscription.take(2)) == [1, 2]


async def test_two_processes_tell_the_same(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Subscribers of different API processes see the same events with the same cursors."""
    async with serving(database, jobs_settings) as one, serving(database, jobs_settings) as two:
        begin = await newest(one)
        async with one.socket() as first, two.socket() as second:
            watching = [await socket.subscribe(WATCH, after=begin) for socket in (first, second)]
            await append_events(one.engine, 5, task_id=ONE, run_id=ONE)
            seen = [await subscription.take(5) for subscription in watching]
    assert seen[0] == seen[1]


@pytest.mark.fresh
async def test_stopping_ends_subscriptions(api: Api) -> None:
    """A server that stops closes its WebSockets, so that clients connect to another one."""
    async with api.socket() as socket:
        await socket.subscribe(WATCH)
        api.server.stop()
        assert await socket.close_code() == 1012


@pytest.fixture
def kept() -> int:
    """Return how many events the small tail below keeps."""
    return 50


@pytest.mark.fresh
async def test_slow_subscriber_gets_a_gap(database: DatabaseSettings, redis_url: str, kept: int) -> None:
    """A subscriber that falls too far behind receives a gap and continues with the newest event; a fast one loses
    nothing.
    """
    queue = Queue.open(redis_url)
    async with opened(database) as engine, following(engine, queue, kept=kept) as tail:
        # What happened before the tail began is read from Postgres, however slowly.
        await wait_until(lambda: tail._seq is not None, what="the tail has begun")
        slow, quick = tail.follow(0), tail.follow(0)
        await append_events(engine, 1, task_id=ONE, run_id=ONE)
        await queue.poke()
        assert [numbers_in(await anext(slow)), numbers_in(await anext(quick))] == [[1], [1]]
        for newest in range(21, 202, 20):
            await append_events(engine, 20, task_id=ONE, run_id=ONE)
            await queue.poke()
            assert numbers_in(await anext(quick)) == list(range(newest - 19, newest + 1))
        gap = await anext(slow)
        assert isinstance(gap, Gap)
        assert gap.seq == await tail.newest() == 201
        await append_events(engine, 1, task_id=TWO, run_id=TWO)
        await queue.poke()
        assert numbers_in(await anext(slow)) == [202]
        assert len(held_by(tail)) == kept
    await queue.close()


def numbers_in(batch: Sequence[Event] | Gap) -> list[int]:
    """Return the numbers of the events in a batch that is not a gap."""
    assert not isinstance(batch, Gap)
    return [event.seq for event in batch]


def held_by(tail: Tail) -> list[Any]:
    """Return what the tail keeps in memory."""
    return tail._events


async def test_closed_tail_ends_its_subscribers(database: DatabaseSettings, redis_url: str) -> None:
    """Closing the tail ends its subscribers."""
    queue = Queue.open(redis_url)
    async with opened(database) as engine:
        async with following(engine, queue) as tail:
            waiting = asyncio.create_task(anext(tail.follow(0)))
            await wait_until(lambda: not waiting.done(), what="the subscriber waits")
        with pytest.raises(StopAsyncIteration):
            await waiting
    await queue.close()


async def test_pokes_cause_no_further_tries_while_postgres_is_away(jobs_settings: JobsSettings) -> None:
    """A process whose Postgres is away tries again after pauses, however often it is told that there are events."""
    nowhere = DatabaseSettings.model_construct(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    queue = Queue.open(str(jobs_settings.redis_url))
    tries: list[Any] = []
    async with opened(nowhere) as engine:
        sqlalchemy_event.listen(engine.sync_engine, "do_connect", lambda *arguments: tries.append(arguments))
        async with following(engine, queue) as tail:
            await wait_until(lambda: tries and tail._hears_pokes, what="the tail has tried once, and hears pokes")
            for _ in range(100):
                await queue.poke()
                await asyncio.sleep(0.01)
    await queue.close()
    assert len(tries) < 20
