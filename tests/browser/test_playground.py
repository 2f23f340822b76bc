"""The playground in a browser, on a running `duetime up`."""

from pathlib import Path

from tests.support.command import duetime_up, write_key
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor makes a task, lists it, watches its first run, and sends a key along; all other hosts do not exist."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "playground.ts", chromium, up.graphql)


async def test_playground_shows_a_key_and_does_not_keep_it(
    chromium: str, data_dir: Path, tmp_path: Path, up_environment: dict[str, str]
) -> None:
    """Where keys are wanted, one in a tab's headers lets its operations in, live ones too, and dies with the page."""
    environment = up_environment | {"DUETIME_AUTH": "keys"}
    with duetime_up(data_dir, environment=environment) as up:
        key = write_key(cwd=tmp_path, environment=environment | {"DUETIME_DATA_DIR": str(data_dir)})
        await node(FOLDER / "guarded_playground.ts", chromium, up.graphql, key)
