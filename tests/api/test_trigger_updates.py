"""updateTask with a trigger: what is absent stays, and no edit loses a call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from db.models import Task, utc_now
from db.states import MisfirePolicy, RunState, TaskStatus
from jobs.triggers.columns import trigger_of
from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger
from tests.support.engine import every, one_off, runs_of, save, task_of
from tests.support.graphql import Api
from tests.support.history import HOUR, ago

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
FAR = "2100-01-01T00:00:00Z"
FAR_INSTANT = datetime(2100, 1, 1, tzinfo=UTC)

TASK = "__typename ... on Task { version status nextRunAt upcoming(count: 2) }"
UPDATE = f"""
mutation ($id: ID!, $input: UpdateTaskInput!) {{
  updateTask(id: $id, input: $input) {{ {TASK} ... on InvalidInput {{ problems {{ path message }} }} }}
}}
"""
CREATE = """
mutation ($input: CreateTaskInput!) {
  createTask(input: $input) { ... on Task { id } ... on InvalidInput { problems { path message } } }
}
"""
RESUME = f"mutation ($id: ID!, $missed: MisfirePolicy) {{ resumeTask(id: $id, missed: $missed) {{ {TASK} }} }}"
CANCEL = f"mutation ($id: ID!) {{ cancelTask(id: $id) {{ {TASK} }} }}"


async def made(api: Api, trigger: dict[str, Any]) -> UUID:
    """Return the id of a new task with a trigger."""
    input_ = {"name": "n", "trigger": trigger, "action": {"url": "http://localhost/"}}
    return UUID((await api.data(CREATE, input=input_))["createTask"]["id"])


async def update(api: Api, task_id: UUID, trigger: dict[str, Any]) -> dict[str, Any]:
    """Return the response to an update of the trigger."""
    answer: dict[str, Any] = (await api.data(UPDATE, id=str(task_id), input={"trigger": trigger}))["updateTask"]
    return answer


async def trigger_after(api: Api, task_id: UUID, trigger: dict[str, Any]) -> Trigger:
    """Return the task's trigger after an accepted update."""
    answer = await update(api, task_id, trigger)
    assert answer["__typename"] == "Task", answer
    return trigger_of(await task_of(api.engine, task_id))


def fired(task: Task, *, ago: timedelta) -> Task:
    """Return an interval task whose last instant was some time ago, and is settled."""
    assert task.every_ms is not None
    last = utc_now() - ago
    task.start_at = last - 10 * timedelta(milliseconds=task.every_ms)
    task.settled_until, task.next_run = last, last + timedelta(milliseconds=task.every_ms)
    task.due_at = task.next_run
    return task


async def test_an_interval_that_is_saved_again_keeps_its_instants(api: Api) -> None:
    """The same everyMs without startAt changes nothing, the version included, and neither does a null startAt."""
    task_id = await made(api, {"interval": {"everyMs": 60_000}})
    before = await task_of(api.engine, task_id)
    for same in ({"everyMs": 60_000}, {"everyMs": 60_000, "startAt": None, "jitterMs": 0}):
        assert (await update(api, task_id, {"interval": same}))["version"] == 1
        assert (await task_of(api.engine, task_id)).model_dump() == before.model_dump()


@pytest.mark.parametrize("member", [{"jitterMs": 500}, {"endAt": FAR}])
async def test_an_interval_keeps_its_instants_when_another_member_changes(api: Api, member: dict[str, Any]) -> None:
    """Only jitter, or only an end, is no reason to start the period again."""
    task = fired(every("http://localhost/", MINUTE, ago(1)), ago=16 * SECOND)
    await save(api.engine, task)
    answer = await update(api, task.id, {"interval": {"everyMs": 60_000, **member}})
    after = await task_of(api.engine, task.id)
    assert (answer["version"], after.start_at, after.next_run) == (2, task.start_at, task.next_run)


@pytest.mark.parametrize(("every_ms", "periods"), [(90_000, 1), (30_000, 1), (7_000, 3)])
async def test_a_new_period_counts_from_the_last_settled_instant(api: Api, every_ms: int, periods: int) -> None:
    """The next instant is one new period after the last one, or the next multiple that has not passed."""
    task = fired(every("http://localhost/", MINUTE, ago(1)), ago=16 * SECOND)
    await save(api.engine, task)
    await update(api, task.id, {"interval": {"everyMs": every_ms}})
    after = await task_of(api.engine, task.id)
    assert task.settled_until is not None
    assert after.next_run == task.settled_until + periods * timedelta(milliseconds=every_ms)
    assert after.start_at == after.next_run


