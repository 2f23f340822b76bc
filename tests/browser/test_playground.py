"""The playground in a browser, on a running `duetime up`."""

from pathlib import Path

from tests.support.command import duetime_up
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor makes a task, lists it, watches its first run, and sends a key along; all other hosts do not exist."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "playground.ts", chromium, up.graphql)
