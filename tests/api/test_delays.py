"""One-off tasks that are due after a delay, which counts from the moment when the task is stored."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.models import utc_now
from graphql_api.rest import tasks as rest_tasks
from graphql_api.schema import mutations
from tests.support.graphql import Api
from tests.support.rest import ONE_OFF, TASKS, error
from tests.support.target import Target
from tests.support.waiting import wait_until

PARTS = """
  __typename
  ... on Task { id version status nextRunAt trigger { ... on OneOffTrigger { at } } }
  ... on InvalidInput { problems { path message } }
  ... on Conflict { reason }
"""
CREATE = f"mutation ($input: CreateTaskInput!) {{ createTask(input: $input) {{ {PARTS} }} }}"
CREATE_MANY = f"mutation ($inputs: [CreateTaskInput!]!) {{ createTasks(inputs: $inputs) {{ {PARTS} }} }}"
UPDATE = f"mutation ($id: ID!, $input: UpdateTaskInput!) {{ updateTask(id: $id, input: $input) {{ {PARTS} }} }}"
PREVIEW = """
query ($trigger: TriggerInput!) { previewTrigger(trigger: $trigger) {
  ... on TriggerPreview { instants description } ... on InvalidInput { problems { path message } }
} }
"""
MINUTES = timedelta(minutes=10)
DELAY = {"oneOff": {"delayMs": 600_000}}
CENTURY = 36_525 * 86_400_000

Part = dict[str, Any]


def task(trigger: Part = DELAY, url: str = "http://localhost/", **more: Any) -> Part:
    """Return the input of a task."""
    return {"name": "a task", "trigger": trigger, "action": {"url": url}, **more}


async def present(api: Api) -> datetime:
    """Return the present by Postgres's clock."""
    async with api.engine.connect() as connection:
        moment: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return moment


async def create(api: Api, **variables: Any) -> Part:
    """Create a task."""
    found: Part = (await api.data(CREATE, input=task(**variables)))["createTask"]
    return found


def instant(shown: Part) -> datetime:
    """Return the instant of a one-off, at which it also runs next."""
    assert shown["trigger"]["at"] == shown["nextRunAt"], shown
    return datetime.fromisoformat(shown["nextRunAt"])


@pytest.fixture
def _hosts_clock_is_wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock of the API's host."""
    for module in (mutations, rest_tasks):
        monkeypatch.setattr(module, "utc_now", lambda: utc_now() + request.param)


@pytest.mark.usefixtures("_hosts_clock_is_wrong")
@pytest.mark.parametrize("_hosts_clock_is_wrong", [timedelta(hours=h) for h in (-1, 0, 1)], indirect=True, ids=str)
async def test_a_delay_counts_by_postgres_clock(api: Api) -> None:
    """The stored trigger is a one-off at the instant, whatever the clock of the API's host shows."""
    before = await present(api)
    made = [
        await create(api),
        *(await api.data(CREATE_MANY, inputs=[task(), task()]))["createTasks"],
    ]
    [first, *_] = made
    made.append((await api.data(UPDATE, id=first["id"], input={"trigger": DELAY}))["updateTask"])
    rest = (await api.http.post(TASKS, json=ONE_OFF | {"trigger": {"type": "one-off", "delay_ms": 600_000}})).json()
    changed = {"trigger": {"type": "one-off", "delay_ms": 600_000}}
    put = (await api.http.put(f"{TASKS}/{rest['id']}", json=changed)).json()
    made += [{"trigger": {"at": each["trigger_time"]}, "nextRunAt": each["next_run"]} for each in (rest, put)]
    after = await present(api)
    instants = [instant(each) - MINUTES for each in made]
    assert all(before <= each <= after for each in instants)
    assert instants[0] < instants[1] == instants[2] < instants[3] < instants[4] < instants[5]


@pytest.mark.usefixtures("worker", "_hosts_clock_is_wrong")
@pytest.mark.parametrize("_hosts_clock_is_wrong", [timedelta(hours=h) for h in (0, 1)], indirect=True, ids=str)
async def test_no_delay_is_now(api: Api, target: Target) -> None:
    """A delay of 0 makes the call at once, for a new task and after an update."""
    made = await create(api, url=f"{target.url}/x", trigger={"oneOff": {"delayMs": 0}})
    await wait_until(lambda: len(target.calls) == 1, what="the call of the new task")

    async def completed() -> bool:
        found = await api.data("query ($id: ID!) { task(id: $id) { status } }", id=made["id"])
        return bool(found["task"]["status"] == "COMPLETED")

    await wait_until(completed, what="the task is completed")
    await api.data(UPDATE, id=made["id"], input={"trigger": {"oneOff": {"delayMs": 100}}})
    await wait_until(lambda: len(target.calls) == 2, what="the call after the update")
    for call in target.calls:
        assert datetime.fromisoformat(call.headers["x-duetime-scheduled-for"]) <= call.at


