"""REST beyond the old service: pause, resume, run, retry, cancel, preview, and a run in any state."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from db.models import Run, utc_now
from db.settings import DatabaseSettings
from db.states import KeyScope, MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.keys import bearer, guarded, make_key
from tests.support.rest import CRON, RESULTS, TASKS, error, text
from tests.support.rows import hourly, run_in

RUNS = "/api/v1/runs"
ALWAYS = {
    *("id", "task_id", "state", "cause", "scheduled_for", "run_at", "attempt", "status_code", "success"),
    *("duration_ms", "created_at", "task"),
}


def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """Return the body of a success."""
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_pause_and_resume(api: Api) -> None:
    """A task is paused and resumed, also twice; what was missed is settled as the request says."""
    task = await hourly(api)
    for _ in range(2):
        paused = ok(await api.http.post(f"{TASKS}/{task.id}/pause"))
        assert (paused["status"], paused["state"]) == ("scheduled", "paused")
        assert "next_run" not in paused
    for body in (b"", b" ", b"{}", b'{"missed": null}', b'{"missed": "SKIP"}'):
        resumed = ok(await api.http.post(f"{TASKS}/{task.id}/resume", content=body))
        assert (resumed["state"], resumed["next_run"]) == ("scheduled", text(task.start_at or utc_now()))
    late = every("http://localhost/", HOUR, ago(3.5), status=TaskStatus.PAUSED, resume_from=ago(3.5))
    late.next_run = late.due_at = None
    await save(api.engine, late)
    ok(await api.http.post(f"{TASKS}/{late.id}/resume", json={"missed": "all"}))
    assert (await task_of(api.engine, late.id)).misfire_once == MisfirePolicy.ALL
    wrong = await api.http.post(f"{TASKS}/{task.id}/resume", json={"missed": "never"})
    assert error(wrong) == "missed must be one of latest, skip, all"
    assert error(await api.http.post(f"{TASKS}/{task.id}/resume", content=b"[")).startswith("The request body is not")


async def test_run_now(api: Api) -> None:
    """A run is requested with a body and headers of its own. Repeated with its key, it is the same run."""
    task = await hourly(api)
    made = ok(await api.http.post(f"{TASKS}/{task.id}/run"), 201)
    assert made.keys() == ALWAYS | {"next_attempt_at"}
    assert (made["state"], made["cause"], made["attempt"], made["success"]) == ("queued", "manual", 0, None)
    assert made["task"]["id"] == made["task_id"] == str(task.id)
    given = {"payload": {"n": 10**30}, "headers": {"X-Own": "1"}}
    key = {"idempotency-key": "once"}
    twice = [ok(await api.http.post(f"{TASKS}/{task.id}/run", json=given, headers=key), 201) for _ in range(2)]
    assert twice[0]["id"] == twice[1]["id"] != made["id"]
    async with api.services.session() as session:
        row = await session.get(Run, UUID(twice[0]["id"]))
    assert row is not None
    assert row.input_headers == [["X-Own", "1"]]
    assert str(10**30) in str(row.input_body)
    other = await api.http.post(f"{TASKS}/{task.id}/run", json={"body": "x"}, headers=key)
    assert "was used before, with another input" in error(other, 409)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"payload": 1, "body": "x"}, "payload"),
        ({"body": 1}, "body must be a string"),
        ({"form": {}}, "form must be an array of fields, each with a name and a value"),
        ({"headers": {"Authorization": "x"}}, "headers.Authorization: Authorization is secret"),
        ({"headers": {"a b": "x"}}, "headers.a b: "),
        ({"headers": {"X": 1}}, "headers must be an object of strings"),
        ([], "The request body must be a JSON object"),
    ],
)
async def test_what_is_wrong_with_an_input_is_told(api: Api, given: Any, message: str) -> None:
    """An input that cannot be sent is refused by the name of its member."""
    task = await hourly(api)
    assert message in error(await api.http.post(f"{TASKS}/{task.id}/run", json=given))


async def test_a_run_is_shown_in_any_state(api: Api) -> None:
    """A finished run has all that its result has, and an unfinished one what there is so far."""
    task = await hourly(api)
    done = await run_in(
        api, task, RunState.SUCCEEDED, status_code=200, duration_ms=40, response_body="ok", created_at=ago(1)
    )
    shown = ok(await api.http.get(f"{RUNS}/{done.id}"))
    [result] = ok(await api.http.get(f"{TASKS}/{task.id}/results"))["results"]
    assert shown.keys() == ALWAYS | {"finished_at", "response_body"}
    assert {name: shown[name] for name in result} == result
    assert shown["created_at"] == shown["finished_at"]
    missed = run_of(task, scheduled_for=ago(2), state=RunState.MISSED, missed_count=3, missed_since=ago(5))
    retrying = run_of(task, scheduled_for=ago(4), state=RunState.RETRYING, attempt=2, error_message="refused")
    await save(api.engine, missed, retrying)
    found = ok(await api.http.get(f"{RUNS}/{missed.id}"))
    assert (found["state"], found["success"], found["missed_count"]) == ("missed", None, 3)
    assert found["missed_since"] == text(ago(5))
    found = ok(await api.http.get(f"{RUNS}/{retrying.id}"))
    assert (found["state"], found["attempt"], found["error_message"]) == ("retrying", 2, "refused")
    assert "next_attempt_at" in found


async def test_retry_and_cancel(api: Api) -> None:
    """A finished run is repeated, once under a key, and a waiting one is cancelled. The other way round is a 409."""
    task = await hourly(api, overlap=OverlapPolicy.ALLOW)
    failed = await run_in(api, task, RunState.FAILED)
    key = {"idempotency-key": "again"}
    retried = [ok(await api.http.post(f"{RUNS}/{failed.id}/retry", headers=key), 201) for _ in range(2)]
    assert retried[0]["id"] == retried[1]["id"]
    assert (retried[0]["cause"], retried[0]["retry_of"]) == ("retry", str(failed.id))
    refused = await api.http.post(f"{RUNS}/{retried[0]['id']}/retry")
    assert error(refused, 409) == "A run that is queued cannot be retried before it has finished"
    cancelled = ok(await api.http.post(f"{RUNS}/{retried[0]['id']}/cancel"))
    assert (cancelled["state"], cancelled["success"]) == ("cancelled", None)
    refused = await api.http.post(f"{RUNS}/{failed.id}/cancel")
    assert error(refused, 409) == "A run that is failed cannot be cancelled: it has ended"


async def test_preview(api: Api) -> None:
    """The instants of a trigger are computed as for a new task, and nothing is created."""
    trigger = {"type": "cron", "cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
    asked = {"trigger": trigger, "count": 2, "after": "2100-01-01T08:00:00Z"}
    found = ok(await api.http.post(f"{TASKS}/preview", json=asked))
    assert found["instants"] == ["2100-01-04T08:00:00Z", "2100-01-05T08:00:00Z"]
    assert found["description"]
    assert len(ok(await api.http.post(f"{TASKS}/preview", json={"trigger": trigger}))["instants"]) == 5
    delayed = {"trigger": {"type": "one-off", "delay_ms": 60_000}}
    [instant] = ok(await api.http.post(f"{TASKS}/preview", json=delayed))["instants"]
    assert timedelta(seconds=50) < datetime.fromisoformat(instant) - utc_now() < timedelta(seconds=61)
    for given, message in (
        ({}, "trigger is required"),
        ({"trigger": {"type": "cron"}}, "cron expression is required for cron triggers"),
        ({"trigger": {"type": "cron", "cron": "61 * * * *"}}, "invalid cron expression: minute: '61' is out of range"),
        ({"trigger": {"type": "one-off", "datetime": "2001-01-01T00:00:00Z"}}, "datetime must be in the future"),
        ({"trigger": trigger, "count": 101}, "count must be from 0 to 100, not 101"),
        ({"trigger": trigger, "count": "2"}, "count must be a whole number"),
        ({"trigger": trigger, "after": "today"}, "after: "),
    ):
        assert message in error(await api.http.post(f"{TASKS}/preview", json=given))
    assert ok(await api.http.get(TASKS))["tasks"] == []


async def test_ids(api: Api) -> None:
    """A malformed id is a 400 and an unknown one a 404, each by its kind; another method is a 405."""
    for path in ("pause", "resume", "run"):
        assert error(await api.http.post(f"{TASKS}/1/{path}")) == "Invalid task ID"
        assert error(await api.http.post(f"{TASKS}/{uuid4()}/{path}"), 404) == "Task not found"
        assert error(await api.http.get(f"{TASKS}/{uuid4()}/{path}"), 405).endswith("takes POST, not GET")
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/cancel")):
        assert error(await api.http.request(method, f"{RUNS}/1{path}")) == "Invalid run ID"
        assert error(await api.http.request(method, f"{RUNS}/{uuid4()}{path}"), 404) == "Run not found"


async def test_ended_tasks_stay_ended(api: Api) -> None:
    """A task whose schedule has ended can be neither paused nor resumed, and can be run."""
    task = await hourly(api, status=TaskStatus.CANCELLED, next_run=None, due_at=None)
    for path in ("pause", "resume"):
        assert "cancelled" in error(await api.http.post(f"{TASKS}/{task.id}/{path}"), 409)
    ok(await api.http.post(f"{TASKS}/{task.id}/run"), 201)


async def test_a_key_that_may_only_read(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """A key with the scope read may preview a trigger and see a run, and change nothing."""
    async with guarded(database, jobs_settings) as api:
        task = await hourly(api)
        run = await run_in(api, task, RunState.FAILED)
        reading = bearer(await make_key(api.engine, "reader", scope=KeyScope.READ))
        preview = {"trigger": CRON["trigger"]}
        ok(await api.http.post(f"{TASKS}/preview", json=preview, headers=reading))
        ok(await api.http.get(f"{RUNS}/{run.id}", headers=reading))
        for path in (
            *(f"{TASKS}/{task.id}/{change}" for change in ("pause", "resume", "run")),
            *(f"{RUNS}/{run.id}/{change}" for change in ("retry", "cancel")),
        ):
            assert "may only read" in error(await api.http.post(path, headers=reading), 403)
            assert "key is needed" in error(await api.http.post(path), 401)


async def test_next_run_has_not_passed(api: Api) -> None:
    """While no worker runs, a task shows the next instant to come; a last one that waits for its run is still shown."""
    hourly_since = ago(3.5)
    overdue = [
        every("http://localhost/", HOUR, hourly_since, name="b", misfire=policy, next_run=hourly_since, due_at=due)
        for policy in MisfirePolicy
        for due in (hourly_since, None)
    ]
    once = one_off("http://localhost/", ago(1))
    await save(api.engine, *overdue, once)
    shown = {each["id"]: each for each in ok(await api.http.get(f"{TASKS}?limit=100"))["tasks"]}
    for task in overdue:
        coming = datetime.fromisoformat(shown[str(task.id)]["next_run"]) - utc_now()
        assert timedelta(0) < coming <= HOUR, task.misfire
    assert shown[str(once.id)]["next_run"] == text(ago(1))


async def test_a_result_is_as_old_as_its_storing(api: Api) -> None:
    """`created_at` of a result is when it was stored: at the end of the run, or as the old service has it."""
    task = await hourly(api)
    await run_in(api, task, RunState.SUCCEEDED, created_at=ago(1))
    imported = run_of(task, scheduled_for=ago(2), created_at=ago(1.5))
    await save(api.engine, imported)
    results = ok(await api.http.get(RESULTS))["results"]
    assert [each["created_at"] for each in results] == [text(ago(1) + timedelta(milliseconds=40)), text(ago(1.5))]
