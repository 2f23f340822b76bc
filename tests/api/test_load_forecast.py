"""The forecast: which calls are due when, and where, from what a worker keeps."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from db.maintenance import forecast
from db.models import Task, utc_now
from db.settings import DatabaseSettings
from db.states import TaskStatus, TriggerType
from graphql_api import instants
from jobs.maintenance.forecast import Forecaster
from jobs.settings import JobsSettings
from jobs.triggers.columns import trigger_of
from jobs.triggers.schedule import next_instant
from tests.support.engine import every, one_off, save, task_of, working
from tests.support.graphql import Api
from tests.support.history import HOUR
from tests.support.waiting import wait_until

QUERY = """query ($from: DateTime, $to: DateTime, $bucket: StatisticsBucket) {
    loadForecast(from: $from, to: $to, bucket: $bucket) {
        computedAt calls buckets { from to calls } hosts { host calls }
    }
}"""
MINUTE = timedelta(minutes=1)
DAY = 24 * HOUR


async def shown(api: Api, **values: Any) -> dict[str, Any]:
    """Return the forecast."""
    found: dict[str, Any] = (await api.data(QUERY, **values))["loadForecast"]
    return found


def cron(expression: str, first: datetime, **columns: Any) -> Task:
    """Return a task with a cron expression, whose next instant follows `first`."""
    task = every("http://cron/", HOUR, first, cron_expr=expression, **columns)
    task.trigger_type, task.every_ms, task.start_at = TriggerType.CRON, None, None
    task.next_run = task.due_at = next_instant(trigger_of(task), first)
    return task


def due(tasks: list[Task], since: datetime, until: datetime) -> Counter[tuple[datetime, str]]:
    """Return the calls by hour and host, walked instant by instant."""
    calls: Counter[tuple[datetime, str]] = Counter()
    for task in tasks:
        instant = task.next_run
        while instant is not None and instant < until:
            if instant >= since:
                calls[instant.replace(minute=0, second=0, microsecond=0), task.host] += 1
            instant = next_instant(trigger_of(task), instant)
    return calls


async def test_the_forecast_is_what_the_schedules_say(
    api: Api, database: DatabaseSettings, jobs_settings: JobsSettings
) -> None:
    """Each kind of trigger counts hour by hour, as its instants say. A change is in the forecast soon after."""
    now = utc_now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    paused = every("http://paused/", MINUTE, now + MINUTE, status=TaskStatus.PAUSED)
    paused.next_run = paused.due_at = None
    tasks = [
        every("http://a/", MINUTE, now + MINUTE),
        every("http://a/", timedelta(milliseconds=7_777_777), now + HOUR / 3),
        every("http://b/", timedelta(seconds=90), now + 5 * HOUR, end_at=now + 9 * HOUR),
        every("http://b/", HOUR, hour + HOUR),
        one_off("http://c/", now + 7 * HOUR),
        cron("*/7 * * * *", now),
        cron("*/7 * * * *", now, timezone="Asia/Kathmandu", end_at=now + 20 * HOUR),
        cron("30 2 * * *", now + 3 * HOUR, timezone="America/New_York"),
    ]
    await save(api.engine, paused, *tasks)
    empty = await shown(api)
    assert (empty["computedAt"], empty["calls"], len(empty["buckets"])) == ("1970-01-01T00:00:00Z", 0, 25)
    await Forecaster(api.engine).keep()
    async with api.engine.begin() as connection:
        sizes = [len(rows) async for rows in forecast.crons(connection, until=hour + 72 * HOUR, size=2)]
    assert sizes == [2, 1]  # read in portions, between which the event loop serves others
    until = hour + 25 * HOUR
    expected = due(tasks, hour, until)
    found = await shown(api, **{"from": hour.isoformat(), "to": until.isoformat()})
    starts = [instants.parse(bucket["from"]) for bucket in found["buckets"]]
    assert starts == [hour + number * HOUR for number in range(25)]
    by_hour, by_host = Counter[datetime](), Counter[str]()
    for (start, host), calls in expected.items():
        by_hour[start] += calls
        by_host[host] += calls
    assert [bucket["calls"] for bucket in found["buckets"]] == [by_hour[start] for start in starts]
    assert [(each["host"], each["calls"]) for each in found["hosts"]] == sorted(
        by_host.items(), key=lambda each: (-each[1], each[0])
    )
    assert found["calls"] == by_hour.total()
    days = await shown(api, **{"from": hour.isoformat(), "to": (hour + 72 * HOUR).isoformat(), "bucket": "DAY"})
    assert days["calls"] == due(tasks, hour, hour + 72 * HOUR).total()

    async def follows() -> bool:
        async with api.engine.begin() as connection:
            await connection.execute(text("UPDATE load_forecast_state SET claimed_until = '-infinity'"))
        return "d" in {each["host"] for each in (await shown(api))["hosts"]}

    async with working(database, jobs_settings):
        await save(api.engine, one_off("http://d/", now + 2 * HOUR))
        await wait_until(follows, what="the new task is in the forecast")
    assert (await task_of(api.engine, tasks[0].id)).next_run is not None


async def test_what_is_not_kept(api: Api) -> None:
    """Minutes, an empty time, and what is too far ahead are refused."""
    now = utc_now()
    for values in (
        {"bucket": "MINUTE"},
        {"from": now.isoformat(), "to": now.isoformat()},
        {"to": (now + 4 * DAY).isoformat()},
    ):
        assert await api.code(QUERY, **values) == "INVALID_RANGE"
