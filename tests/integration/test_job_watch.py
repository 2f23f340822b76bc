"""When a worker looks for jobs in Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import cast

import pytest
from redis import Redis

from db.models import utc_now
from jobs.cancellation import cancel_and_wait
from jobs.job_watch import JobWatch
from jobs.queue import ANNOUNCED, BUCKET, JOBS_CHANNEL, REDIS_ERRORS, Queue
from tests.support.proxy import running_proxy
from tests.support.redis_servers import RedisServer, redis_server
from tests.support.waiting import wait_until

HOUR = timedelta(hours=1)


@asynccontextmanager
async def watching(server: RedisServer, queue: Queue) -> AsyncIterator[JobWatch]:
    """Follow the announcements, from when they arrive."""
    watch = JobWatch(queue)
    following = asyncio.create_task(watch.follow())
    try:
        with server.client() as client:
            await wait_until(lambda: client.pubsub_numsub(JOBS_CHANNEL)[0][1], what="the watch subscribes")
        # The subscription itself counts as an announcement.
        await watch.wait()
        yield watch
    finally:
        await cancel_and_wait(following)


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    """Run a Redis that the test may kill."""
    with redis_server() as running:
        yield running


@pytest.fixture
async def queue(server: RedisServer) -> AsyncIterator[Queue]:
    """Open the connections to the server."""
    opened = Queue.open(f"redis://127.0.0.1:{server.port}/0")
    yield opened
    await opened.close()


async def test_announcements_and_the_next_job_end_the_wait(
    server: RedisServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker looks when a job is announced or due, and otherwise, here, not within an hour."""
    monkeypatch.setattr("jobs.job_watch.LOOK_EVERY", HOUR)
    async with watching(server, queue) as watch:
        waiting = asyncio.create_task(watch.wait())
        await queue.wake_for_bulk()
        await waiting
        # That job is open, so the next look follows at once.
        await watch.wait()
        with server.client() as client:
            client.flushall()
        waiting = asyncio.create_task(watch.wait())
        await queue.wake([utc_now() + BUCKET], now=utc_now())
        await waiting
        with server.client() as client:
            client.flushall()
        # Nobody announces what is due later than the next look; its job ends the wait.
        await queue.wake([utc_now() + ANNOUNCED + BUCKET], now=utc_now())
        assert await queue.until_next_job() > timedelta()
        await watch.wait()
        assert await queue.until_next_job() == timedelta()


async def test_without_announcements_a_worker_does_not_wait(
    server: RedisServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the subscription, and once Redis is away, a worker looks again at once."""
    monkeypatch.setattr("jobs.job_watch.LOOK_EVERY", HOUR)
    await JobWatch(queue).wait()
    async with watching(server, queue) as watch:

        async def is_over() -> bool:
            with suppress(*REDIS_ERRORS):
                async with asyncio.timeout(0.1):
                    await watch.wait()
                return True
            return False

        assert not await is_over()
        server.kill()
        await wait_until(is_over, what="the watch has noticed")


async def test_a_silent_connection_is_pinged(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that has nothing to say stays followed; one that vanished without closing the connection is left."""
    monkeypatch.setattr("jobs.queue.PINGED_AFTER", timedelta(milliseconds=50))
    async with running_proxy(server.port) as proxy:
        over_network = Queue.open(f"redis://127.0.0.1:{proxy.port}/0")
        with server.client() as client:
            async with watching(server, over_network) as watch:
                before = pings(client)
                await wait_until(lambda: pings(client) >= before + 3 or not watch.is_following, what="three pings")
                assert watch.is_following
                monkeypatch.setattr("jobs.queue.ANSWER_TIMEOUT", timedelta(milliseconds=50))
                proxy.swallow()
                await wait_until(lambda: not watch.is_following, what="the watch has noticed")
                monkeypatch.undo()
                await wait_until(lambda: watch.is_following, what="the watch follows over a new connection")
        await over_network.close()


def pings(client: Redis) -> int:
    """Return how many pings the server has received."""
    commands = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    return commands.get("cmdstat_ping", {"calls": 0})["calls"]


@pytest.mark.both_loops
async def test_a_connection_that_has_ended_is_an_error_of_redis(queue: Queue) -> None:
    """Whatever the client raises then, on either event loop, is one of the errors that outages raise."""
    await queue.ping()
    [connection] = queue._redis.connection_pool._available_connections
    writer = connection._writer
    assert writer is not None

    async def exchange() -> None:
        await connection.send_command("PING")
        await connection.read_response()

    writer.transport.abort()
    with pytest.raises(REDIS_ERRORS):
        await exchange()
    await connection.disconnect(nowait=True)
