"""Swagger UI in a browser, with a running API and a worker."""

from pathlib import Path

from tests.support.graphql import Api
from tests.support.node import node

FOLDER = Path(__file__).parent


async def test_swagger_ui_makes_requests_and_asks_no_other_host(chromium: str, service: Api) -> None:
    """A visitor creates a task from the document's example and lists it; no other host can be reached."""
    await node(FOLDER / "swagger.ts", chromium, service.url)


async def test_swagger_ui_asks_for_a_key_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Api, str]) -> None:
    """With authentication on, the page asks for a key, uses it for requests, and keeps it no longer than its tab."""
    api, key = guarded
    await node(FOLDER / "guarded_swagger.ts", chromium, api.url, key)
