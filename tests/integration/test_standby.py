"""A standby takes over from a primary that is killed under load: nothing is lost, and nothing is done twice."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from db.models import utc_now
from db.settings import DatabaseSettings
from duetime.preflight import migrate_database
from jobs.security.encryption import SecretKeys
from tests.support.engine import opened
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.standby import HAS_PROGRAMS, Pair, postgres_with_standby
from tests.support.target import Target
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not HAS_PROGRAMS, reason="there is no Postgres with a standby here (on Debian: apt-get install postgresql)"
)
STARTS_WITHIN = 60
RECOVERS_WITHIN = 30
EVERY = timedelta(seconds=1)
RECURRING = 10
NOTICED_AFTER = timedelta(seconds=3)
"""A tool for failover takes a while until it promotes the standby."""
BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=2)
RUNS = text("""
SELECT task_id::text, scheduled_for, run_at, state, missed_count, missed_since FROM task_results ORDER BY scheduled_for
""")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Run both servers."""
    with postgres_with_standby() as running:
        yield running


async def test_a_standby_takes_over(pair: Pair, tmp_path: Path, redis_url: str, target: Target) -> None:
    """Each acknowledged task is there, each instant has one run or is counted in one, and each call has one run."""
    database = DatabaseSettings.model_construct(database_url=pair.url)
    await migrate_database(database, secrets=SecretKeys())
    port = free_port()
    environment = {
        "DATABASE_URL": pair.url,
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DUETIME_TARGETS_ALLOWED": "127.0.0.0/8",
    }
    processes = [ServiceProcess(name, environment=environment, cwd=tmp_path, name=name) for name in ("api", "worker")]
    for process in processes:
        process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await wait_until(lambda: is_healthy(client), what="the service works", within=STARTS_WITHIN)
            first = [await create(client, target, f"/recurring/{number}") for number in range(RECURRING)]
            await asyncio.sleep(BEFORE.total_seconds())
            creating = asyncio.create_task(create_all_the_time(client, target))
            await asyncio.to_thread(pair.primary.kill)
            await asyncio.sleep(NOTICED_AFTER.total_seconds())
            promoted_at = utc_now()
            await asyncio.to_thread(pair.promote)
            await wait_until(
                lambda: is_healthy(client), what="the service works with the standby", within=RECOVERS_WITHIN
            )
            await wait_until(lambda: target.calls[-1].at > promoted_at + AFTER, what="calls are made again")
            creating.cancel()
            acknowledged = first + await creating
            until = utc_now() - EVERY
        statuses = [await process.stop() for process in processes]
    finally:
        for process in processes:
            if process.alive:
                await process.kill()
    assert statuses == [0, 0], [process.log_tail() for process in processes]

    async with opened(database) as engine, engine.connect() as connection:
        runs = (await connection.execute(RUNS)).mappings().all()
        stored = set((await connection.execute(text("SELECT id::text FROM tasks"))).scalars())
    assert {task["id"] for task in acknowledged} <= stored
    resumed_at = min(run["run_at"] for run in runs if run["run_at"] and run["run_at"] > promoted_at)
    assert resumed_at - promoted_at < timedelta(seconds=RECOVERS_WITHIN)
    # The instants between the two servers are counted in a later run, by the misfire policy.
    assert any(run["missed_count"] >= NOTICED_AFTER / EVERY - 1 for run in runs)
    for task in acknowledged:
        its = [run for run in runs if run["task_id"] == task["id"]]
        accounted = Counter(instant for run in its for instant in instants_of(run))
        assert set(accounted.values()) <= {1}, (task, accounted)
        due = datetime.fromisoformat(task["next_run"])
        while due < until:
            assert accounted[due] == 1, (task, due)
            due += EVERY
    keys = Counter(call.headers["idempotency-key"] for call in target.calls)
    succeeded = [run for run in runs if run["state"] == "succeeded"]
    assert len(keys) >= len(succeeded)
    # A call whose outcome could not be stored is made again, under the same key.
    assert max(keys.values()) <= 2
    assert sum(keys.values()) - len(keys) <= 2 * RECURRING


def instants_of(run: Any) -> list[datetime]:
    """Return the instants for which a run stands."""
    found, due = [run["scheduled_for"]], run["missed_since"]
    while due is not None and due < run["scheduled_for"]:
        found.append(due)
        due += EVERY
    return found


async def is_healthy(client: httpx.AsyncClient) -> bool:
    """Return whether the API reaches its servers, and a worker is there."""
    with suppress(httpx.HTTPError):
        health = await client.get("/health")
        return health.status_code == 200 and health.json()["workers"] >= 1
    return False


async def create(client: httpx.AsyncClient, target: Target, path: str) -> dict[str, Any]:
    """Create a task that is due each second, and return it."""
    action = {"method": "GET", "url": f"{target.url}{path}"}
    body = {"name": path, "trigger": {"type": "cron", "cron": "@every 1s"}, "action": action}
    answer = await client.post("/api/v1/tasks", json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def create_all_the_time(client: httpx.AsyncClient, target: Target) -> list[dict[str, Any]]:
    """Create tasks until this is cancelled, and return those that were acknowledged."""
    acknowledged: list[dict[str, Any]] = []
    with suppress(asyncio.CancelledError):
        while True:
            with suppress(httpx.HTTPError):
                acknowledged.append(await create(client, target, f"/new/{len(acknowledged)}"))
            await asyncio.sleep(0.1)
    return acknowledged
