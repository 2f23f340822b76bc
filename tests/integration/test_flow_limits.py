"""Limits of calls to a host or of a flow key, as workers keep them together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import flow
from db.models import utc_now
from db.prepared import Row
from db.settings import DatabaseSettings
from jobs.engine import flow_starter
from jobs.engine.flow_limits import CATCH_UP
from jobs.queue import LIMITS_CHANNEL
from jobs.settings import JobsSettings
from tests.support.engine import UNREACHABLE_REDIS, one_off, runs_of, save, soon, working
from tests.support.graphql import Api, serving
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

SECOND = timedelta(seconds=1)
CREATE = """mutation ($input: CreateFlowLimitInput!) { createFlowLimit(input: $input) {
    __typename ... on FlowLimit { id } ... on InvalidInput { message } ... on Conflict { message reason }
} }"""
UPDATE = """mutation ($id: ID!, $input: UpdateFlowLimitInput!) { updateFlowLimit(id: $id, input: $input) {
    __typename ... on FlowLimit { maxConcurrent ratePerSecond burst } ... on InvalidInput { message }
} }"""
DELETE = "mutation ($id: ID!) { deleteFlowLimit(id: $id) { __typename ... on DeletedFlowLimit { flowLimitId } } }"
LIMITS = """{ flowLimits {
    id key { host flowKey } maxConcurrent ratePerSecond burst waitingRuns runningRuns
} }"""
RUN = """query ($id: ID!) { task(id: $id) { flowKey lastRun {
    id state waitingFor startedAt latenessMs attempts { number }
} } }"""


async def limited(api: Api, key: dict[str, str], **limits: float) -> str:
    """Create a flow limit and return its id."""
    made = (await api.data(CREATE, input={"key": key, **limits}))["createFlowLimit"]
    assert made["__typename"] == "FlowLimit", made
    limit_id: str = made["id"]
    return limit_id


async def last_run(api: Api, task_id: UUID) -> dict[str, Any]:
    """Return the newest run of a task, as the API shows it."""
    found: dict[str, Any] = (await api.data(RUN, id=str(task_id)))["task"]["lastRun"]
    return found


def host_of(target: Target) -> str:
    """Return the host of a target with its port, which tells targets apart."""
    return target.url.removeprefix("http://")


async def starts(api: Api) -> list[tuple[datetime, UUID]]:
    """Return when each attempt was started, by the clock that the limits follow, and its task; in their order."""
    async with api.engine.connect() as connection:
        found = await connection.execute(text("SELECT at, task_id FROM run_events WHERE type = 'started' ORDER BY seq"))
        return [(row.at, row.task_id) for row in found]


def most_beyond(instants: Sequence[datetime], *, rate: float) -> float:
    """Return how many more have started in some time than the rate allows for that time."""
    return max(
        later - earlier - (instants[later] - instants[earlier]).total_seconds() * rate
        for earlier in range(len(instants))
        for later in range(earlier, len(instants))
    )


@asynccontextmanager
async def workers(database: DatabaseSettings, jobs: JobsSettings, number: int) -> AsyncIterator[None]:
    """Run several workers until the block ends."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(working(database, jobs))
        yield


