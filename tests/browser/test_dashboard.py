"""The dashboard in a browser, with a running API and a worker."""

import json
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from db.models import RunEvent
from tests.support.graphql import Api
from tests.support.node import node
from tests.support.target import CannedResponse, Target

FOLDER = Path(__file__).parent
CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename ... on Task { id } } }
"""
HOURLY = {"interval": {"everyMs": 3_600_000}}
RUNS = 24


async def make_task(api: Api, name: str, url: str) -> str:
    """Create a task that is due each hour, and return its id."""
    given = {"name": name, "trigger": HOURLY, "action": {"url": url}, "overlap": "ALLOW"}
    made = (await api.data(CREATE, input=given))["createTask"]
    task_id: str = made["id"]
    return task_id


async def make_batch(api: Api, url: str, *, number: int) -> None:
    """Create tasks that are due once a day, at another time than the others."""
    daily = {"interval": {"everyMs": 86_400_000}}
    inputs = [{"name": f"batch {place}", "trigger": daily, "action": {"url": url}} for place in range(number)]
    await api.data(
        "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { __typename } }", inputs=inputs
    )


async def test_dashboard_does_what_its_user_wants(chromium: str, service: Api, target: Target) -> None:
    """A user looks around, selects, pauses, resumes and runs a task, and watches its run. On all pages, axe finds no
    violations in both themes and at phone width, and no other host can be reached.
    """
    json_header = {"content-type": "application/json"}
    url = target.responds("/ping", CannedResponse(body=b'{"answer": "pong"}', headers=json_header))
    await make_task(service, "heartbeat", url)
    await make_task(service, "nightly", url)
    await make_batch(service, url, number=250)
    await node(FOLDER / "dashboard.ts", chromium, service.url)


async def test_live_feed_survives_lost_connections(chromium: str, service: Api, target: Target) -> None:
    """However often the connection is cut, the feed shows each event once, in the order in which they were stored."""
    task_id = await make_task(service, "heartbeat", target.responds("/", CannedResponse()))
    shown = json.loads(await node(FOLDER / "feed.ts", chromium, service.url, task_id, str(RUNS)))
    async with AsyncSession(service.engine) as session:
        events = (await session.execute(select(RunEvent).order_by(col(RunEvent.seq)))).scalars()
        stored = [[str(event.run_id), event.type.replace("_", " ").capitalize()] for event in events]
    assert shown == stored
    assert len([1 for _, type_ in shown if type_ == "Succeeded"]) == RUNS


async def test_dashboard_asks_for_a_key_once_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Api, str]) -> None:
    """With authentication on, the page asks for a key, says why one is refused, and keeps the right one for the tab."""
    api, key = guarded
    await node(FOLDER / "guarded_dashboard.ts", chromium, api.url, key)
