"""Relay: its compiler takes the schema and the documented components, and the components work."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from db.states import RunState
from tests.support import recipes as page
from tests.support.engine import every, save
from tests.support.graphql import Api
from tests.support.history import HOUR, ago, run_of
from tests.support.node import TESTS, running_node
from tests.support.recipes import COMPILED, Recipes

WITHIN = 20
PAUSE = "mutation ($id: ID!) { pauseTask(id: $id) { __typename } }"
RESUME = "mutation ($id: ID!) { resumeTask(id: $id) { __typename } }"


def test_the_compiler_accepts_refetchable_connections_of_the_query_and_of_a_task(recipes: Recipes) -> None:
    """It complains of nothing, and the page of a task's runs is found by `node`."""
    artifact = recipes.folder / "relay/__generated__/RunsPageQuery.graphql.ts"
    assert "node(id: $id)" in artifact.read_text()
    assert "error" not in page.relay_compiler(recipes.folder).lower()


def test_the_compiler_is_really_asked(recipes: Recipes, tmp_path: Path) -> None:
    """A field that the schema lacks fails."""
    page.write(tmp_path)
    component = tmp_path / "relay/Runs.tsx"
    component.write_text(component.read_text().replace("scheduledFor", "colour"))
    with pytest.raises(AssertionError, match="colour"):
        page.relay_compiler(tmp_path)


@asynccontextmanager
async def switching(api: Api, task_id: str) -> AsyncIterator[None]:
    """Pause and resume a task again and again while the block lasts."""

    async def switch() -> None:
        while True:
            await api.data(PAUSE, id=task_id)
            await asyncio.sleep(0.2)
            await api.data(RESUME, id=task_id)
            await asyncio.sleep(0.2)

    switching = asyncio.create_task(switch())
    try:
        yield
    finally:
        switching.cancel()


async def test_components_load_further_pages_and_follow_changes(api: Api, recipes: Recipes) -> None:
    """Runs and tasks are paged by their own queries, and a change by somebody else is shown."""
    tasks = [every("http://localhost/", HOUR, ago(-1), name=name) for name in ("a", "b", "c")]
    await save(api.engine, *tasks)
    states = (RunState.FAILED, RunState.SUCCEEDED, RunState.SKIPPED)
    await save(api.engine, *(run_of(tasks[0], scheduled_for=ago(n + 1), state=state) for n, state in enumerate(states)))
    script = TESTS / "clients/relay.ts"
    arguments = (str(recipes.folder / COMPILED), f"{api.url}/graphql")
    async with running_node(script, *arguments, options=["--conditions=development"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [(await asyncio.wait_for(process.stdout.readline(), WITHIN)).decode().strip() for _ in range(3)]
        a, b, c = (f"{name} SCHEDULED" for name in "abc")
        assert lines == [
            f"{a}, FAILED, SUCCEEDED, {b}",
            f"{a}, FAILED, SUCCEEDED, SKIPPED, {b}",
            f"{a}, FAILED, SUCCEEDED, SKIPPED, {b}, {c}",
        ], (await process.stderr.read()).decode()
        async with switching(api, str(tasks[2].id)):
            live = (await asyncio.wait_for(process.stdout.readline(), WITHIN)).decode().strip()
        assert live == f"{a}, FAILED, SUCCEEDED, SKIPPED, {b}, c PAUSED"
        asked = json.loads(await asyncio.wait_for(process.stdout.readline(), WITHIN))
        assert asked == ["TasksQuery", "RunsPageQuery", "TasksPageQuery"]