async def test_periods_that_change_all_the_time_still_fire(api: Api) -> None:
    """Each change counts from the same settled instant, so that none of them postpones the call further."""
    task_id = await made(api, {"interval": {"everyMs": 60_000}})
    created = (await task_of(api.engine, task_id)).created_at
    for every_ms in (90_000, 60_000, 90_000, 60_000):
        await update(api, task_id, {"interval": {"everyMs": every_ms}})
        assert (await task_of(api.engine, task_id)).next_run == created + timedelta(milliseconds=every_ms)


async def test_a_start_that_has_not_come_stays(api: Api) -> None:
    """A new period does not bring forward the start that a caller has set."""
    task_id = await made(api, {"interval": {"everyMs": 60_000, "startAt": FAR}})
    await update(api, task_id, {"interval": {"everyMs": 90_000}})
    assert (await task_of(api.engine, task_id)).next_run == FAR_INSTANT
    await update(api, task_id, {"interval": {"everyMs": 90_000, "startAt": None}})
    after = await task_of(api.engine, task_id)
    assert after.next_run == after.created_at + timedelta(milliseconds=90_000)


async def test_absent_members_of_a_trigger_stay(api: Api) -> None:
    """Zone, start, end and jitter stay while the kind stays, null sets the default, and another kind has defaults."""
    whole = {"timezone": "Europe/Berlin", "startAt": "2090-01-01T00:00:00Z", "endAt": FAR, "jitterMs": 700}
    task_id = await made(api, {"cron": {"expression": "0 9 * * *", **whole}})
    kept: dict[str, Any] = {
        "timezone": "Europe/Berlin",
        "start_at": datetime(2090, 1, 1, tzinfo=UTC),
        "end_at": FAR_INSTANT,
    }
    assert await trigger_after(api, task_id, {"cron": {"expression": "0 8 * * *"}}) == Cron(
        expression="0 8 * * *", **kept, jitter_ms=700
    )
    assert await trigger_after(api, task_id, {"cron": {"expression": "0 8 * * *", "jitterMs": 0}}) == Cron(
        expression="0 8 * * *", **kept
    )
    nulls = dict.fromkeys(("timezone", "startAt", "endAt", "jitterMs"))
    assert await trigger_after(api, task_id, {"cron": {"expression": "0 8 * * *", **nulls}}) == Cron(
        expression="0 8 * * *"
    )
    await update(api, task_id, {"cron": {"expression": "0 8 * * *", "timezone": "Asia/Tokyo", "endAt": FAR}})
    assert await trigger_after(api, task_id, {"cron": {"expression": "0 8 * * *", "timezone": "UTC"}}) == Cron(
        expression="0 8 * * *", end_at=FAR_INSTANT
    )
    changed = await trigger_after(api, task_id, {"interval": {"everyMs": 5_000}})
    assert isinstance(changed, Interval)
    assert (changed.end_at, changed.jitter_ms) == (None, 0)
    assert isinstance(await trigger_after(api, task_id, {"oneOff": {"at": FAR}}), OneOff)


async def test_what_is_merged_is_checked(api: Api) -> None:
    """A member that stays has to fit the new ones, and the problem names it; a creation takes null for a default."""
    task_id = await made(api, {"interval": {"everyMs": 60_000, "jitterMs": 50_000, "endAt": None}})
    refused = await update(api, task_id, {"interval": {"everyMs": 10_000}})
    assert [problem["path"] for problem in refused["problems"]] == [["trigger", "interval", "jitterMs"]]
    made_with_nulls = await made(api, {"cron": {"expression": "0 8 * * *", "timezone": None, "jitterMs": None}})
    assert trigger_of(await task_of(api.engine, made_with_nulls)) == Cron(expression="0 8 * * *")


async def test_a_one_off_that_was_made_is_saved_again(api: Api) -> None:
    """The same instant, which has passed, changes nothing."""
    task = one_off("http://localhost/", ago(1), status=TaskStatus.COMPLETED, next_run=None, due_at=None)
    await save(api.engine, task)
    answer = await update(api, task.id, {"oneOff": {"at": ago(1).isoformat()}})
    assert (answer["__typename"], answer["version"], answer["status"]) == ("Task", 1, "COMPLETED")


