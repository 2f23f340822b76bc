"""Runs `duetime worker`: one worker process."""

import asyncio

from db.settings import DatabaseSettings
from duetime import garbage
from duetime.errors import CannotStart
from duetime.lazy_imports import lazy_imports
from duetime.preflight import check_servers, unreachable
from duetime.signals import on_stop
from jobs.cancellation import cancel_and_wait
from jobs.settings import JobsSettings
from jobs.tracing_settings import TracingSettings


async def work(database: DatabaseSettings, jobs: JobsSettings, tracing: TracingSettings) -> None:
    """Run the worker until it is asked to stop. Raise CannotStart if a server cannot be reached."""
    stop = asyncio.Event()
    on_stop(stop.set)
    checking, stopping = asyncio.create_task(check_servers(database, jobs)), asyncio.create_task(stop.wait())
    await asyncio.wait([checking, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not checking.done():
        await cancel_and_wait(checking)
        return
    stopping.cancel()
    checking.result()
    with lazy_imports():
        from jobs.worker import NotStarted, run_worker  # noqa: PLC0415 (takes half a second; the checks come first)

    garbage.calm()
    try:
        await run_worker(database, jobs, stop=stop, tracing=tracing)
    except NotStarted as error:
        raise CannotStart(unreachable(database.url(), error.__cause__ or error)) from None