@pytest.mark.parametrize("redis", ["there", "away"])
async def test_two_workers_share_a_rate_and_keep_the_order(
    redis: str, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """A host limited to 20 per second is called at that rate, in order, while a run of another host waits for nothing.

    It needs no Redis.
    """
    jobs = jobs_settings if redis == "there" else jobs_settings.model_copy(update={"redis_url": UNREACHABLE_REDIS})
    fast = target.responds("/fast", CannedResponse())
    slow = target.url.replace("127.0.0.1", "localhost")
    async with serving(database, jobs_settings) as api, workers(database, jobs, 2):
        await limited(api, {"host": "LOCALHOST"}, ratePerSecond=20)
        await wait_until(lambda: knows_limits(api), what="both workers had time to learn of the limit")
        at = soon()
        ids = await save(api.engine, *(one_off(f"{slow}/{number}", at + number * SECOND / 100) for number in range(41)))
        [witness] = await save(api.engine, one_off(fast, at + 0.3 * SECOND))

        async def last_waits() -> bool:
            [run] = [(await last_run(api, ids[-1])) or {}]
            return run.get("waitingFor") == "flow limit of localhost: 20 per second"

        await wait_until(last_waits, what="the last run waits for the limit")
        [seen] = (await api.data(LIMITS))["flowLimits"]
        assert seen["waitingRuns"] > 0
        assert (seen["key"], seen["ratePerSecond"], seen["burst"]) == ({"host": "localhost", "flowKey": None}, 20, 1)
        await wait_until(lambda: len(target.calls) == 42, what="all calls were made")
        begun = [(at, ids.index(task_id)) for at, task_id in await starts(api) if task_id != witness]
        # What two workers claim in the same moment may change places.
        assert max(abs(number - place) for place, (_, number) in enumerate(begun)) <= 5
        assert most_beyond([at for at, _ in begun], rate=20) <= 20 * (CATCH_UP / SECOND) + 0.1
        run = await last_run(api, ids[-1])
        assert run["waitingFor"] is None
        assert run["latenessMs"] > 1600 - CATCH_UP / SECOND * 1000 - 1
        assert len(await wait_until(lambda: runs_of(api.engine, witness, at_least=1), what="it has ended")) == 1
        assert (await last_run(api, witness))["latenessMs"] < run["latenessMs"]


async def knows_limits(api: Api) -> bool:
    """Return whether every worker has renewed its lease, and so looked for limits, since the limit was created."""
    async with api.engine.connect() as connection:
        found = await connection.execute(
            text("""SELECT bool_and(renewed_at > (SELECT max(updated_at) FROM flow_limits) + interval '1.2 s')
                    FROM workers""")
        )
        known: bool = found.scalar_one()
    return known


class CountingTarget:
    """A target that counts the calls that it is answering, and holds them back until it is told to let them go."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[str] = []
        self.most = 0
        self.open = asyncio.Event()
        self._now = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        self.calls.append(request.path)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.open.wait()
        finally:
            self._now -= 1
        failing = request.path.startswith("/fails") and self.calls.count(request.path) == 1
        return web.Response(status=500 if failing else 200)


@asynccontextmanager
async def counting() -> AsyncIterator[CountingTarget]:
    """Run a target that counts until the block ends."""
    target = CountingTarget()
    application = web.Application()
    application.router.add_get("/{path:.*}", target.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        await runner.cleanup()


RUN_TASK = "mutation ($id: ID!) { runTask(id: $id) { __typename } }"
CANCEL_RUN = "mutation ($id: ID!) { cancelRun(id: $id) { __typename ... on Run { state waitingFor } } }"
DELETE_TASK = "mutation ($id: ID!) { deleteTask(id: $id) { __typename } }"


async def test_calls_at_the_same_time(database: DatabaseSettings, jobs_settings: JobsSettings, target: Target) -> None:
    """No more calls of a flow key run at once than its limit has, over two workers, as the target itself counts them.

    Requested runs and retries count, too. A run that waits can be cancelled, and its task deleted. Others go on.
    """
    async with (
        serving(database, jobs_settings) as api,
        counting() as busy,
        workers(database, jobs_settings, 2),
    ):
        limit_id = await limited(api, {"flowKey": "acme"}, maxConcurrent=2)
        await wait_until(lambda: knows_limits(api), what="both workers had time to learn of the limit")
        at = soon()
        paths = [*(f"/{number}" for number in range(8)), "/fails"]
        ids = await save(api.engine, *(one_off(f"{busy.url}{path}", at, flow_key="acme") for path in paths))
        [requested] = await save(api.engine, one_off(f"{busy.url}/requested", at + 3600 * SECOND, flow_key="acme"))
        [witness] = await save(api.engine, one_off(target.responds("/", CannedResponse()), at + 0.2 * SECOND))
        await wait_until(lambda: len(busy.calls) == 2, what="as many calls run as may")
        assert (await api.data(RUN_TASK, id=str(requested)))["runTask"]["__typename"] == "Run"

        async def all_wait() -> bool:
            [limit] = (await api.data(LIMITS))["flowLimits"]
            return (limit["waitingRuns"], limit["runningRuns"]) == (8, 2)

        await wait_until(all_wait, what="all others wait, and the requested run, too")
        await wait_until(lambda: runs_of(api.engine, witness, at_least=1), what="a call without the key was made")
        waiting = [task_id for task_id in ids if (await last_run(api, task_id))["waitingFor"]]
        assert len(waiting) == 7
        run = await last_run(api, waiting[0])
        assert (run["state"], run["waitingFor"]) == ("QUEUED", "flow limit of flow key acme: 2 at the same time")
        cancelled = (await api.data(CANCEL_RUN, id=run["id"]))["cancelRun"]
        assert cancelled == {"__typename": "Run", "state": "CANCELLED", "waitingFor": None}
        assert (await api.data(DELETE_TASK, id=str(waiting[1])))["deleteTask"]["__typename"] == "DeletedTask"
        busy.open.set()
        left = [task_id for task_id in (*ids, requested) if task_id not in waiting[:2]]

        async def all_ended() -> bool:
            return all([(await last_run(api, task_id))["state"] == "SUCCEEDED" for task_id in left])

        await wait_until(all_ended, what="all other runs have succeeded")
        assert busy.most == 2
        assert len(busy.calls) == len(left) + busy.calls.count("/fails") - 1
        assert (await api.data(DELETE, id=limit_id))["deleteFlowLimit"]["__typename"] == "DeletedFlowLimit"


async def hear(redis_url: str, *, workers: int) -> None:
    """Wait until so many workers follow changes of limits."""
    async with Redis.from_url(redis_url) as redis:

        async def all_listen() -> bool:
            [(_, listening)] = await redis.pubsub_numsub(LIMITS_CHANNEL)
            return bool(listening == workers)

        await wait_until(all_listen, what="the workers listen")


async def test_every_change_of_a_limit_counts_at_once(
    database: DatabaseSettings, jobs_settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that look for limits only every hour hear of a new one, of its change, and of its end."""
    monkeypatch.setattr(flow_starter, "REFRESH_EVERY", timedelta(hours=1))
    async with serving(database, jobs_settings) as api, counting() as busy, workers(database, jobs_settings, 2):
        await hear(jobs_settings.redis, workers=2)
        host = busy.url.removeprefix("http://")
        limit_id = await limited(api, {"host": host}, ratePerSecond=0.01)
        busy.open.set()
        at = soon()
        await save(api.engine, *(one_off(f"{busy.url}/{number}", at) for number in range(30)))

        async def all_others_wait() -> bool:
            [limit] = (await api.data(LIMITS))["flowLimits"]
            return bool(limit["waitingRuns"] == 29)

        await wait_until(all_others_wait, what="one call is made, and the others wait")
        assert len(busy.calls) == 1
        updated = await api.data(UPDATE, id=limit_id, input={"ratePerSecond": 1, "burst": 10})
        assert updated["updateFlowLimit"] == {
            "__typename": "FlowLimit", "maxConcurrent": None, "ratePerSecond": 1, "burst": 10
        }  # fmt: skip
        await wait_until(lambda: len(busy.calls) >= 11, what="a burst was made")
        assert len(busy.calls) < 30
        await api.data(DELETE, id=limit_id)
        await wait_until(lambda: len(busy.calls) == 30, what="all calls were made")


async def test_a_worker_that_starts_knows_the_limits(
    database: DatabaseSettings, jobs_settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes to read the limits, a worker claims nothing before, not even what is overdue."""

    async def read_slowly(connection: AsyncConnection) -> Sequence[Row]:
        await asyncio.sleep(0.5)
        return await read(connection)

    read = flow.limits
    monkeypatch.setattr(flow, "limits", read_slowly)
    async with serving(database, jobs_settings) as api, counting() as busy:
        busy.open.set()
        await limited(api, {"host": busy.url.removeprefix("http://")}, ratePerSecond=0.01)
        at = utc_now() - SECOND
        await save(api.engine, *(one_off(f"{busy.url}/{number}", at) for number in range(30)))
        async with workers(database, jobs_settings, 1):

            async def all_others_wait() -> bool:
                [limit] = (await api.data(LIMITS))["flowLimits"]
                return bool(busy.calls and limit["waitingRuns"] + len(busy.calls) == 30)

            await wait_until(all_others_wait, what="calls were made, and the others wait")
            assert len(busy.calls) == 1


async def test_a_host_that_asks_for_a_pause_has_one(
    database: DatabaseSettings, jobs_settings: JobsSettings, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 429 with Retry-After no run of the host starts for a while, and then they start in their order.

    The settings bound the pause of the host. The run that received the response waits as long as it was told. Workers
    tell each other of the pause.
    """
    monkeypatch.setattr(flow_starter, "REFRESH_EVERY", timedelta(hours=1))
    busy = target.url.replace("127.0.0.1", "localhost")
    target.responds("/limited", CannedResponse(status=429, headers={"Retry-After": "3600"}))
    jobs = jobs_settings.model_copy(update={"host_pause_seconds": 5})
    async with serving(database, jobs_settings) as api, workers(database, jobs, 2):
        await hear(jobs.redis, workers=2)
        [first] = await save(api.engine, one_off(f"{busy}/limited", soon()))
        await wait_until(lambda: target.calls, what="the host was called")
        asked_at = target.calls[0].at
        others = await save(
            api.engine,
            *(one_off(f"{busy}/{number}", asked_at + 2 * SECOND + number * SECOND / 20) for number in range(5)),
        )
        await save(api.engine, one_off(f"{target.url}/witness", asked_at + 2 * SECOND))

        async def waits() -> bool:
            run = await last_run(api, others[-1]) or {}
            found = run.get("waitingFor") or ""
            return found.startswith(f"pause of localhost:{host_of(target).split(':')[1]} until ")

        await wait_until(waits, what="a run of the host waits for the end of the pause")
        await wait_until(lambda: len(target.calls) == 7, what="all calls were made")
        begun = [(at, others.index(task_id)) for at, task_id in await starts(api) if task_id in others]
        own = await last_run(api, first)
    assert target.calls[1].path == "/witness"
    assert [number for _, number in begun] == list(range(5))
    assert all(at - asked_at >= 5 * SECOND for at, _ in begun)
    assert (own["state"], len(own["attempts"])) == ("RETRYING", 1)
