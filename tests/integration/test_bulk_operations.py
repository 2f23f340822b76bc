"""Operations on many tasks or runs: by a filter, in chunks, watched, cancelled, and over the death of workers."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.settings import DatabaseSettings
from db.states import RunState
from jobs.settings import JobsSettings
from jobs.tasks import bulk
from tests.support.engine import every, save, working
from tests.support.graphql import Api, serving
from tests.support.history import HOUR, ago, run_of
from tests.support.processes import ServiceProcess
from tests.support.waiting import wait_until

MEMBERS = "id action state dryRun total done succeeded refused problems { id message } createdAt finishedAt actor"
FIELDS = f"""__typename
  ... on BulkOperation {{ {MEMBERS} }}
  ... on Error {{ message }}"""
BULK = f"""mutation ($action: BulkAction!, $tasks: TaskFilter, $runs: RunFilter, $dryRun: Boolean! = false) {{
  bulk(action: $action, tasks: $tasks, runs: $runs, dryRun: $dryRun) {{
    {FIELDS} ... on InvalidInput {{ problems {{ path message }} }}
  }}
}}"""
READ = f"query ($id: ID!) {{ bulkOperation(id: $id) {{ {MEMBERS} }} }}"
CANCEL = f"""mutation ($id: ID!) {{ cancelBulkOperation(id: $id) {{
  {FIELDS} ... on Conflict {{ reason }}
}} }}"""
WATCH = "subscription ($id: ID!) { bulkProgress(id: $id) { state total done } }"
LIST = "query ($first: Int!) { bulkOperations(first: $first) { id } }"
MAKE = text("""
INSERT INTO tasks (id, name, trigger_type, every_ms, start_at, method, url, host, next_run, due_at, tags, max_attempts)
SELECT gen_random_uuid(), 'task ' || n, 'interval', 60000, now(), 'GET', 'http://127.0.0.1:9/', '127.0.0.1:9',
       now() + interval '1 day', now() + interval '1 day', ARRAY['many'], 1
FROM generate_series(1, :number) n
""")
LOCK_ONE = text("SELECT FROM tasks WHERE id = (SELECT id FROM tasks ORDER BY id OFFSET 300 LIMIT 1) FOR UPDATE")
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
MANY = {"tags": ["many"]}


async def make_tasks(engine: AsyncEngine, number: int) -> None:
    """Insert tasks that are due in a day."""
    async with engine.begin() as connection:
        await connection.execute(MAKE, {"number": number})


async def count(engine: AsyncEngine, condition: str) -> int:
    """Return a number that a statement selects."""
    async with engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {condition}"))).scalar_one())


async def started(api: Api, action: str, **given: Any) -> dict[str, Any]:
    """Return what `bulk` answers."""
    found: dict[str, Any] = (await api.data(BULK, action=action, **given))["bulk"]
    return found


async def read(api: Api, operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation in its present state."""
    found: dict[str, Any] = (await api.data(READ, id=operation["id"]))["bulkOperation"]
    return found


