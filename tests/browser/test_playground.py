"""The playground in a browser, with a running API and a worker."""

from pathlib import Path

import pytest

from tests.support.graphql import Api
from tests.support.node import node

pytestmark = pytest.mark.unmeasured

FOLDER = Path(__file__).parent


async def test_playground_runs_its_examples_live_and_asks_no_other_host(chromium: str, service: Api) -> None:
    """A visitor creates a task, lists it, watches its first run, and sends a key; no other host can be reached."""
    await node(FOLDER / "playground.ts", chromium, f"{service.url}/graphql")


async def test_playground_shows_a_key_and_does_not_keep_it(chromium: str, guarded: tuple[Api, str]) -> None:
    """With authentication on, a key in a tab's headers works for all operations, and is gone with the page."""
    api, key = guarded
    await node(FOLDER / "guarded_playground.ts", chromium, f"{api.url}/graphql", key)
