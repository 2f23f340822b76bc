"""Takes screenshots of the dashboard over a real stack with sample data: `make screenshots`.

With the argument `--stay` it prints the address of the stack instead, and runs it until it is interrupted.
"""

import asyncio
import base64
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from db.settings import DatabaseSettings
from jobs.settings import LOOPBACK, JobsSettings
from tests.browser.conftest import NAMES
from tests.support import sample
from tests.support.engine import working
from tests.support.graphql import serving
from tests.support.node import node
from tests.support.servers import running_servers

SECRET_KEY = base64.b64encode(bytes(32)).decode()
SCRIPT = Path(__file__).parent / "screenshots.ts"
ENDS_WITHIN = 900


async def take(folder: str, database: DatabaseSettings, redis_url: str) -> None:
    """Run a stack, and write the screenshots of its pages to a folder."""
    jobs = JobsSettings.model_construct(redis_url=redis_url, targets_allowed=LOOPBACK, secret_key=SECRET_KEY)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sample.called())
        api = await stack.enter_async_context(serving(database, jobs, lookup=sample.addresses))
        ids = await sample.arrange(api)
        # A worker would be held up by the insertion, and nothing is due before.
        await stack.enter_async_context(working(database, jobs, lookup=sample.addresses))
        await asyncio.sleep(sample.BEGINS_AFTER.total_seconds())
        if folder == "--stay":
            print(api.url, flush=True)  # noqa: T201 (for the person who asked)
            await asyncio.Event().wait()
        chromium = next(filter(None, map(shutil.which, NAMES)), None)
        if chromium is None:
            raise SystemExit("There is no Chromium here (on Debian: apt-get install chromium-headless-shell)")
        task = str(ids["Charge due subscriptions"])
        await node(SCRIPT, chromium, api.url, folder, task, ends_within=ENDS_WITHIN)


if __name__ == "__main__":
    with running_servers() as servers, servers.database() as database, servers.redis_database() as redis_url:
        asyncio.run(take(sys.argv[1], database, redis_url))
