"""Swagger UI in a browser, with a running API and a worker."""

from tests.browser.conftest import Browser
from tests.support.graphql import Api


async def test_swagger_ui_makes_requests_and_asks_no_other_host(browser: Browser, service: Api) -> None:
    """A visitor creates a task from the document's example and lists it; no other host can be reached."""
    await browser.visit("swagger.ts", service.url)


async def test_swagger_ui_asks_for_a_key_and_keeps_it_for_the_tab(browser: Browser, guarded: tuple[Api, str]) -> None:
    """With authentication on, the page asks for a key, uses it for requests, and keeps it no longer than its tab."""
    api, key = guarded
    await browser.visit("guarded_swagger.ts", api.url, key)
