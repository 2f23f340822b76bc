"""The dashboard in a browser, with a running API and a worker."""

from pathlib import Path

import pytest

from tests.support.graphql import Api
from tests.support.node import node

pytestmark = pytest.mark.unmeasured

FOLDER = Path(__file__).parent


async def test_dashboard_is_accessible_and_asks_no_other_host(chromium: str, service: Api) -> None:
    """Every page has no violations that axe finds, in both themes and at phone width; no other host can be reached."""
    await node(FOLDER / "dashboard.ts", chromium, service.url)


async def test_dashboard_asks_for_a_key_once_and_keeps_it_for_the_tab(chromium: str, guarded: tuple[Api, str]) -> None:
    """With authentication on, the page asks for a key, says why one is refused, and keeps the right one for the tab."""
    api, key = guarded
    await node(FOLDER / "guarded_dashboard.ts", chromium, api.url, key)