async def waiting_for_jitter(api: Api) -> Task:
    """Return a cron task whose instant has come, and whose call waits for its jitter."""
    instant = utc_now().replace(second=0, microsecond=0)
    trigger: dict[str, Any] = {"trigger_type": "cron", "cron_expr": "* * * * *", "jitter_ms": 60_000}
    task = one_off("http://localhost/", instant, host="localhost:80")
    for name, value in (trigger | {"trigger_time": None}).items():
        setattr(task, name, value)
    task.settled_until, task.due_at = instant - MINUTE, utc_now() + 30 * SECOND
    await save(api.engine, task)
    return task


@pytest.mark.parametrize(
    "input_",
    [
        {"trigger": {"cron": {"expression": "*/1 * * * *"}}},
        {"trigger": {"cron": {"expression": "* * * * *", "endAt": FAR}}},
        {"name": "new"},
        {"action": {"url": "http://localhost/new"}},
    ],
)
async def test_an_edit_amid_the_jitter_keeps_the_call(api: Api, input_: dict[str, Any]) -> None:
    """An instant that has come and whose call is not due yet is neither lost nor missed."""
    task = await waiting_for_jitter(api)
    answer = (await api.data(UPDATE, id=str(task.id), input=input_))["updateTask"]
    assert answer["version"] == 2
    after = await task_of(api.engine, task.id)
    assert after.next_run == task.next_run
    assert after.due_at is not None
    assert list(await runs_of(api.engine, task.id)) == []


@pytest.mark.parametrize("change", ["another instant", "cancel", "jitter ends"])
async def test_a_change_amid_the_jitter_records_nothing_as_missed(api: Api, change: str) -> None:
    """A trigger without the instant drops it, a cancellation ends it, and without jitter the call is due at once."""
    task = await waiting_for_jitter(api)
    if change == "cancel":
        await api.data(CANCEL, id=str(task.id))
    elif change == "jitter ends":
        await update(api, task.id, {"cron": {"expression": "* * * * *", "jitterMs": 0}})
    else:
        await update(api, task.id, {"cron": {"expression": "0 0 1 1 *", "jitterMs": 0}})
    after = await task_of(api.engine, task.id)
    assert list(await runs_of(api.engine, task.id)) == []
    assert (after.next_run == task.next_run) == (change == "jitter ends")
    if change == "jitter ends":
        assert after.due_at == after.updated_at


@pytest.mark.parametrize(
    ("missed", "following"),
    [(MisfirePolicy.LATEST, 3), (MisfirePolicy.SKIP, 4), (MisfirePolicy.ALL, 0)],
)
async def test_resumption_shows_the_instant_of_the_next_run(api: Api, missed: MisfirePolicy, following: int) -> None:
    """nextRunAt is the instant that the misfire policy runs next: a missed one, or the first that comes."""
    since = utc_now().replace(microsecond=0) - 3 * HOUR - MINUTE
    waiting: dict[str, Any] = {"status": TaskStatus.PAUSED, "next_run": None, "due_at": None, "resume_from": since}
    task = every("http://localhost/", HOUR, since, **waiting)
    await save(api.engine, task)
    resumed = (await api.data(RESUME, id=str(task.id), missed=missed.name))["resumeTask"]
    expected = [(since + number * HOUR).isoformat().replace("+00:00", "Z") for number in (following, following + 1)]
    assert (resumed["nextRunAt"], resumed["upcoming"]) == (expected[0], expected)
    assert list(await runs_of(api.engine, task.id)) == []


async def test_an_edit_while_a_call_is_due_leaves_it_to_the_claim(api: Api) -> None:
    """A call that is due, and that no worker has claimed yet, is made with the new definition and never missed."""
    for trigger in ({"interval": {"everyMs": 1_800_000}}, {"cron": {"expression": "0 0 1 1 *"}}):
        task = fired(every("http://localhost/", HOUR, ago(1)), ago=HOUR + SECOND)
        await save(api.engine, task)
        answer = await update(api, task.id, trigger)
        after = await task_of(api.engine, task.id)
        assert (answer["version"], after.next_run, after.due_at) == (2, task.next_run, task.due_at)
        assert [run for run in await runs_of(api.engine, task.id) if run.state == RunState.MISSED] == []
