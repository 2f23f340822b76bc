"""Runs through GraphQL."""

from datetime import timedelta
from typing import Any

from db.models import utc_now
from db.states import BodyEncoding, RunCause, RunState
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of

RUN = """
query ($id: ID!) { run(id: $id) {
  id taskVersion cause state scheduledFor startedAt finishedAt latenessMs success statusCode
  responseBody responseBodyEncoding responseTruncated errorMessage durationMs missedCount missedSince
  task { id name }
  action { method url headers { name value } payload timeoutMs redirects }
  attempts { number startedAt finishedAt durationMs statusCode errorMessage nextAttemptAt }
  responseHeaders { name value }
} }
"""


def text(instant: Any) -> str:
    """Return an instant as GraphQL writes it."""
    written: str = instant.isoformat().replace("+00:00", "Z")
    return written


async def shown(api: Api, state: RunState, **columns: Any) -> dict[str, Any]:
    """Return a run of a new task, as GraphQL shows it."""
    task = every("http://localhost/x", HOUR, utc_now() + HOUR, name="shown", payload=[1], headers={"A": "b"})
    run = run_of(task, scheduled_for=ago(1), state=state, **columns)
    await save(api.engine, task)
    await save(api.engine, run)
    found: dict[str, Any] = (await api.data(RUN, id=str(run.id)))["run"]
    assert found.pop("id") == str(run.id)
    assert found.pop("task") == {"id": str(task.id), "name": "shown"}
    return found


async def test_finished_run_is_shown_whole(api: Api) -> None:
    """Every field of a run with two attempts that was late and stands for missed instants is shown."""
    due = ago(1) + timedelta(seconds=2)
    began, again = due + timedelta(microseconds=7_900), due + timedelta(seconds=5)
    attempts = [
        {
            "number": 1,
            "started_at": began.isoformat(),
            "finished_at": (began + timedelta(milliseconds=30)).isoformat(),
            "duration_ms": 30,
            "status_code": None,
            "error_message": "refused",
            "next_attempt_at": again.isoformat(),
        },
        {
            "number": 2,
            "started_at": again.isoformat(),
            "finished_at": (again + timedelta(milliseconds=12)).isoformat(),
            "duration_ms": 12,
            "status_code": 204,
            "error_message": None,
            "next_attempt_at": None,
        },
    ]
    found = await shown(
        api,
        RunState.SUCCEEDED,
        cause=RunCause.SCHEDULE,
        task_version=3,
        due_at=due,
        run_at=began,
        finished_at=again + timedelta(milliseconds=12),
        attempt=2,
        attempts=attempts,
        status_code=204,
        response_headers=[["Set-Cookie", "a"], ["Set-Cookie", "b"]],
        response_body="aGk=",
        body_encoding=BodyEncoding.BASE64,
        body_truncated=True,
        duration_ms=12,
        missed_count=4,
        missed_since=ago(5),
    )
    assert found == {
        "taskVersion": 3,
        "cause": "SCHEDULE",
        "state": "SUCCEEDED",
        "scheduledFor": text(ago(1)),
        "startedAt": text(began),
        "finishedAt": text(again + timedelta(milliseconds=12)),
        "latenessMs": 7,
        "success": True,
        "statusCode": 204,
        "responseHeaders": [{"name": "Set-Cookie", "value": "a"}, {"name": "Set-Cookie", "value": "b"}],
        "responseBody": "aGk=",
        "responseBodyEncoding": "BASE64",
        "responseTruncated": True,
        "errorMessage": None,
        "durationMs": 12,
        "missedCount": 4,
        "missedSince": text(ago(5)),
        "action": {
            "method": "GET",
            "url": "http://localhost/x",
            "headers": [{"name": "A", "value": "b"}],
            "payload": [1],
            "timeoutMs": 30_000,
            "redirects": 0,
        },
        "attempts": [
            {
                "number": 1,
                "startedAt": text(began),
                "finishedAt": text(began + timedelta(milliseconds=30)),
                "durationMs": 30,
                "statusCode": None,
                "errorMessage": "refused",
                "nextAttemptAt": text(again),
            },
            {
                "number": 2,
                "startedAt": text(again),
                "finishedAt": text(again + timedelta(milliseconds=12)),
                "durationMs": 12,
                "statusCode": 204,
                "errorMessage": None,
                "nextAttemptAt": None,
            },
        ],
    }


async def test_running_run_shows_the_attempt_on_its_way(api: Api) -> None:
    """A running attempt has started and has not ended."""
    found = await shown(api, RunState.RUNNING, attempt=2)
    [attempt] = found["attempts"]
    assert (attempt["number"], attempt["startedAt"], attempt["finishedAt"]) == (2, text(ago(1)), None)
    assert (found["success"], found["finishedAt"], found["durationMs"]) == (None, None, None)


async def test_run_that_was_never_attempted(api: Api) -> None:
    """A run without an attempt has no start and no lateness, and neither succeeded nor failed."""
    found = await shown(api, RunState.SKIPPED)
    assert (found["startedAt"], found["latenessMs"], found["success"], found["attempts"]) == (None, None, None, [])
    assert found["finishedAt"] is not None


async def test_headers_that_were_kept_as_an_object(api: Api) -> None:
    """Imported rows have headers by name, some with several values."""
    found = await shown(api, RunState.FAILED, response_headers={"A": "1", "B": ["2", "3"]})
    pairs = [(header["name"], header["value"]) for header in found["responseHeaders"]]
    assert pairs == [("A", "1"), ("B", "2"), ("B", "3")]
    assert found["success"] is False


async def test_last_run_is_the_one_scheduled_last(api: Api) -> None:
    """The last run is the one scheduled last, in whatever order runs were written."""
    task = every("http://localhost/", HOUR, utc_now() + HOUR)
    newest = run_of(task, scheduled_for=ago(1), state=RunState.RETRYING)
    await save(api.engine, task)
    await save(api.engine, newest, run_of(task, scheduled_for=ago(2)))
    found = await api.data("query ($id: ID!) { task(id: $id) { lastRun { id state } } }", id=str(task.id))
    assert found["task"]["lastRun"] == {"id": str(newest.id), "state": "RETRYING"}