async def finished(api: Api, operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation when it has ended."""

    async def ended() -> dict[str, Any]:
        found = await read(api, operation)
        return found if found["state"] != "RUNNING" else {}

    return await wait_until(ended, what="the operation has ended", within=30)


async def test_many_tasks_are_paused_while_somebody_watches(
    database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """A thousand tasks are counted, paused with an entry each, and watched to the end; what is refused says why."""
    async with serving(database, jobs_settings) as api:
        await make_tasks(api.engine, 1_000)
        ended = every("http://localhost/", HOUR, ago(1), tags=["many"], status="cancelled", next_run=None, due_at=None)
        other = every("http://localhost/", HOUR, ago(-1))
        await save(api.engine, ended, other)
        counted = await started(api, "PAUSE", tasks=MANY, dryRun=True)
        assert (counted["state"], counted["dryRun"], counted["total"], counted["done"]) == ("COMPLETED", True, 1_001, 0)
        assert (await api.data(LIST, first=5))["bulkOperations"] == []
        operation = await started(api, "PAUSE", tasks=MANY)
        assert (operation["state"], operation["total"], operation["actor"]) == ("RUNNING", 1_001, "anybody")
        async with api.socket() as socket, working(database, jobs_settings):
            watching = await socket.subscribe(WATCH, id=operation["id"])
            seen = [await watching.next()]
            while seen[-1]["state"] == "RUNNING":
                seen.append(await watching.next())
            assert (await watching.message())["type"] == "complete"
        assert seen[0]["done"] == 0
        assert [each["done"] for each in seen] == sorted({each["done"] for each in seen})
        found = await read(api, operation)
        assert (found["state"], found["done"], found["succeeded"], found["refused"]) == ("COMPLETED", 1_001, 1_000, 1)
        [problem] = found["problems"]
        assert problem["id"] == str(ended.id)
        assert "cannot be paused" in problem["message"]
        assert found["finishedAt"] >= found["createdAt"]
        assert await count(api.engine, "tasks WHERE status = 'paused' AND 'many' = ANY(tags)") == 1_000
        assert await count(api.engine, "tasks WHERE status = 'scheduled'") == 1
        assert await count(api.engine, "audit_log WHERE action = 'pauseTask' AND key_name = 'anybody'") == 1_000
        assert await count(api.engine, "audit_log WHERE action = 'bulk'") == 1
        assert await count(api.engine, "bulk_chunks") == 0
        assert (await api.data(CANCEL, id=operation["id"]))["cancelBulkOperation"]["reason"] == "WRONG_STATE"
        node = await api.data("query ($id: ID!) { node(id: $id) { __typename id } }", id=operation["id"])
        assert node["node"] == {"__typename": "BulkOperation", "id": operation["id"]}


async def test_what_is_refused_or_cancelled(
    database: DatabaseSettings, jobs_settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action takes its own filter only; a cancelled operation does nothing more; numbers are bounded."""
    async with serving(database, jobs_settings) as api:
        nothing_given: dict[str, Any] = {}
        for action, given, paths in (
            ("PAUSE", nothing_given, [["tasks"]]),
            ("PAUSE", {"runs": {}}, [["tasks"], ["runs"]]),
            ("RETRY", {"tasks": {}}, [["runs"], ["tasks"]]),
            ("CANCEL_RUNS", {"runs": {}, "tasks": {}}, [["tasks"]]),
        ):
            refused = await started(api, action, **given)
            assert [problem["path"] for problem in refused["problems"]] == paths, action
        nothing = await started(api, "DELETE", tasks=MANY)
        assert (nothing["state"], nothing["total"]) == ("COMPLETED", 0)
        await make_tasks(api.engine, 3)
        monkeypatch.setattr(bulk, "MAX_ITEMS", 2)
        for dry_run in (True, False):
            [problem] = (await started(api, "DELETE", tasks={}, dryRun=dry_run))["problems"]
            assert problem["path"] == ["tasks"]
        monkeypatch.undo()
        monkeypatch.setattr(bulk, "MAX_UNFINISHED", 1)
        operation = await started(api, "DELETE", tasks={})
        assert await api.code(BULK, action="DELETE", tasks={}) == "LIMIT_EXCEEDED"
        cancelled = (await api.data(CANCEL, id=operation["id"]))["cancelBulkOperation"]
        assert cancelled.pop("__typename") == "BulkOperation"
        assert (cancelled["state"], cancelled["done"]) == ("CANCELLED", 0)
        assert await read(api, operation) == cancelled
        again = (await api.data(CANCEL, id=operation["id"]))["cancelBulkOperation"]
        assert again == {"__typename": "BulkOperation", **cancelled}
        assert (await api.data(CANCEL, id=str(uuid4())))["cancelBulkOperation"]["__typename"] == "NotFound"
        async with working(database, jobs_settings):
            last = await started(api, "CANCEL", tasks={"nameContains": "TASK 2"})
            assert (await finished(api, last))["succeeded"] == 1
        assert await count(api.engine, "tasks WHERE deleted_at IS NULL AND status = 'scheduled'") == 2
        assert [each["id"] for each in (await api.data(LIST, first=2))["bulkOperations"]] == [
            last["id"],
            cancelled["id"],
        ]
        assert await api.code(LIST, first=0) == "INVALID_PAGE"
        async with api.socket() as socket:
            [error] = (await (await socket.subscribe(WATCH, id=str(uuid4()))).message())["payload"]
            assert error["extensions"]["code"] == "INVALID_ID"


async def test_a_worker_is_woken(
    database: DatabaseSettings, jobs_settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that would look for operations in an hour only begins with one as soon as it is started."""
    monkeypatch.setattr("jobs.maintenance.bulk.UNASKED_EVERY", HOUR)
    monkeypatch.setattr("jobs.maintenance.look.LOOK_EVERY", HOUR)
    # A Redis that answers late, as on a busy machine, would leave the operation to the next look.
    for patience in ("jobs.tasks.transaction.PATIENCE", "jobs.queue.CONNECT_TIMEOUT", "jobs.queue.ANSWER_TIMEOUT"):
        monkeypatch.setattr(patience, HOUR)
    async with serving(database, jobs_settings) as api, working(database, jobs_settings):
        await make_tasks(api.engine, 3)
        await wait_until(lambda: count(api.engine, "workers"), what="the worker has started")
        for action in ("PAUSE", "RESUME"):
            assert (await finished(api, await started(api, action, tasks=MANY)))["succeeded"] == 3


async def test_runs_are_retried_and_cancelled(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Of the runs that a filter selects, finished ones are retried and unfinished ones cancelled."""
    async with serving(database, jobs_settings) as api:
        task = every("http://127.0.0.1:9/", HOUR, ago(-1), tags=["many"], overlap="allow", max_attempts=1)
        await save(api.engine, task)
        states = (RunState.FAILED, RunState.FAILED, RunState.SUCCEEDED)
        made = [run_of(task, scheduled_for=ago(n + 1), state=state) for n, state in enumerate(states)]
        waiting = run_of(task, scheduled_for=ago(9), state=RunState.RETRYING, next_attempt_at=ago(-1))
        await save(api.engine, *made, waiting)
        assert (await started(api, "RETRY", runs={}, dryRun=True))["total"] == 3
        assert (await started(api, "CANCEL_RUNS", runs={"states": ["FAILED"]}, dryRun=True))["total"] == 0
        async with working(database, jobs_settings):
            cancelled = await started(api, "CANCEL_RUNS", runs=MANY)
            assert (await finished(api, cancelled))["succeeded"] == 1
            retried = await started(api, "RETRY", runs={"states": ["FAILED"], **MANY})
            assert (await finished(api, retried))["succeeded"] == 2
        assert await count(api.engine, "task_results WHERE state = 'cancelled'") == 1
        assert await count(api.engine, "task_results WHERE cause = 'retry'") == 2


async def test_another_worker_goes_on_after_a_kill(
    database: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """A worker is killed in the middle of a chunk; the next one goes on, and each task ran exactly once."""
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": jobs_settings.redis}
    workers = [ServiceProcess("worker", environment=environment, cwd=tmp_path, name=f"worker-{n}") for n in range(2)]
    async with serving(database, jobs_settings) as api:
        await make_tasks(api.engine, 450)
        try:
            workers[0].start()
            await wait_until(lambda: count(api.engine, "workers"), what="the worker has started", within=30)
            async with api.engine.begin() as connection:
                # The second chunk waits for this task, so the worker dies in the middle of its transaction.
                await connection.execute(LOCK_ONE)
                operation = await started(api, "RUN", tasks=MANY)

                async def is_held_up() -> bool:
                    return bool((await connection.execute(WAITING)).scalar())

                await wait_until(is_held_up, what="the second chunk waits", within=30)
                assert (await read(api, operation))["done"] == 200
                await workers[0].kill()
            workers[1].start()
            found = await finished(api, operation)
        finally:
            for worker in workers:
                if worker.alive:
                    await worker.kill()
        assert (found["state"], found["done"], found["succeeded"]) == ("COMPLETED", 450, 450)
        assert await count(api.engine, "task_results") == 450
        assert await count(api.engine, "(SELECT DISTINCT task_id FROM task_results WHERE cause = 'manual') runs") == 450
        assert await count(api.engine, "audit_log WHERE action = 'runTask'") == 450
