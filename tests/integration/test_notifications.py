"""Each kind of notification is told once, to receivers that verify it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.engine.leases import LEASE
from db.models import utc_now
from db.settings import DatabaseSettings
from db.states import MisfirePolicy, TaskStatus
from jobs.settings import JobsSettings
from tests.support.engine import every, one_off, opened, save, soon, task_of, working
from tests.support.graphql import Api, serving
from tests.support.notifications import (
    Webhooks,
    create_channel,
    create_rule,
    create_webhook,
    deliveries,
    ids_of,
    running_smtp,
    sealing,
    texts_of,
)
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

FAILS, SUCCEEDS = CannedResponse(status=500), CannedResponse()
SECOND = timedelta(seconds=1)
TEST = """mutation ($id: ID!) { testChannel(id: $id) {
    ... on NotificationDelivery { id event state attempts statusCode errorMessage subject }
    ... on NotFound { message }
} }"""

SEND_WHEN_COMPLETE = text("""
UPDATE notifications SET send_at = clock_timestamp() WHERE event = :event AND count = :count AND closed_at IS NULL
""")


@pytest.fixture
def settings(jobs_settings: JobsSettings) -> JobsSettings:
    """Return the settings of a service with a secret key and a public address."""
    return sealing(jobs_settings)


@pytest.fixture
async def api(database: DatabaseSettings, settings: JobsSettings) -> AsyncIterator[Api]:
    """Run an API that can seal secrets."""
    async with serving(database, settings) as running:
        yield running


@pytest.fixture
def hooks(target: Target) -> Webhooks:
    """Return a receiver of webhooks."""
    return Webhooks(target)


async def settled(api: Api, number: int) -> list[dict[str, Any]]:
    """Return the deliveries once there are that many, and none is pending."""

    async def found() -> list[dict[str, Any]]:
        seen = await deliveries(api)
        return seen if len(seen) >= number and all(each["state"] != "PENDING" for each in seen) else []

    return await wait_until(found, what=f"{number} deliveries have ended", within=60)


async def test_a_failure_and_its_end_are_told_once(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """The second failure in a row is told, with task, error, attempts, next instant and link; then the recovery."""
    url = target.responds("/turns", FAILS, FAILS, FAILS, SUCCEEDS)
    channel = await create_webhook(api, hooks)
    [task_id, other] = await save(
        api.engine,
        every(url, SECOND, soon(), name="nightly export", max_attempts=1, tags=["a", "b"]),
        every(target.responds("/other", FAILS), SECOND, soon(), max_attempts=1, tags=["a"]),
    )
    await create_rule(api, channel, "FAILED", "RECOVERED", tags=["a", "b"], afterFailures=2)
    async with working(database, settings):
        failed = await hooks.first("FAILED")
        recovered = await hooks.first("RECOVERED")
        await wait_until(lambda: len(target.calls_of("/turns")) >= 6, what="the task has run twice more")
    assert hooks.events == [("FAILED", 1), ("RECOVERED", 1)]
    [task] = failed["tasks"]
    assert (task["taskId"], task["task"], task["error"]) == (str(task_id), "nightly export", "the target answered 500")
    assert (task["failures"], task["attempts"], task["statusCode"]) == (2, 1, 500)
    assert task["link"] == f"https://duetime.example.com/api/v1/tasks/{task_id}"
    assert datetime.fromisoformat(task["nextRunAt"]) > datetime.fromisoformat(task["scheduledFor"])
    assert failed["subject"] == "Duetime: nightly export failed"
    assert "Error: the target answered 500\n" in failed["text"]
    assert recovered["subject"] == "Duetime: nightly export recovered"
    [first, second] = hooks.messages
    assert (first["specversion"], first["type"], second["type"]) == (
        "1.0",
        "duetime.task.failed",
        "duetime.task.recovered",
    )
    assert first["source"] == "https://duetime.example.com"
    assert other not in {UUID(each["taskId"]) for message in hooks.messages for each in message["data"]["tasks"]}
    stored = await settled(api, 2)
    # Both have the same instant if one look found the failures and the recovery.
    assert {each["id"] for each in stored} == {*hooks.ids}
    assert [(each["state"], each["attempts"], each["statusCode"]) for each in stored] == [("DELIVERED", 1, 200)] * 2


async def test_mail_by_apprise(api: Api, database: DatabaseSettings, settings: JobsSettings, target: Target) -> None:
    """A failure arrives as a mail, and so does a test."""
    async with running_smtp() as smtp:
        url = f"mailto://me:long-password@127.0.0.1:{smtp.port}?to=ops@example.com&from=duetime@example.com"
        channel = await create_channel(api, {"apprise": {"url": url}})
        tested = (await api.data(TEST, id=channel))["testChannel"]
        assert (tested["event"], tested["state"], tested["errorMessage"]) == ("TEST", "DELIVERED", None)
        await create_rule(api, channel, "FAILED")
        await save(api.engine, one_off(target.responds("/fails", FAILS), soon(), name="grüner Export", max_attempts=1))
        async with working(database, settings):
            await wait_until(lambda: len(smtp.mails) == 2, what="the mail has arrived")
            await settled(api, 2)
    assert smtp.mails[0]["subject"] == "Duetime: a test of this channel"
    assert smtp.mails[1]["subject"] == "Duetime: grüner Export failed"
    assert smtp.mails[1]["to"] == "ops@example.com"
    assert "the target answered 500" in texts_of(smtp.mails)[1]


async def test_runs_that_begin_late_are_told_until_one_begins_in_time(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """Two late runs are one message; a run in time in between makes them two."""
    url = target.responds("/", SUCCEEDS)
    channel = await create_webhook(api, hooks)
    await create_rule(api, channel, "LATE", lateMs=2_000)
    late = utc_now() - 5 * SECOND
    [task_id] = await save(
        api.engine, every(url, 1.5 * SECOND, late, misfire=MisfirePolicy.ALL, settled_until=late - SECOND)
    )
    async with working(database, settings):
        message = await hooks.first("LATE")
        await wait_until(lambda: len(target.calls_of("/")) >= 6, what="later runs began in time")
    assert hooks.events == [("LATE", 1)]
    [task] = message["tasks"]
    assert task["taskId"] == str(task_id)
    assert task["latenessMs"] > 2_000


async def test_an_instant_without_a_finished_run_is_told(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """A call that takes longer than the tolerance is told while it lasts, and its end is no second message."""
    url = target.responds("/slow", CannedResponse(delay=4 * SECOND), SUCCEEDS)
    channel = await create_webhook(api, hooks)
    [task_id] = await save(api.engine, every(url, 2 * SECOND, soon()))
    await create_rule(api, channel, "ABSENT", "RECOVERED", toleranceMs=1_500, taskIds=ids_of(task_id))
    async with working(database, settings):
        message = await hooks.first("ABSENT")
        assert len(target.calls_of("/slow")) == 1
        await hooks.first("RECOVERED")
        await wait_until(lambda: len(target.calls_of("/slow")) >= 3, what="a later run was made in time")
    assert hooks.events == [("ABSENT", 1), ("RECOVERED", 1)]
    assert message["tasks"][0]["taskId"] == str(task_id)
    assert message["subject"] == "Duetime: a task had no finished run in time"


async def test_what_ended_too_late_is_told_where_nobody_looked_meanwhile(
    hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """Instants that passed while nothing was running are told once, when their run ends."""
    async with serving(database, settings) as api:
        channel = await create_webhook(api, hooks)
        await create_rule(api, channel, "ABSENT", toleranceMs=5_000)
    past = utc_now() - 20 * SECOND
    async with opened(database) as engine:
        await save(
            engine,
            every(target.responds("/", SUCCEEDS), 6 * SECOND, past, settled_until=past - SECOND),
            one_off(target.responds("/never", SUCCEEDS), past, misfire=MisfirePolicy.SKIP, settled_until=past - SECOND),
        )
        async with working(database, settings):
            await wait_until(lambda: sum(count for _, count in hooks.events) >= 2, what="both are told")
            await wait_until(lambda: len(target.calls_of("/")) >= 2, what="a later run was made")
    assert {event for event, _ in hooks.events} == {"ABSENT"}
    assert sum(count for _, count in hooks.events) == 2, hooks.messages
    assert target.calls_of("/never") == []


async def test_the_api_tells_that_no_worker_lives(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """Without workers the API tells that, and what is absent; a worker that starts is the end of it."""
    channel = await create_webhook(api, hooks)
    await create_rule(api, channel, "NO_WORKERS", "ABSENT", "RECOVERED", toleranceMs=1_000)
    [task_id] = await save(api.engine, every(target.responds("/", SUCCEEDS), SECOND, soon()))
    absent = await hooks.first("ABSENT")
    no_workers = await hooks.first("NO_WORKERS")
    assert absent["tasks"][0]["taskId"] == str(task_id)
    assert (no_workers["tasks"], no_workers["subject"]) == ([], "Duetime: no worker is alive")
    async with working(database, settings):
        await wait_until(lambda: len(hooks.events) >= 4, what="both ends are told")
    assert sorted(event for event, _ in hooks.events) == ["ABSENT", "NO_WORKERS", "RECOVERED", "WORKERS_BACK"]
    assert LEASE > SECOND


async def test_a_task_that_paused_itself_is_told(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """The pause is told with its reason, also if it is over when it is judged; a pause by a person is not."""
    channel = await create_webhook(api, hooks)
    [task_id, other] = await save(
        api.engine,
        every(target.responds("/fails", FAILS), SECOND, soon(), max_attempts=1, pause_after_failures=2),
        every(target.responds("/", SUCCEEDS), 3_600 * SECOND, utc_now() + 60 * SECOND),
    )
    await create_rule(api, channel, "PAUSED")
    await api.data("mutation ($id: ID!) { pauseTask(id: $id) { __typename } }", id=str(other))
    async with working(database, settings):
        message = await hooks.first("PAUSED")
        await settled(api, 1)
    assert hooks.events == [("PAUSED", 1)]
    assert (message["tasks"][0]["taskId"], message["tasks"][0]["reason"]) == (
        str(task_id),
        "2 runs failed one after another",
    )
    assert (await task_of(api.engine, task_id)).status == TaskStatus.PAUSED


async def test_a_storm_is_one_message(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """A thousand tasks of one host that fail at once are one message with their number, and so is their recovery."""
    url = target.responds("/down", FAILS)
    channel = await create_webhook(api, hooks)
    await create_rule(api, channel, "FAILED", "RECOVERED", gatherMs=600_000)
    at = utc_now() + 2 * SECOND
    await save(api.engine, *(every(url, 15 * SECOND, at, name=f"task {n}", max_attempts=1) for n in range(1_000)))

    async def gathered(kind: str) -> bool:
        async with api.engine.begin() as connection:
            sent = await connection.execute(SEND_WHEN_COMPLETE, {"event": kind, "count": 1_000})
        return sent.rowcount == 1

    async with working(database, settings):
        await wait_until(lambda: gathered("failed"), what="all have failed", within=60)
        target.responds("/down", SUCCEEDS)
        failed = await hooks.first("FAILED")
        await wait_until(lambda: gathered("recovered"), what="all have recovered", within=60)
        recovered = await hooks.first("RECOVERED")
    assert hooks.events == [("FAILED", 1_000), ("RECOVERED", 1_000)]
    host = target.url.removeprefix("http://")
    assert (failed["hosts"], len(failed["tasks"])) == ({host: 1_000}, 20)
    assert failed["subject"] == "Duetime: 1,000 tasks failed"
    assert f"1,000 of them call {host}" in failed["text"]
    assert "and 980 more" in failed["text"]
    assert recovered["subject"] == "Duetime: 1,000 tasks recovered"


async def test_reminders_go_on_until_it_is_over(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """What is not over is told again at the interval, and no more after the recovery or the cancellation."""
    url = target.responds("/fails", FAILS, FAILS, FAILS, FAILS, FAILS, SUCCEEDS)
    channel = await create_webhook(api, hooks)
    await create_rule(api, channel, "FAILED", remindEveryMs=1_000)
    [task_id] = await save(api.engine, every(url, SECOND, soon(), max_attempts=1))
    async with working(database, settings):
        await hooks.first("FAILED")
        reminder = await hooks.first("FAILED", reminder=True)
        assert reminder["subject"] == "Duetime: a task is still failing"
        assert reminder["tasks"][0]["taskId"] == str(task_id)
        await wait_until(lambda: len(target.calls_of("/fails")) >= 7, what="the task has succeeded")
        told = len(hooks.messages)
        await wait_until(lambda: len(target.calls_of("/fails")) >= 9, what="it has succeeded again")
        assert len(hooks.messages) - told <= 1
    assert [message["data"]["reminder"] for message in hooks.messages].count(False) == 1


async def test_a_receiver_that_refuses_is_tried_again_under_the_same_id(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """503 is tried again after its Retry-After, and 410 is final; both outcomes are shown."""
    target.responds("/hook", CannedResponse(status=503, headers={"Retry-After": "1"}), SUCCEEDS)
    gone = Webhooks(target, path="/gone")
    target.responds("/gone", CannedResponse(status=410))
    first, second = await create_webhook(api, hooks), await create_webhook(api, gone, name="gone")
    await create_rule(api, first, "FAILED", channelIds=[first, second])
    await save(api.engine, one_off(target.responds("/fails", FAILS), soon(), max_attempts=1))
    async with working(database, settings):
        seen = await settled(api, 2)
    by_channel = {each["channelId"]: each for each in seen}
    assert (by_channel[first]["state"], by_channel[first]["attempts"]) == ("DELIVERED", 2)
    assert hooks.ids == [by_channel[first]["id"]] * 2
    assert (by_channel[second]["state"], by_channel[second]["statusCode"]) == ("FAILED", 410)
    assert by_channel[second]["errorMessage"] == "the channel answered 410"
    assert [each["id"] for each in await deliveries(api, channelId=second)] == [by_channel[second]["id"]]
    assert [each["state"] for each in await deliveries(api, states=["FAILED"])] == ["FAILED"]


async def test_two_workers_and_an_api_tell_once(
    api: Api, hooks: Webhooks, database: DatabaseSettings, settings: JobsSettings, target: Target
) -> None:
    """However many processes judge, each failure is in one message."""
    channel = await create_webhook(api, hooks)
    await create_rule(api, channel, "FAILED")
    url = target.responds("/fails", FAILS)
    await save(api.engine, *(one_off(url, soon() + n * 0.2 * SECOND, max_attempts=1) for n in range(20)))
    async with opened(database), working(database, settings), working(database, settings):
        await wait_until(lambda: sum(count for _, count in hooks.events) >= 20, what="all are told")
        await asyncio.sleep(1.5)
    named = [task["taskId"] for message in hooks.messages for task in message["data"]["tasks"]]
    assert len(named) == len(set(named)) == 20
