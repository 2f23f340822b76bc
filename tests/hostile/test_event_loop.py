"""Requests that would hold the event loop up, so that all others would wait."""

import asyncio
import json
import time
import timeit
from datetime import UTC, datetime

import strawberry

from db.models import Task, utc_now
from db.states import TriggerType
from graphql_api.compat import PacedExecution
from jobs.triggers.schedule import Cron, instants
from tests.support.engine import save
from tests.support.expensive import BODY, CREATE, RARE, run_often, task_input
from tests.support.graphql import Api
from tests.support.history import HOUR
from tests.support.loop_monitor import LoopMonitor, post

LOOP_HELD = 0.1
TRIES = 5
"""A machine that takes the processor away counts that as CPU time, so the shortest of several times is what counts."""


PREVIEW = (
    'previewTrigger(count: 100, trigger: {cron: {expression: "0 0 29 2 */7", timezone: "%s", jitterMs: 3600000}}) '
    "{ ... on TriggerPreview { instants description } }"
)
SCALARS_OF_TASK = "id name status overlap misfire onLost nextRunAt version createdAt updatedAt"


def aliased(count: int, field: str) -> str:
    """Return a field many times, under different names."""
    return " ".join(f"a{number}: {field}" for number in range(count))


def worst() -> dict[str, str]:
    """Return the bodies of the requests that cost most of what the default limits admit."""
    queries = {
        "upcoming instants": "{ tasks(first: 100) { nodes { upcoming(count: 100) } } }",
        "previews": f"{{ {aliased(20, PREVIEW % 'Europe/Berlin')} }}",
        "unknown zones": "{ " + " ".join(f"a{number}: {PREVIEW % f'Europ/{number}'}" for number in range(20)) + " }",
        "scalars": f"{{ tasks(first: 100) {{ nodes {{ {SCALARS_OF_TASK} {aliased(50, 'name')} {'id ' * 50} }} }} }}",
        "tags": f"{{ tasks(first: 100) {{ nodes {{ {aliased(20, 'tags')} }} }} }}",
        "headers": "{ tasks(first: 100) { nodes { " + aliased(4, "action { headers { name value } }") + " } } }",
        "runs": f"{{ {aliased(6, 'runs(first: 100) { edges { cursor node { id state task { id name } } } }')} }}",
        "bodies": f"{{ {aliased(3, 'runs(first: 100) { nodes { responseBody } }')} }}",
        "a document of many fragments": "{"
        + " ".join(f"...f{number}" for number in range(800))
        + "}"
        + " ".join(f"fragment f{number} on Query{{metrics{{totalRuns}}}}" for number in range(800)),
        "a document of many spreads": "{" + "...f " * 4_600 + "} fragment f on Query { __typename }",
        "a document of unknown members": "{previewTrigger(trigger:{"
        + " ".join(f"a{number}:1" for number in range(3_300))
        + "}){__typename}}",
    }
    bodies = {name: json.dumps({"query": query}) for name, query in queries.items()}
    for name, inputs in {
        "a thousand tasks": [task_input(jitterMs=0)] * 800,
        "tasks with jitter": [task_input(expression=f"{minute} 0 29 2 */7") for minute in range(40)],
        "tasks in unknown zones": [task_input(timezone=f"Europ/Berlin{number}") for number in range(50)],
    }.items():
        bodies[name] = json.dumps({"query": CREATE, "variables": {"inputs": inputs}})
    members = ",".join(f'"name{number}":0' for number in range(20_000))
    trivial = '{"query": "{ __typename }", "variables": {"x": %s}}'
    bodies["the last name twice"] = trivial % f'{{{members},"name19999":0}}'
    bodies["many members"] = trivial % f"{{{members}}}"
    bodies["many empty lists"] = trivial % f"[{','.join(['[]'] * 1_000_000)}]"
    bodies["many enum values"] = json.dumps(
        {
            "query": "query ($s: [TaskStatus!]) { tasks(filter: {statuses: $s}) { totalCount } }",
            "variables": {"s": ["SCHEDULED"] * 190_000},
        }
    )
    return bodies


async def test_nothing_that_is_accepted_holds_the_loop_up(api: Api) -> None:
    """Whatever a client sends, the event loop serves others at least every tenth of a second."""
    now = utc_now()
    tasks = [
        Task(
            name="t" * 200, trigger_type=TriggerType.CRON, cron_expr=RARE, timezone="Europe/Berlin", method="GET",
            url="http://localhost/x", next_run=now + HOUR, settled_until=now, tags=[f"{n:064}" for n in range(20)],
            headers={f"x-{n}": "value" for n in range(50)},
        )
        for _ in range(100)
    ]  # fmt: skip
    await save(api.engine, *tasks)
    await run_often(api, tasks[0], 100, "x" * BODY)
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    too_long = {}
    try:
        for name, body in worst().items():
            for _ in range(TRIES):
                monitor.longest = 0.0
                await asyncio.to_thread(post, api, body)
                if monitor.longest < LOOP_HELD:
                    break
            else:
                too_long[name] = monitor.longest
    finally:
        watching.cancel()
    assert not too_long


def test_a_rare_expression_costs_no_more_than_a_common_one() -> None:
    """A hundred instants over 2,800 years take as long as a hundred over four hundred."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def seconds(expression: str) -> float:
        trigger = Cron(expression=expression, timezone="Europe/Berlin")
        assert len(instants(trigger, now, count=100)) == 100
        return min(timeit.repeat(lambda: instants(trigger, now, count=100), number=1, timer=time.thread_time))

    assert seconds(RARE) < 4 * seconds("0 0 29 2 *")


@strawberry.type
class LongLists:
    """A root type with a list that takes long to complete."""

    @strawberry.field
    def numbers(self) -> list[int]:
        """Return many numbers."""
        return list(range(60_000))


async def test_long_lists_are_completed_in_portions() -> None:
    """Many operations with long lists at the same time leave the loop to others between portions of their items.

    This fails when graphql-core no longer calls the method that `PacedExecution` overrides.
    """
    slow = strawberry.Schema(LongLists, execution_context_class=PacedExecution)
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    try:
        for _ in range(TRIES):
            monitor.longest = 0.0
            results = await asyncio.gather(*[slow.execute("{ numbers }") for _ in range(2)])
            await asyncio.sleep(0.01)
            if monitor.longest < LOOP_HELD / 2:
                break
    finally:
        watching.cancel()
    assert [result.data for result in results] == [{"numbers": list(range(60_000))}] * 2
    assert monitor.longest < LOOP_HELD / 2
