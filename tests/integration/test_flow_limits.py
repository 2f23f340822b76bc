"""Limits of calls to a host or of a flow key, as workers keep them together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.settings import DatabaseSettings
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


def per_second(instants: Sequence[datetime]) -> float:
    """Return the rate of calls between the first and the last."""
    return (len(instants) - 1) / (max(instants) - min(instants)).total_seconds()


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
        calls = [call for call in target.calls if call.path != "/fast"]
        # What two workers claim in the same moment may change places.
        numbers = [int(call.path[1:]) for call in calls]
        assert sorted(numbers) == list(range(41))
        assert max(abs(number - place) for place, number in enumerate(numbers)) <= 3
        assert per_second([call.at for call in calls]) == pytest.approx(20, rel=0.05)
        run = await last_run(api, ids[-1])
        assert run["waitingFor"] is None
        assert run["latenessMs"] == pytest.approx(1600, rel=0.1)
        assert len(await wait_until(lambda: runs_of(api.engine, witness, at_least=1), what="it has ended")) == 1
        assert (await last_run(api, witness))["latenessMs"] < run["latenessMs"] / 2


async def knows_limits(api: Api) -> bool:
    """Return whether every worker has renewed its lease, and so looked for limits, since the limit was created."""
    async with api.engine.connect() as connection:
        found = await connection.execute(
            text("""SELECT bool_and(renewed_at > (SELECT max(updated_at) FROM flow_limits) + interval '1.2 s')
                    FROM workers""")
        )
        known: bool = found.scalar_one()
    return known
