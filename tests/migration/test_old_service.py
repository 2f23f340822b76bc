"""A database of the service before Duetime is imported completely, and the REST API serves its data."""

import asyncio
import base64
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.migration.conftest import load, scalar
from tests.support.command import duetime_in_process
from tests.support.engine import working
from tests.support.graphql import Api, serving
from tests.support.rest import RESULTS, TASKS
from tests.support.target import Target
from tests.support.waiting import wait_until


def task_id(number: int) -> str:
    """Return the id of a task of the dump."""
    return f"00000000-0000-4000-8000-{number:012x}"


async def run_migrate(
    database: DatabaseSettings, folder: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `duetime migrate`, and return what it printed."""
    given = {"DATABASE_URL": str(database.database_url)} | environment
    return await asyncio.to_thread(duetime_in_process, "migrate", cwd=folder, environment=given)


async def migrate(database: DatabaseSettings, folder: Path, **environment: str) -> str:
    """Run `duetime migrate`, which has to succeed, and return its output."""
    finished = await run_migrate(database, folder, **environment)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout + finished.stderr


async def shown(api: Api, number: int) -> dict[str, Any]:
    """Return a task of the dump as the REST API shows it."""
    found: dict[str, Any] = (await api.http.get(f"{TASKS}/{task_id(number)}")).json()
    return found


async def test_a_database_is_imported_completely_and_once(
    old: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """Tasks and results are as before, and a second migration imports nothing. The old tables are gone."""
    output = await migrate(old, tmp_path)
    assert "action=imported tasks=10 results=3" in output
    async with serving(old, jobs_settings) as api:
        await every_task_is_served_unchanged(api, old)
        await every_result_is_served_unchanged(api)
        await invalid_tasks_are_reported_by_id_and_kept(api, output)
    assert "action=imported" not in await migrate(old, tmp_path)
    assert await scalar(old, "SELECT to_regnamespace('duetime_old_service') IS NULL")
    assert await scalar(old, "SELECT count(*) FROM tasks") == 10


async def every_task_is_served_unchanged(api: Api, old: DatabaseSettings) -> None:
    """Tasks keep their ids, nulls become defaults where the API has none, and no recurring task is overdue."""
    now = utc_now()
    report = await shown(api, 1)
    assert report | {"next_run": ...} == {
        "id": task_id(1),
        "name": "Daily Report",
        "trigger_type": "cron",
        "method": "POST",
        "url": "http://localhost/post",
        "status": "scheduled",
        "state": "scheduled",
        "created_at": "2024-01-02T03:04:05.678901Z",
        "updated_at": "2024-01-03T00:00:00Z",
        "cron_expr": "0 9 * * *",
        "headers": {"Content-Type": "application/json"},
        "payload": '{"big": 123456789012345678901234567890, "exact": 1.10}',
        "next_run": ...,
    }
    assert await scalar(old, f"SELECT CAST(payload AS text) FROM tasks WHERE id = '{task_id(1)}'") == (
        '{"big": 123456789012345678901234567890, "exact": 1.10}'
    )
    assert now < datetime.fromisoformat(report["next_run"]) <= now + timedelta(days=1)
    assert report["next_run"].endswith("T09:00:00Z")
    bare = await shown(api, 2)
    assert (bare["method"], bare["cron_expr"]) == ("GET", "CRON_TZ=Europe/Berlin 30 6 * * 1-5")
    assert bare.keys().isdisjoint({"headers", "payload"})
    assert now - timedelta(minutes=1) < datetime.fromisoformat(bare["created_at"]) <= now
    assert bare["updated_at"] == bare["created_at"]
    often = await shown(api, 3)
    assert (often["trigger_type"], often["cron_expr"]) == ("cron", "@every 1h30m")
    assert now + timedelta(hours=1) < datetime.fromisoformat(often["next_run"]) <= now + timedelta(hours=1.5)
    assert often.keys().isdisjoint({"headers", "payload"})
    to_come = await shown(api, 4)
    assert to_come["trigger_time"] == to_come["next_run"] == "2100-01-01T00:00:00Z"
    done, cancelled = await shown(api, 6), await shown(api, 7)
    assert (done["status"], cancelled["status"]) == ("completed", "cancelled")
    assert "next_run" not in done
    assert "next_run" not in cancelled
    assert cancelled["payload"] == "[1]"
    listed = (await api.http.get(f"{TASKS}?limit=100")).json()
    assert listed["pagination"]["total"] == 10
    assert {task["id"] for task in listed["tasks"]} == {task_id(number) for number in range(1, 11)}


async def every_result_is_served_unchanged(api: Api) -> None:
    """Results keep their ids and tasks, and metrics count them."""
    found = (await api.http.get(RESULTS)).json()
    assert found["pagination"]["total"] == 3
    newest, first, empty = found["results"]
    task = await shown(api, 1)
    assert first == {
        "id": "00000000-0000-4000-9000-000000000001",
        "task_id": task_id(1),
        "run_at": "2024-01-31T09:00:00.250000Z",
        "status_code": 200,
        "success": True,
        "duration_ms": 41,
        "created_at": "2024-01-31T09:00:00.300000Z",
        "task": task,
        "response_headers": {"Content-Type": "text/plain"},
        "response_body": "ok",
    }
    assert newest == {
        "id": "00000000-0000-4000-9000-000000000002",
        "task_id": task_id(1),
        "run_at": "2024-02-01T09:00:00Z",
        "status_code": None,
        "success": False,
        "duration_ms": 3,
        "created_at": "2024-02-01T09:00:01Z",
        "task": task,
        "error_message": "connection refused",
    }
    assert (empty["success"], empty["duration_ms"]) == (False, None)
    assert empty["created_at"] == empty["run_at"]
    assert empty.keys().isdisjoint({"response_headers", "response_body", "error_message"})
    counted = (await api.http.get("/metrics")).json()
    assert counted == {
        "total_tasks_executed": 3,
        "successful_tasks": 1,
        "failed_tasks": 2,
        "success_rate_percent": 33.33,
        "average_execution_ms": 22,
        "tasks_per_minute": 0,
    }
    query = "query ($id: ID!) { task(id: $id) { runs(first: 9) { nodes { state attempts { number } } } } }"
    runs = (await api.data(query, id=task_id(1)))["task"]["runs"]["nodes"]
    assert [run["state"] for run in runs] == ["FAILED", "SUCCEEDED"]


async def invalid_tasks_are_reported_by_id_and_kept(api: Api, output: str) -> None:
    """An invalid task is reported by its id and kept, is never scheduled, and both APIs can show it."""
    for number, reason in (
        (8, "has a cron expression that cannot be used"),
        (9, "has no instant, so it is cancelled"),
        (10, "has the unknown status 'lost', so it is cancelled"),
        (10, "method: 'BREW' is not one of"),
        (10, "url: must begin with http:// or https://"),
        (10, "has headers that are not an object"),
    ):
        assert any(task_id(number) in line and reason in line for line in output.splitlines()), (reason, output)
    assert task_id(1) not in output
    for number in (8, 9, 10):
        task = await shown(api, number)
        assert task["status"] == "cancelled"
        assert "next_run" not in task
    query = """{ tasks(first: 20) { nodes { name trigger { __typename ... on CronTrigger { expression description }
        ... on OneOffTrigger { at } } upcoming(count: 1) action { url headers { name } } } } }"""
    assert len((await api.data(query))["tasks"]["nodes"]) == 10


async def test_unusual_rows_are_imported_and_listed(
    old: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """Rows with an id of zeros, instants beyond the calendar, headers of any type, or `?` for `*` are imported."""
    await load(
        old,
        f"""
        INSERT INTO tasks (id, name, trigger_type, trigger_time, cron_expr, method, url, headers, created_at) VALUES
        ('00000000-0000-0000-0000-000000000000', 'Zeros', 'cron', NULL, '0 9 ? * *', 'GET', 'http://localhost/',
         '{{"N": 5, "T": true, "L": ["a"]}}', '-infinity'),
        ('{task_id(32)}', 'Never', 'one-off', 'infinity', NULL, 'GET', 'http://localhost/', NULL, '20000-01-01');
        UPDATE tasks SET payload = '[1e4300]' WHERE id = '{task_id(32)}';
        INSERT INTO task_results (id, task_id, run_at, success, response_headers, created_at) VALUES
        ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '0044-03-15 BC', true, '[1]',
         'infinity')
        """,
    )
    output = await migrate(old, tmp_path)
    assert "action=imported tasks=12 results=4" in output
    for text in (
        'task=00000000-0000-0000-0000-000000000000 reason="has an instant before the year 1',
        f'task={task_id(32)} reason="has an instant before the year 1',
        f'task={task_id(32)} reason="has a payload that cannot be read (an integer has more than 4,300 digits)',
        'result=00000000-0000-0000-0000-000000000000 reason="has an instant before the year 1',
    ):
        assert text in output
    async with serving(old, jobs_settings) as api:
        tasks = {task["name"]: task for task in (await api.http.get(f"{TASKS}?limit=100")).json()["tasks"]}
        zeros, never = tasks["Zeros"], tasks["Never"]
        assert (zeros["cron_expr"], zeros["status"], zeros["created_at"]) == (
            "0 9 * * *",
            "scheduled",
            "0001-01-01T00:00:01Z",
        )
        assert zeros["headers"] == {"N": "5", "T": "true", "L": '["a"]'}
        assert never["status"] == "cancelled"
        assert "payload" not in never
        assert never["trigger_time"] == never["created_at"] == "9999-12-31T23:59:59Z"
        oldest = (await api.http.get(f"{RESULTS}?limit=100")).json()["results"][-1]
        assert (oldest["id"], oldest["run_at"]) == ("00000000-0000-0000-0000-000000000000", "0001-01-01T00:00:01Z")
        assert "response_headers" not in oldest


async def test_tasks_that_change_their_meaning_are_reported_and_go_on(
    old: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """Each is named with what its expression means now; tabs, and queries that have to be encoded, are imported."""
    url = "http://localhost/?q=a|b&r={c}"
    crons = ("0 0 */2 * 1", "0 0 1 * */2", "0 9 * * 1/2", "0\t9 * * 0/2", "0 9 * * 1-5")
    values = ", ".join(
        f"('{task_id(40 + place)}', 'Cron {place}', 'cron', '{cron}', 'GET', '{url}')"
        for place, cron in enumerate(crons)
    )
    await load(old, f"INSERT INTO tasks (id, name, trigger_type, cron_expr, method, url) VALUES {values}")
    output = await migrate(old, tmp_path)
    for number, meaning in (
        (40, "fires when both day fields match, and fired when one of them did"),
        (41, "fires when both day fields match, and fired when one of them did"),
        (42, "fires on Sunday, too, since a step runs up to 7"),
    ):
        assert any(task_id(number) in line and meaning in line for line in output.splitlines()), output
    assert task_id(43) not in output
    assert task_id(44) not in output
    async with serving(old, jobs_settings) as api:
        for number in range(40, 45):
            task = await shown(api, number)
            assert task["status"] == "scheduled"
            assert task["url"] == "http://localhost/?q=a%7Cb&r=%7Bc%7D"
        assert (await shown(api, 43))["cron_expr"] == "0 9 * * 0/2"


async def test_a_one_off_that_was_missed_runs_once(
    old: DatabaseSettings, jobs_settings: JobsSettings, target: Target, tmp_path: Path
) -> None:
    """A missed one-off runs once, and no other task catches up."""
    await migrate(old, tmp_path)
    keeping = jobs_settings.model_copy(update={"retention_days": 0, "retention_failed_days": 0})
    async with serving(old, jobs_settings) as api, working(old, keeping):

        async def done() -> bool:
            return bool((await shown(api, 5))["status"] == "completed")

        await wait_until(done, what="the missed task has run")
        found = (await api.http.get(f"{TASKS}/{task_id(5)}/results")).json()
        assert [result["success"] for result in found["results"]] == [True]
        assert len(target.calls) == 1
        assert (await api.http.get(RESULTS)).json()["pagination"]["total"] == 4


async def test_importing_secrets_needs_a_key(
    old: DatabaseSettings, jobs_settings: JobsSettings, tmp_path: Path
) -> None:
    """Without a key, the command changes nothing and says what to do; with one, secrets are stored encrypted."""
    await load(old, f"""UPDATE tasks SET headers = '{{"Authorization": "Bearer abc"}}' WHERE id = '{task_id(1)}'""")
    refused = await run_migrate(old, tmp_path)
    assert refused.returncode == 1
    assert "DUETIME_SECRET_KEY" in refused.stderr
    assert await scalar(old, "SELECT count(*) FROM tasks WHERE cron_expr IS NOT NULL") == 5
    key = base64.b64encode(bytes(range(32))).decode()
    await migrate(old, tmp_path, DUETIME_SECRET_KEY=key)
    assert await scalar(old, "SELECT count(*) FROM tasks WHERE CAST(headers AS text) LIKE '%abc%'") == 0
    async with serving(old, jobs_settings.model_copy(update={"secret_key": key})) as api:
        assert (await shown(api, 1))["headers"] == {"Authorization": "********"}


async def test_tables_of_other_software_are_not_touched(empty: DatabaseSettings, tmp_path: Path) -> None:
    """A database whose tables have the same names but belong to other software is refused."""
    await load(empty, "CREATE TABLE tasks (id int PRIMARY KEY, title text)")
    refused = await run_migrate(empty, tmp_path)
    assert refused.returncode == 1
    assert "is not a Duetime database" in refused.stderr
    assert "tasks.cron_expr" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert await scalar(empty, "SELECT to_regclass('alembic_version') IS NULL")
