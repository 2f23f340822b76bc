"""The playground in a browser, with a running `duetime up`."""

from pathlib import Path

from tests.support.command import Up, duetime_up
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor creates a task, lists it, watches its first run, and sends a key; no other host can be reached."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "playground.ts", chromium, up.graphql)


async def test_playground_shows_a_key_and_does_not_keep_it(chromium: str, guarded: tuple[Up, str]) -> None:
    """With authentication on, a key in a tab's headers works for all operations, and is gone with the page."""
    up, key = guarded
    await node(FOLDER / "guarded_playground.ts", chromium, up.graphql, key)
