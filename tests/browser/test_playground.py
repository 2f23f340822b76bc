"""The playground in a browser, with a running API and a worker."""

from tests.browser.conftest import Browser
from tests.support.graphql import Api


async def test_playground_runs_its_examples_live_and_asks_no_other_host(browser: Browser, service: Api) -> None:
    """A visitor creates a task, lists it, watches it, pauses it and deletes it; no other host can be reached."""
    await browser.visit("playground.ts", service.url)


async def test_playground_asks_for_a_key_once_and_keeps_it_for_the_tab(
    browser: Browser, guarded: tuple[Api, str]
) -> None:
    """With authentication on, one key works for all tabs and the documentation, and is gone with the browser's tab."""
    api, key = guarded
    await browser.visit("guarded_playground.ts", api.url, key)
