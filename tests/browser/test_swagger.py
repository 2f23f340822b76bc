"""Swagger UI in a browser, with a running `duetime up`."""

from pathlib import Path

from tests.support.command import duetime_up, write_key
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_swagger_ui_makes_requests_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor creates a task from the document's example and lists it; no other host can be reached."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "swagger.ts", chromium, up.url)


async def test_swagger_ui_asks_for_a_key_and_does_not_keep_it(
    chromium: str, data_dir: Path, tmp_path: Path, up_environment: dict[str, str]
) -> None:
    """With authentication on, the page asks for a key, uses it for requests, and does not keep it."""
    environment = up_environment | {"DUETIME_AUTH": "keys"}
    with duetime_up(data_dir, environment=environment) as up:
        key = write_key(cwd=tmp_path, environment=environment | {"DUETIME_DATA_DIR": str(data_dir)})
        await node(FOLDER / "guarded_swagger.ts", chromium, up.url, key)
