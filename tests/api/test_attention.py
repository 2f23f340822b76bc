"""What needs attention: tasks that fail, are late, have no finished run, or paused themselves."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from db.models import Task, utc_now
from db.states import RunState, TaskStatus
from graphql_api import instants
from jobs.maintenance.statistics import count_ended_runs
from jobs.security.api_keys import DUETIME
from tests.support.engine import every, one_off, save
from tests.support.graphql import Api
from tests.support.history import HOUR, end, run_of

QUERY = """query ($first: Int!) {
    attention(first: $first) { task { name } reason since message failures run { id } }
}"""
MINUTE = timedelta(minutes=1)


async def shown(api: Api, first: int = 50) -> list[dict[str, Any]]:
    """Return what needs attention, as a list of flat items."""
    found: list[dict[str, Any]] = (await api.data(QUERY, first=first))["attention"]
    return [item | {"task": item["task"]["name"], "run": item["run"] and item["run"]["id"]} for item in found]


async def test_attention(api: Api) -> None:
    """Each task is shown once, for its worst reason, with since when and why, until it is well again."""
    now = utc_now()

    def task(name: str, **columns: Any) -> Task:
        made = every("http://host/", HOUR, now + HOUR, name=name)
        for column, value in columns.items():
            setattr(made, column, value)
        return made

    stopped = {"status": TaskStatus.PAUSED, "next_run": None, "due_at": None, "paused_at": now - 3 * MINUTE}
    paused = task("paused itself", paused_by=DUETIME, failures=2, **stopped)
    by_hand = task("paused by hand", paused_by="ops", **stopped)
    unclaimed = task("unclaimed", next_run=now - 9 * MINUTE, due_at=now - 9 * MINUTE)
    hangs, failing, failed_later, late, missed, well, young = map(
        task, ("hangs", "failing", "failed later", "late", "missed", "well", "young")
    )
    ended = one_off("http://host/", now - 4 * MINUTE, name="ended long ago", next_run=None, due_at=None)
    ended.status = TaskStatus.COMPLETED
    tasks = [paused, by_hand, unclaimed, hangs, failing, failed_later, late, missed, well, young, ended]
    await save(api.engine, *tasks)

    def ran(of: Task, minutes: float, state: RunState = RunState.FAILED, **columns: Any) -> Any:
        return run_of(of, scheduled_for=now - minutes * MINUTE, state=state, error_message="no luck", **columns)

    old, second, third = (ran(failing, minutes) for minutes in (8, 7, 6))
    late_run = ran(late, 5, RunState.SUCCEEDED, run_at=now - 4 * MINUTE)
    await end(api.engine, ran(failing, 9, RunState.SUCCEEDED), old, ran(paused, 5), ran(ended, 4))
    await count_ended_runs(api.engine)
    await end(api.engine, second, ran(failed_later, 5), ran(well, 5), ran(well, 4, RunState.SUCCEEDED))
    await end(api.engine, third, ran(failing, 3, RunState.SKIPPED), late_run, ran(missed, 2, RunState.MISSED))
    waiting = ran(hangs, 5, RunState.RUNNING)
    await save(api.engine, waiting, ran(young, 0.5, RunState.RUNNING))
    await count_ended_runs(api.engine)
    async with api.engine.begin() as connection:
        long_ago = {"id": ended.id, "ended_at": now - 48 * HOUR}
        await connection.execute(text("UPDATE tasks SET ended_at = :ended_at WHERE id = :id"), long_ago)
    found = await shown(api)
    assert [(item["task"], item["reason"], item["failures"]) for item in found] == [
        ("paused itself", "PAUSED_BY_FAILURES", 2),
        ("unclaimed", "ABSENT", None),
        ("hangs", "ABSENT", None),
        ("missed", "ABSENT", None),
        ("failing", "FAILING", 3),
        ("failed later", "FAILING", 1),
        ("late", "LATE", None),
    ]
    by_task = {item["task"]: item for item in found}
    assert by_task["paused itself"]["message"] == "The task paused itself after 2 runs failed: no luck"
    assert by_task["failing"]["message"] == "The last 3 runs failed: no luck"
    assert by_task["failed later"]["message"] == "The last run failed: no luck"
    assert by_task["late"]["message"] == "The last run began more than 10 s late"
    assert by_task["unclaimed"]["message"].startswith("No run has started, although one was due at ")
    assert by_task["hangs"]["message"].endswith("has not finished")
    assert by_task["missed"]["message"].endswith("was missed")
    assert instants.parse(by_task["failing"]["since"]) == old.finished_at
    assert (by_task["failing"]["run"], by_task["late"]["run"]) == (str(third.id), str(late_run.id))
    assert (by_task["hangs"]["run"], by_task["unclaimed"]["run"]) == (str(waiting.id), None)
    assert await shown(api, 2) == found[:2]
    await end(api.engine, *(ran(each, 1, RunState.SUCCEEDED) for each in (failing, late, missed)))
    await count_ended_runs(api.engine)
    assert [item["task"] for item in await shown(api)] == ["paused itself", "unclaimed", "hangs", "failed later"]
    for first in (0, 101):
        assert await api.code(QUERY, first=first) == "INVALID_PAGE"
