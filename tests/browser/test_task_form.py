"""The pages on which tasks are created and changed, in a browser, with a running API and a worker."""

import base64
import json

from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.browser.conftest import Browser
from tests.support.engine import working
from tests.support.graphql import serving
from tests.support.target import Target
from tests.support.waiting import wait_until


async def test_task_is_created_from_a_curl_command_tried_changed_and_run(
    browser: Browser, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """The trial and the run, after a change by others, send the secret that was entered once."""
    sealing = jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})
    async with serving(database, sealing) as api, working(database, sealing):
        await browser.visit("task_form.ts", api.url, target.url)
        await wait_until(lambda: len(target.calls_of("/hook")) == 2, what="the run called")
    for call in target.calls_of("/hook"):
        assert (call.method, call.query) == ("POST", "a=1")
        assert call.headers["authorization"] == "Bearer a-secret-of-mine"
        assert json.loads(call.body) == {"text": "it is due"}
