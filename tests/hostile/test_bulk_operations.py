"""Bulk operations on as many tasks as one call accepts: they never hold the event loop up, and cost little per task."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.hostile.test_queries import LoopMonitor, post
from tests.support.graphql import Api, serving

MOST = 1_000
LOOP_HELD = 0.02
"""Seconds of CPU time that the loop may spend on one thing. Garbage collection, whose length depends on the other
tests, is not counted: it is off during the measurement.
"""
CREATE = "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { ... on Task { id } } }"
MANY_FIELDS = (
    "id name status overlap misfire onLost nextRunAt version createdAt updatedAt action { method url timeoutMs }"
)
BULK = {
    "pauseTasks": "... on Task { %s }",
    "resumeTasks": "... on Task { %s }",
    "runTasks": "... on Run { id state }",
    "cancelTasks": "... on Task { %s }",
    "deleteTasks": "... on DeletedTask { taskId }",
}


@pytest.fixture
async def api(database: DatabaseSettings, jobs_settings: JobsSettings) -> AsyncIterator[Api]:
    """An API with the default limits."""
    async with serving(database, jobs_settings) as running:
        yield running


def inputs(count: int, **members: Any) -> list[dict[str, Any]]:
    """Return inputs of different tasks."""
    return [
        {
            "name": f"task {number}",
            "trigger": {"cron": {"expression": f"{number % 60} 9 * * *", "timezone": "Europe/Berlin"}},
            "action": {"method": "POST", "url": f"http://127.0.0.1/{number}", "payload": {"number": number}},
            **members,
        }
        for number in range(count)
    ]


async def held(api: Api, query: str, **variables: Any) -> tuple[float, dict[str, Any]]:
    """Return the longest time for which an operation held the loop up, and its data."""
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    try:
        answer = await asyncio.to_thread(post, api, json.dumps({"query": query, "variables": variables}))
    finally:
        watching.cancel()
    assert "errors" not in answer, answer["errors"]
    return monitor.longest, answer["data"]


async def test_x(api: Api) -> None:
    import gc

    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(2):
        took, data = await held(api, CREATE, inputs=inputs(MOST))
        print("create", took)
        took, data = await held(api, CREATE.replace("{ id }", "{" + MANY_FIELDS + "}"), inputs=inputs(MOST))
        print("create whole", took)
        took, data = await held(api, CREATE, inputs=inputs(MOST, tags=["a", "b", "c", "d"]))
        print("create 5000 items", took)
        ids = [task["id"] for task in data["createTasks"]]
        for name, fields in BULK.items():
            query = f"mutation ($ids: [ID!]!) {{ {name}(ids: $ids) {{ __typename {fields % 'id' if '%' in fields else fields} }} }}"
            took, data = await held(api, query, ids=ids)
            print(name, took)
    gc.enable()
