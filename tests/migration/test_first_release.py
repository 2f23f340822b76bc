"""A service of release 0.1.0 is upgraded while it works: its database, its keys and its secrets; nothing is lost."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from db.settings import DatabaseSettings
from db.states import RunState
from tests.support.command import duetime, duetime_in_process
from tests.support.engine import opened, runs_of
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.release import FIRST, unpacked
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

EVERY = timedelta(seconds=1)
TASKS = 20
SECRET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
TASK = """query ($id: ID!) { task(id: $id) {
    name status tags trigger { __typename ... on CronTrigger { expression timezone jitterMs } }
    action { method url payload headers { name value } } retry { maxAttempts } overlap misfire
} }"""
WORKERS = "{ workers { version alive } }"
WITHIN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the program, and where its API listens."""

    name: str
    environment: Mapping[str, str]
    folder: Path

    async def command(self, *arguments: str) -> str:
        """Run a command, and return what it prints."""
        ended = await asyncio.to_thread(duetime, *arguments, cwd=self.folder, environment=self.environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def client(self, key: str) -> httpx.AsyncClient:
        """Return a client of its API."""
        url = f"http://127.0.0.1:{self.environment['PORT']}"
        return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=20)

    @asynccontextmanager
    async def running(self, *commands: str) -> AsyncIterator[list[ServiceProcess]]:
        """Run processes until the block ends, apart from those that are stopped before."""
        processes = [
            ServiceProcess(
                command, environment=self.environment, cwd=self.folder, name=f"{self.name} {command} {number}"
            )
            for number, command in enumerate(commands)
        ]
        for process in processes:
            process.start()
        try:
            yield processes
        finally:
            for process in processes:
                if process.alive:
                    await process.stop()


async def ask(http: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    """Execute an operation and return the value of its one field."""
    answer = (await http.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


async def has_workers(http: httpx.AsyncClient) -> bool:
    """Return whether the API takes the key and has workers."""
    try:
        return (await http.get("/api/v1/tasks")).is_success and bool((await http.get("/health")).json()["workers"])
    except httpx.TransportError:
        return False


async def make_tasks(http: httpx.AsyncClient, url: str) -> tuple[list[str], str]:
    """Create tasks that are due every second, and one that never is here. Return their ids."""
    secret = {"name": "X-Token", "value": "s3cret", "secret": True}
    action = {"method": "POST", "url": url, "payload": {"n": 2**60}, "headers": [secret]}
    often = {"trigger": {"interval": {"everyMs": EVERY // timedelta(milliseconds=1)}}, "action": action}
    rare = {
        "name": "rare",
        "trigger": {"cron": {"expression": "30 2 29 2 *", "timezone": "Europe/Berlin", "jitterMs": 1000}},
        "action": action,
        "tags": ["a", "b"],
        "retry": {"maxAttempts": 7},
        "overlap": "QUEUE",
        "misfire": "ALL",
    }
    ids = [(await ask(http, CREATE, input={"name": f"often {n}", **often}))["id"] for n in range(TASKS)]
    return ids, (await ask(http, CREATE, input=rare))["id"]


async def calls_go_on(target: Target, what: str) -> None:
    """Wait until each task has called three times more."""
    number = len(target.calls)
    await wait_until(lambda: len(target.calls) >= number + 3 * TASKS, what=what, within=WITHIN)


@pytest.mark.timeout(300)
async def test_an_upgrade_under_load(empty: DatabaseSettings, redis_url: str, target: Target, tmp_path: Path) -> None:
    """Workers and APIs of both versions work beside each other. No instant is lost, and no call is made twice."""
    settings = {
        "DATABASE_URL": str(empty.database_url),
        "REDIS_URL": redis_url,
        "DUETIME_SECRET_KEY": SECRET_KEY,
        "DUETIME_AUTH": "keys",
    }
    code = await asyncio.to_thread(unpacked, FIRST, tmp_path / "release")
    of_release = settings | {"PYTHONPATH": str(code), "PORT": str(free_port())}
    old = Version(name="old", environment=of_release, folder=tmp_path)
    assert "to 0011" in await old.command("migrate")
    key = (await old.command("keys", "create", "--name", "ops", "--scope", "admin")).split()[-1]
    async with old.running("api", "worker") as old_processes, old.client(key) as http:
        await wait_until(lambda: has_workers(http), what="the release is ready", within=WITHIN)
        ids, rare = await make_tasks(http, target.responds("/hook", CannedResponse()))
        before = await ask(http, TASK, id=rare)
        await calls_go_on(target, "the old workers make calls")
        # Another program may take a port that was free long ago.
        new = Version(name="new", environment=settings | {"PORT": str(free_port())}, folder=tmp_path)
        migrated = await asyncio.to_thread(duetime_in_process, "migrate", cwd=tmp_path, environment=settings)
        assert migrated.stdout.startswith("Migrated the database from revision 0011 to "), migrated
        async with new.running("api", "worker") as processes, new.client(key) as new_http:
            await wait_until(lambda: has_workers(new_http), what="the new API is ready", within=WITHIN)

            async def new_worker_works() -> bool:
                assert all(process.alive for process in processes), [process.log_tail() for process in processes]
                return any(worker["version"] and worker["alive"] for worker in await ask(new_http, WORKERS))

            await wait_until(new_worker_works, what="the new worker works", within=WITHIN)
            await calls_go_on(target, "calls go on with both versions")
            for process in old_processes:
                await process.stop()
            await calls_go_on(target, "calls go on with the new version alone")
            assert await ask(new_http, TASK, id=rare) == before
            page = (await new_http.get("/api/v1/results", params={"limit": 1})).json()
    assert page["pagination"]["total"] >= 9 * TASKS
    # An attempt that its worker gave up before the call is another attempt afterwards, so each one calls once at most.
    attempts = Counter((call.headers["idempotency-key"], call.headers["x-duetime-attempt"]) for call in target.calls)
    assert attempts.most_common(1)[0][1] == 1
    assert {call.headers["x-token"] for call in target.calls} == {"s3cret"}
    assert {json.loads(call.body)["n"] for call in target.calls} == {2**60}
    async with opened(empty) as engine:
        for task_id in ids:
            runs = sorted(await runs_of(engine, UUID(task_id)), key=lambda run: run.scheduled_for)
            assert {run.state for run in runs} <= {RunState.SUCCEEDED, RunState.SKIPPED}
            for earlier, later in pairwise(runs):
                assert later.scheduled_for - earlier.scheduled_for == (later.missed_count + 1) * EVERY
