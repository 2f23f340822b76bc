"""`duetime worker`: one worker process."""

import asyncio

from db.settings import DatabaseSettings
from duetime.reachable import check_servers
from duetime.signals import on_stop
from jobs.settings import JobsSettings


async def work(database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Works until it is asked to stop. CannotStart when a server cannot be reached."""
    stop = asyncio.Event()
    on_stop(stop.set)
    await check_servers(database, jobs)
    from jobs.worker import run_worker  # noqa: PLC0415 (half a second that a refusal above need not wait for)

    await run_worker(database, jobs, stop=stop)
