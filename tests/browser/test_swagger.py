"""Swagger UI in a browser, on a running `duetime up`."""

from pathlib import Path

from tests.support.command import duetime_up
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_swagger_ui_makes_requests_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor makes a task from the document's example and lists it; all other hosts do not exist."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "swagger.ts", chromium, up.url)
