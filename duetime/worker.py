"""Runs `duetime worker`: one worker process."""

import asyncio

from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.preflight import check_servers, unreachable
from duetime.signals import on_stop
from jobs.settings import JobsSettings


async def work(database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Run the worker until it is asked to stop. Raise CannotStart if a server cannot be reached."""
    stop = asyncio.Event()
    on_stop(stop.set)
    await check_servers(database, jobs)
    from jobs.worker import NotStarted, run_worker  # noqa: PLC0415 (takes half a second; the checks come first)

    try:
        await run_worker(database, jobs, stop=stop)
    except NotStarted as error:
        raise CannotStart(unreachable(database.url(), error.__cause__ or error)) from None
