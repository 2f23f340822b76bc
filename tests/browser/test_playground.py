"""The playground in a browser, with a running API and a worker."""

from pathlib import Path

from tests.support.graphql import Api
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(chromium: str, service: Api) -> None:
    """A visitor creates a task, lists it, watches it, pauses it and deletes it; no other host can be reached."""
    await node(FOLDER / "playground.ts", chromium, f"{service.url}/graphql")


async def test_playground_asks_for_a_key_once_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Api, str]) -> None:
    """With authentication on, one key works for all tabs and the documentation, and is gone with the browser's tab."""
    api, key = guarded
    await node(FOLDER / "guarded_playground.ts", chromium, f"{api.url}/graphql", key)
