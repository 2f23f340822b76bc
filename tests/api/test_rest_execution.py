"""From requests in the old service's documentation to their results: what its clients rely on when tasks run."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from db.models import utc_now
from tests.support.graphql import Api
from tests.support.rest import CRON, TASKS, text
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until


async def run(api: Api, action: dict[str, Any], **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a one-off task after its run, and its only result."""
    at = text(utc_now() + timedelta(seconds=1))
    made = await api.http.post(
        TASKS, json={"name": "once", "trigger": {"type": "one-off", "datetime": at}, **more, "action": action}
    )
    assert made.status_code == 201, made.text
    path = f"{TASKS}/{made.json()['id']}"

    async def ended() -> bool:
        return bool((await api.http.get(path)).json()["status"] == "completed")

    await wait_until(ended, what="the task is completed")
    [result] = (await api.http.get(f"{path}/results")).json()["results"]
    return (await api.http.get(path)).json(), result


@pytest.mark.usefixtures("worker")
async def test_a_one_off_is_completed_by_its_run(api: Api, target: Target) -> None:
    """A run completes its one-off, whether it succeeded or failed; the result has the response and the task."""
    good = target.responds("/good", CannedResponse(status=204, body=b"", headers={"X-A": "1"}))
    task, result = await run(api, {"method": "GET", "url": good})
    assert result["task"] == task
    assert "next_run" not in task
    assert (result["success"], result["status_code"]) == (True, 204)
    assert "response_body" not in result
    assert result["response_headers"]["X-A"] == "1"
    assert datetime.fromisoformat(result["run_at"]) >= datetime.fromisoformat(task["trigger_time"])
    bad = target.responds("/bad", CannedResponse(status=404, body=b"no"))
    task, result = await run(api, {"method": "GET", "url": bad}, retry={"initial_delay_ms": 1})
    assert (task["status"], result["success"], result["status_code"]) == ("completed", False, 404)
    assert result["response_body"] == "no"
    assert "404" in result["error_message"]
    assert len(target.calls_of("/bad")) == 3


@pytest.mark.usefixtures("worker")
async def test_no_answer_is_a_result_too(api: Api, target: Target) -> None:
    """Without a response the status is null and the error says why; `run_at` is the start of the first of three
    attempts.
    """
    gone = target.responds("/gone", CannedResponse(drops=True))
    _, result = await run(api, {"method": "GET", "url": gone}, retry={"initial_delay_ms": 1})
    assert (result["success"], result["status_code"]) == (False, None)
    assert result["error_message"]
    first, _, _ = target.calls_of("/gone")
    assert abs(first.at - datetime.fromisoformat(result["run_at"])) < timedelta(seconds=1)


@pytest.mark.usefixtures("worker")
async def test_what_a_call_carries(api: Api, target: Target) -> None:
    """A call has the old service's headers unless the task sets them, and a payload with any method."""
    payload = {"report_type": "täglich", "big": 12345678901234567890}
    await run(api, {"method": "delete", "url": f"{target.url}/plain", "payload": payload})
    own = {"user-agent": "mine", "content-type": "text/x"}
    await run(api, {"method": "POST", "url": f"{target.url}/own", "payload": payload, "headers": own})
    await run(api, {"method": "POST", "url": f"{target.url}/none"})
    [plain], [mine], [none] = (target.calls_of(path) for path in ("/plain", "/own", "/none"))
    assert plain.method == "DELETE"
    assert plain.headers["user-agent"] == "TaskScheduler/1.0"
    assert plain.headers["content-type"] == "application/json"
    assert plain.body.decode() == '{"report_type": "täglich", "big": 12345678901234567890}'
    assert {name: mine.headers[name] for name in own} == own
    assert "content-type" not in none.headers
    assert none.body == b""


@pytest.mark.usefixtures("worker")
async def test_redirects_are_followed(api: Api, target: Target) -> None:
    """Up to five redirects are followed."""
    there = target.responds("/there", CannedResponse(body=b"here"))
    away = target.responds("/away", CannedResponse(status=302, headers={"Location": there}))
    _, result = await run(api, {"method": "GET", "url": away})
    assert (result["status_code"], result["response_body"]) == (200, "here")


@pytest.mark.usefixtures("worker")
async def test_cron_tasks_really_run(api: Api, target: Target) -> None:
    """Cron tasks run on time, and repeatedly."""
    every_second = CRON | {
        "trigger": {"type": "cron", "cron": "@every 1s"},
        "action": {"method": "GET", "url": target.url},
    }
    task = (await api.http.post(TASKS, json=every_second)).json()

    async def ran_twice() -> bool:
        found = (await api.http.get(f"{TASKS}/{task['id']}/results")).json()
        return bool(found["pagination"]["total"] >= 2)

    await wait_until(ran_twice, what="it has run twice")
    shown = (await api.http.get(f"{TASKS}/{task['id']}")).json()
    assert shown["status"] == "scheduled"
    assert datetime.fromisoformat(shown["next_run"]) > datetime.fromisoformat(task["next_run"])
