"""The playground in a browser, with a running `duetime up`."""

from pathlib import Path

from tests.support.command import Up, duetime_up
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor creates a task, lists it, watches it, pauses it and deletes it; no other host can be reached."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "playground.ts", chromium, up.graphql)


async def test_playground_asks_for_a_key_once_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Up, str]) -> None:
    """With authentication on, one key works for all tabs and the documentation, and is gone with the browser's tab."""
    up, key = guarded
    await node(FOLDER / "guarded_playground.ts", chromium, up.graphql, key)
