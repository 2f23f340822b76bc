"""Watching tasks: changes by people, rescheduling by firing, and deletion."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from db.models import utc_now
from db.settings import DatabaseSettings
from graphql_api.events.task_changes import KEPT, TaskChangeFeed
from jobs.settings import JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, every, save
from tests.support.graphql import Api, Subscription, WebSocketHandler, serving
from tests.support.history import HOUR, append_events
from tests.support.sse import events

WATCH = """
subscription ($taskId: ID) {
  taskChanged(taskId: $taskId) {
    __typename
    ... on Task { id name status version nextRunAt }
    ... on DeletedTask { id: taskId }
  }
}
"""
CREATE = """
mutation ($name: String!) {
  createTask(input: {
    name: $name, action: { url: "http://127.0.0.1:1/" }, trigger: { interval: { everyMs: 3600000 } }
  }) { ... on Task { id } }
}
"""


async def created(api: Api, name: str) -> str:
    """Return the id of a new task."""
    task_id: str = (await api.data(CREATE, name=name))["createTask"]["id"]
    return task_id


async def standing(api: Api, socket: WebSocketHandler, task_id: str | None = None) -> Subscription:
    """Return a subscription that is known to be active: it has delivered a change, and may deliver it once more."""
    watched = task_id or await created(api, "to be seen")
    subscription = await socket.subscribe(WATCH, taskId=task_id)
    waiting = asyncio.create_task(subscription.next())
    while not waiting.done():
        await api.services.queue.poke(changed=[UUID(watched)])
        await asyncio.wait([waiting], timeout=0.05)
    return subscription


async def changes(subscription: Subscription, *, until: str) -> list[tuple[Any, ...]]:
    """Return the status and version of each delivered change, up to the given last status."""
    seen: list[tuple[Any, ...]] = []
    while not seen or seen[-1][1] != until:
        event = await subscription.next()
        change = (event.get("name"), event.get("status", event["__typename"]))
        if change not in seen and event.get("name") != "to be seen":
            seen.append(change)
    return seen


async def test_changes_of_people_are_told(api: Api) -> None:
    """Each change is delivered with the task in its new state, and finally its deletion."""
    async with api.socket() as socket:
        subscription = await standing(api, socket)
        task_id = await created(api, "x")
        assert await changes(subscription, until="SCHEDULED") == [("x", "SCHEDULED")]
        for verb, status in (("pause", "PAUSED"), ("resume", "SCHEDULED"), ("cancel", "CANCELLED")):
            await api.data(f"mutation ($id: ID!) {{ {verb}Task(id: $id) {{ __typename }} }}", id=task_id)
            assert await changes(subscription, until=status) == [("x", status)]
        await api.data('mutation ($id: ID!) { updateTask(id: $id, input: { name: "y" }) { __typename } }', id=task_id)
        assert await changes(subscription, until="CANCELLED") == [("y", "CANCELLED")]
        await api.data("mutation ($id: ID!) { deleteTask(id: $id) { __typename } }", id=task_id)
        assert await changes(subscription, until="DeletedTask") == [(None, "DeletedTask")]


async def test_firing_is_told(api: Api) -> None:
    """Events of runs announce that their task was rescheduled; attempts alone do not."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR, name="fires")
    await save(api.engine, task)
    async with api.socket() as socket:
        subscription = await standing(api, socket)
        await append_events(api.engine, 1, task_id=task.id, run_id=uuid4())
        await api.services.queue.poke()
        assert await changes(subscription, until="SCHEDULED") == [("fires", "SCHEDULED")]


async def test_one_task_can_be_watched(api: Api) -> None:
    """With taskId only that task's changes are delivered."""
    mine, other = await created(api, "mine"), await created(api, "other")
    async with api.socket() as socket:
        subscription = await standing(api, socket, mine)
        for task_id in (other, mine):
            await api.data("mutation ($id: ID!) { pauseTask(id: $id) { __typename } }", id=task_id)
        assert await changes(subscription, until="PAUSED") in (
            [("mine", "PAUSED")],
            [("mine", "SCHEDULED"), ("mine", "PAUSED")],
        )
        wrong = await socket.subscribe(WATCH, taskId="x")
        assert (await wrong.message())["type"] == "error"


async def test_streams_tell_it_too(api: Api) -> None:
    """Changes are delivered over server-sent events as over a WebSocket."""
    async with events(api, WATCH) as reader:
        waiting = asyncio.create_task(reader.next())
        while not waiting.done():
            await created(api, "x")
            await asyncio.wait([waiting], timeout=0.05)
        assert (await waiting)["status"] == "SCHEDULED"


async def test_without_redis_only_firing_is_told(database: DatabaseSettings) -> None:
    """Without Redis, changes by firing are delivered with the events, for which the tail then polls."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR, name="fires")
    async with serving(database, JobsSettings.model_construct(redis_url=UNREACHABLE_REDIS)) as api:
        await save(api.engine, task)
        async with api.socket() as socket:
            subscription = await socket.subscribe(WATCH)
            waiting = asyncio.create_task(subscription.next())
            while not waiting.done():
                await append_events(api.engine, 1, task_id=task.id, run_id=uuid4())
                await asyncio.wait([waiting], timeout=0.05)
            assert (await waiting)["name"] == "fires"


async def test_slow_subscriber_is_told_once_of_each_task() -> None:
    """A task that changes while nobody reads is delivered once in its newest state, and memory is bounded."""
    changes_of_all = TaskChangeFeed()
    one, two = uuid4(), uuid4()
    slow, only_two = changes_of_all.follow(), changes_of_all.follow(two)
    waiting = [asyncio.create_task(anext(slow)), asyncio.create_task(anext(only_two))]
    await asyncio.sleep(0)
    changes_of_all.note([one, two])
    assert [[change.task_id for change in await each] for each in waiting] == [[one, two], [two]]
    for _ in range(5):
        changes_of_all.note([two, one])
    assert [change.task_id for change in await anext(slow)] == [two, one]
    assert [change.task_id for change in await anext(only_two)] == [two]
    changes_of_all.note([uuid4() for _ in range(KEPT + 5)])
    assert len(await anext(slow)) == KEPT
    changes_of_all.close()
    assert [batch async for batch in only_two] == []