async def test_the_same_delay_and_key_make_one_task(api: Api) -> None:
    """The input is the delay, and not the instant, so the first task is returned later as well."""
    first = await create(api, idempotencyKey="k")
    assert await create(api, idempotencyKey="k") == first
    other = await create(api, idempotencyKey="k", trigger={"oneOff": {"delayMs": 600_001}})
    assert other == {"__typename": "Conflict", "reason": "IDEMPOTENCY_KEY_REUSED"}


@pytest.mark.parametrize(
    ("one_off", "member", "message"),
    [
        ({}, "at", "is missing; give at, the instant, or delayMs, the time until then"),
        ({"at": None, "delayMs": None}, "at", "is missing; give at, the instant, or delayMs, the time until then"),
        ({"at": "2100-01-01T00:00:00Z", "delayMs": 1}, "delayMs", "is given beside at; give one of them"),
        ({"delayMs": CENTURY + 1}, "delayMs", f"must be from 0 to {CENTURY} (100 years)"),
    ],
)
async def test_exactly_one_of_both_is_given(api: Api, one_off: Part, member: str, message: str) -> None:
    """The problem says what is wrong and what would be right; other tasks of a batch are created."""
    trigger = {"oneOff": one_off}
    problem = {"path": ["trigger", "oneOff", member], "message": message}
    refused, made = (await api.data(CREATE_MANY, inputs=[task(trigger), task()]))["createTasks"]
    assert refused["problems"] == [problem]
    updated = (await api.data(UPDATE, id=made["id"], input={"trigger": trigger, "name": ""}))["updateTask"]
    assert problem in updated["problems"]
    assert len(updated["problems"]) == 2
    assert (await api.data(PREVIEW, trigger=trigger))["previewTrigger"]["problems"] == [problem]


async def test_null_counts_as_absent(api: Api) -> None:
    """Either member can be null beside the other one."""
    at = "2100-01-01T00:00:00.000000Z"
    made = await create(api, trigger={"oneOff": {"at": at, "delayMs": None}})
    assert datetime.fromisoformat(made["nextRunAt"]) == datetime.fromisoformat(at)
    assert (await create(api, trigger={"oneOff": {"at": None, "delayMs": 5_000}}))["__typename"] == "Task"


@pytest.mark.parametrize("delay_ms", [0, 600_000])
async def test_a_preview_counts_from_now(api: Api, delay_ms: int) -> None:
    """It shows the one instant."""
    before = utc_now()
    found = (await api.data(PREVIEW, trigger={"oneOff": {"delayMs": delay_ms}}))["previewTrigger"]
    [shown] = found["instants"]
    assert (
        before <= datetime.fromisoformat(shown) - timedelta(milliseconds=delay_ms) <= utc_now() + timedelta(seconds=1)
    )
    assert found["description"].startswith("Once, at ")


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ({}, "datetime is required for one-off triggers"),
        ({"datetime": None, "delay_ms": None}, "datetime is required for one-off triggers"),
        ({"datetime": ""}, "datetime is required for one-off triggers"),
        (
            {"datetime": "2100-01-01T00:00:00Z", "delay_ms": 5},
            "the instant is given twice: by trigger.datetime and by trigger.delay_ms",
        ),
        ({"delay_ms": -1}, f"trigger.delay_ms: must be from 0 to {CENTURY} (100 years)"),
        ({"delay_ms": 10**400}, f"trigger.delay_ms: must be from 0 to {CENTURY} (100 years)"),
        ({"delay_ms": 1.5}, "trigger.delay_ms must be a whole number"),
        ({"delay_ms": "5"}, "trigger.delay_ms must be a whole number"),
    ],
)
async def test_rest_refuses_both_none_and_wrong_ones(api: Api, trigger: Part, message: str) -> None:
    """What clients of the old service match on stays."""
    wanted = {"type": "one-off", **trigger}
    assert error(await api.http.post(TASKS, json=ONE_OFF | {"trigger": wanted})) == message
    made = (await api.http.post(TASKS, json=ONE_OFF)).json()
    assert error(await api.http.put(f"{TASKS}/{made['id']}", json={"trigger": wanted})) == message
