"""The dashboard's pages for administrators in a browser, with a running API and a worker."""

import base64

from db.settings import DatabaseSettings
from db.states import KeyScope
from jobs.settings import JobsSettings
from tests.browser.conftest import Browser
from tests.support import keys
from tests.support.engine import working
from tests.support.target import Target


async def test_admins_manage_keys_and_notifications_and_others_are_offered_neither(
    browser: Browser, database: DatabaseSettings, jobs_settings: JobsSettings, target: Target
) -> None:
    """A key that is revoked over a form is asked for again, and the form is still there."""
    sealing = jobs_settings.model_copy(update={"secret_key": base64.b64encode(bytes(32)).decode()})
    async with keys.guarded(database, sealing) as api, working(database, sealing):
        tokens = [
            await keys.make_key(api.engine, name, scope=scope)
            for name, scope in (("reader", KeyScope.READ), ("writer", KeyScope.WRITE), ("admin", KeyScope.ADMIN))
        ]
        await browser.visit("administration.ts", api.url, target.url, *tokens)
    assert len(target.calls_of("/notified")) == 1
