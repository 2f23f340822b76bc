"""Workers and API processes on hosts whose clock is wrong: Postgres's clock alone decides."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.models import utc_now
from tests.faults.cluster import Cluster
from tests.faults.conftest import Report
from tests.faults.order import LEAD, SECOND, mixed_load
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
"""The library that gives a process its own clock, from Debian's package `faketime`."""


def with_clock(clock: Path) -> dict[str, str]:
    """Return the environment of a process whose clock is off by what a file says."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime (Debian's package faketime) is not installed")
async def test_clock_that_jumps(cluster: Cluster, report: Report, tmp_path: Path) -> None:
    """By an hour forward, back, and an hour behind: no call goes out early, and none waits for the host's clock."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {**cluster.environment, **with_clock(clock)}
    worker = ServiceProcess("worker", environment=environment, cwd=tmp_path, name="worker-with-a-clock")
    for other in cluster.workers:
        await other.stop()
    await cluster.until_up(worker)
    start = utc_now() + LEAD
    load = mixed_load(start, lasts=8 * SECOND, tasks=20)
    await cluster.insert(load)
    try:
        for after, offset in ((1, "+1h"), (3, "+0"), (5, "-1h")):
            await cluster.until(start + after * SECOND)
            clock.write_text(offset)
            jumped_at = utc_now()
        found = await cluster.settled(load)
    finally:
        await worker.kill()
    assert not worker.tracebacks()
    report.add("the clock of a worker's host jumps by an hour", found, recovery=found.recovery(jumped_at))


CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  __typename ... on Task { id createdAt updatedAt nextRunAt upcoming(count: 1) } ... on Error { message }
} }
"""
PREVIEW = "{ previewTrigger(trigger: {interval: {everyMs: 60000}}, count: 1) { ... on TriggerPreview { instants } } }"
RUN = """
mutation ($id: ID!) { runTask(id: $id) {
  __typename ... on Run { id scheduledFor } ... on Error { message }
} }
"""
ACCURACY = 20 * SECOND


@pytest.mark.skipif(not LIBRARIES, reason="libfaketime (Debian's package faketime) is not installed")
@pytest.mark.parametrize("offset", ["+1h", "-1h"])
async def test_api_whose_clock_is_wrong(cluster: Cluster, tmp_path: Path, offset: str) -> None:
    """What it creates, previews, refuses and runs is as if its host's clock were right."""
    clock = tmp_path / "clock"
    clock.write_text(offset)
    port = free_port()
    environment = {**cluster.environment, **with_clock(clock), "PORT": str(port)}
    api = ServiceProcess("api", environment=environment, cwd=tmp_path, name="api-with-a-clock")
    api.start()
    # A run that failed would be tried again during the next test.
    action = {"url": cluster.target.url + "/ok"}
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:

            async def ask(query: str, **variables: object) -> dict[str, Any]:
                answer = (await http.post("/graphql", json={"query": query, "variables": variables})).json()
                assert "errors" not in answer, answer
                [found] = answer["data"].values()
                return dict(found)

            async def create(trigger: dict[str, object]) -> dict[str, Any]:
                return await ask(CREATE, input={"name": "a task", "trigger": trigger, "action": action})

            def is_now(value: str, *, after: timedelta = timedelta()) -> bool:
                return abs(datetime.fromisoformat(value) - after - utc_now()) < ACCURACY

            async def responds() -> bool:
                with suppress(httpx.TransportError):
                    return (await http.get("/health/live")).status_code == 200
                return False

            await wait_until(responds, what="the API responds", within=60)
            made = await create({"interval": {"everyMs": 86_400_000}})
            assert is_now(made["createdAt"])
            assert is_now(made["updatedAt"])
            day = timedelta(days=1)
            assert is_now(made["nextRunAt"], after=day)
            assert is_now(made["upcoming"][0], after=day)
            [instant] = (await ask(PREVIEW))["instants"]
            assert is_now(instant, after=timedelta(minutes=1))
            half_an_hour = timedelta(minutes=30)
            later = await create({"oneOff": {"at": (utc_now() + half_an_hour).isoformat()}})
            assert is_now(later["nextRunAt"], after=half_an_hour)
            past = await create({"oneOff": {"at": (utc_now() - half_an_hour).isoformat()}})
            assert past["__typename"] == "InvalidInput", past
            run = await ask(RUN, id=made["id"])
            assert is_now(run["scheduledFor"])
    finally:
        await api.kill()
