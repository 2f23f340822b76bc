"""Swagger UI in a browser, with a running `duetime up`."""

from pathlib import Path

from tests.support.command import Up, duetime_up
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_swagger_ui_makes_requests_and_asks_no_other_host(
    chromium: str, data_dir: Path, up_environment: dict[str, str]
) -> None:
    """A visitor creates a task from the document's example and lists it; no other host can be reached."""
    with duetime_up(data_dir, environment=up_environment) as up:
        await node(FOLDER / "swagger.ts", chromium, up.url)


async def test_swagger_ui_asks_for_a_key_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Up, str]) -> None:
    """With authentication on, the page asks for a key, uses it for requests, and keeps it no longer than its tab."""
    up, key = guarded
    await node(FOLDER / "guarded_swagger.ts", chromium, up.url, key)
