"""The dashboard in a browser, with a running API and a worker."""

import random
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from db.models import RunEvent
from db.settings import DatabaseSettings
from graphql_api import cursors
from jobs.settings import JobsSettings
from tests.browser.conftest import Browser
from tests.support.engine import opened, working
from tests.support.graphql import Api, serving
from tests.support.history import append_events
from tests.support.target import CannedResponse, Target
from tests.support.waiting import wait_until

CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename ... on Task { id } } }
"""
HOURLY = {"interval": {"everyMs": 3_600_000}}
DAILY = {"interval": {"everyMs": 86_400_000}}
RUNS = 24
GONE = 10


async def make_task(api: Api, name: str, url: str, **members: Any) -> str:
    """Create a task that is due each hour, and return its id."""
    given = {"name": name, "trigger": HOURLY, "action": {"url": url}, "overlap": "ALLOW"} | members
    made = (await api.data(CREATE, input=given))["createTask"]
    task_id: str = made["id"]
    return task_id


async def make_batch(api: Api, task_id: str, *, number: int) -> None:
    """Insert copies of a task."""
    statement = """
        INSERT INTO tasks SELECT copy.* FROM tasks, generate_series(1, :number) AS place,
        jsonb_populate_record(tasks, jsonb_build_object('id', gen_random_uuid(), 'name', 'batch ' || place)) AS copy
        WHERE tasks.id = :task_id
    """
    async with api.engine.begin() as connection:
        await connection.execute(text(statement), {"number": number, "task_id": task_id})


async def test_pages_without_data_say_what_to_do(browser: Browser, service: Api) -> None:
    """Axe finds no violations where there is nothing yet, or where the service does not answer."""
    await browser.visit("places.ts", service.url)


async def test_dashboard_does_what_its_user_wants(browser: Browser, service: Api, target: Target) -> None:
    """A user looks around, selects, pauses, resumes and runs a task, watches its run, changes 5,000 tasks, and repeats
    runs that failed. On all pages, axe finds no violations in both themes at both widths, and no other host can be
    reached.
    """
    json_header = {"content-type": "application/json"}
    url = target.responds("/ping", CannedResponse(body=b'{"answer": "pong"}', headers=json_header))
    await make_task(service, "heartbeat", url)
    await make_task(service, "nightly", url, tags=["dark", "quiet"])
    await make_batch(service, await make_task(service, "later", url, trigger=DAILY), number=5_000)
    broken = target.responds("/broken", *[CannedResponse(status=503)] * 3, CannedResponse())
    await make_task(service, "broken", broken, tags=["fragile"], retry={"maxAttempts": 1})

    async def calls() -> int:
        return int((await service.data("{ loadForecast { calls } }"))["loadForecast"]["calls"])

    await wait_until(calls, what="the tasks are in the forecast")
    await browser.visit("dashboard.ts", service.url)


async def test_live_feed_survives_lost_connections(
    browser: Browser, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """Wherever the connection is cut, the feed shows each event once, in the order in which they were stored, after the
    gap that it began with.
    """
    async with opened(database) as engine:
        await append_events(engine, GONE, task_id=uuid4(), run_id=uuid4())
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM run_events"))
    async with serving(database, jobs_settings) as api, working(database, jobs_settings):
        task_id = await make_task(api, "heartbeat", target.responds("/", CannedResponse()))
        seed = random.randrange(2**31)
        arguments = (task_id, RUNS, cursors.of_event(0), seed)
        shown = await browser.visit("feed.ts", api.url, *arguments)
        async with AsyncSession(api.engine) as session:
            events = (await session.execute(select(RunEvent).order_by(col(RunEvent.seq)))).scalars()
            stored = [[str(event.run_id), event.type.replace("_", " ").capitalize()] for event in events]
    assert shown == stored, f"seed {seed}"
    assert len([1 for _, type_ in shown if type_ == "Succeeded"]) == RUNS


async def test_dashboard_asks_for_a_key_once_and_keeps_it_for_the_tab(
    browser: Browser, guarded: tuple[Api, str]
) -> None:
    """With authentication on, the page asks for a key, says why one is refused, and keeps the right one for the tab."""
    api, key = guarded
    await browser.visit("guarded_dashboard.ts", api.url, key)
