"""A Redis that accepts connections and never replies, because its process stalls or the network drops everything."""

import asyncio
from datetime import timedelta

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.graphql import serving

CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename } }"
AT_ONCE = 20


async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and reply nothing."""
    try:
        await asyncio.Event().wait()
    finally:
        writer.close()


async def test_tasks_are_accepted_while_redis_hangs(database: DatabaseSettings) -> None:
    """Tasks are accepted while Redis hangs. Each request waits for Redis only briefly, and not for other requests."""
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    at = (utc_now() + timedelta(seconds=1)).isoformat()
    trigger = {"interval": {"everyMs": 1000, "startAt": at}}
    task = {"name": "accepted", "trigger": trigger, "action": {"url": "https://93.184.215.14/"}}
    async with server, serving(database, JobsSettings.model_construct(redis_url=f"redis://127.0.0.1:{port}/0")) as api:
        async with asyncio.timeout(20):
            made = await asyncio.gather(*[api.data(CREATE, input=task) for _ in range(AT_ONCE)])
    assert made == [{"createTask": {"__typename": "Task"}}] * AT_ONCE
