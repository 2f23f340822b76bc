"""A subscriber that is disconnected after every single event of a busy minute, and resumes, misses nothing."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from graphql_api import cursors
from tests.api.test_run_events import newest
from tests.support.graphql import Api
from tests.support.history import append_events
from tests.support.sse import events
from tests.support.waiting import wait_until

WATCH = """
subscription ($taskId: ID, $after: String) {
  runEvents(taskId: $taskId, after: $after) { __typename ... on RunEvent { cursor taskId } }
}
"""
EVENTS = 300
TASKS = [uuid4() for _ in range(5)]

Next = Callable[[Api, str, UUID | None], Awaitable[str]]
"""Connects, resumes after a cursor, reads one event, is cut off, and knows that event's cursor."""


async def by_websocket(api: Api, after: str, task_id: UUID | None) -> str:
    """Read by WebSocket, and drop the connection without closing it, whatever is in transit."""
    async with api.socket() as socket:
        variables = {"after": after} | ({"taskId": str(task_id)} if task_id else {})
        event = await (await socket.subscribe(WATCH, **variables)).next()
        socket.connection.transport.abort()
    assert event["__typename"] == "RunEvent"
    return str(event["cursor"])


async def by_stream(api: Api, after: str, task_id: UUID | None) -> str:
    """Read by server-sent events, and close the response in the middle."""
    variables = {"after": after} | ({"taskId": str(task_id)} if task_id else {})
    async with events(api, WATCH, variables=variables) as reader:
        event = await reader.next()
    assert event["__typename"] == "RunEvent"
    return str(event["cursor"])


class Reader:
    """A subscriber that is disconnected again and again, and everything that it has seen."""

    def __init__(self, api: Api, read_next: Next, task_id: UUID | None, *, begin: str) -> None:
        self.task_id = task_id
        self.seen: list[str] = []
        self._reading = asyncio.create_task(self._read(api, read_next, begin))

    async def _read(self, api: Api, read_next: Next, cursor: str) -> None:
        while True:
            cursor = await read_next(api, cursor, self.task_id)
            self.seen.append(cursor)

    def has_failed(self) -> bool:
        """Return whether reading has ended early."""
        return self._reading.done()

    async def stop(self) -> None:
        """Stop reading. Raises what went wrong, if anything did."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading


async def cursors_in_table(api: Api, task_id: UUID | None) -> list[str]:
    """Return the cursors of all events, of one task if given, in the order of commits."""
    query = text("SELECT seq FROM run_events WHERE task_id = CAST(:task_id AS uuid) OR :all ORDER BY seq")
    async with api.engine.connect() as connection:
        found = await connection.execute(query, {"task_id": task_id, "all": task_id is None})
        return [cursors.of_event(seq) for seq in found.scalars()]


async def busy_minute(api: Api, reader: Reader) -> None:
    """Write events from several tasks at the same time, in transactions of different sizes, with pauses for the
    readers.
    """
    dice = random.Random(9)
    written = 0
    while written < EVENTS:
        sizes = [dice.randint(1, 6) for _ in range(dice.randint(1, 3))]
        await asyncio.gather(
            *(append_events(api.engine, size, task_id=dice.choice(TASKS), run_id=uuid4()) for size in sizes)
        )
        written += sum(sizes)
        if dice.random() < 0.9:
            await api.services.queue.poke()
        if dice.random() < 0.3:
            await all_read(api, reader)


async def all_read(api: Api, reader: Reader) -> None:
    """Wait until everything has been read."""
    number = len(await cursors_in_table(api, reader.task_id))
    await wait_until(lambda: len(reader.seen) >= number or reader.has_failed(), what="all events have been read")


@pytest.mark.parametrize("read_next", [by_websocket, by_stream])
@pytest.mark.parametrize("task_id", [None, TASKS[0]])
async def test_union_of_all_pieces_is_the_table(api: Api, read_next: Next, task_id: UUID | None) -> None:
    """Together, the pieces are the table in the order of commits, without gaps or duplicates, also for one task's
    events.
    """
    reader = Reader(api, read_next, task_id, begin=await newest(api))
    await busy_minute(api, reader)
    await all_read(api, reader)
    await reader.stop()
    table = await cursors_in_table(api, task_id)
    assert reader.seen == table
    assert len(table) >= EVENTS / 10
