"""Runs several API processes on one port, or several workers, as child processes of one command."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from db.settings import DatabaseSettings
from duetime.listener import GRACE, LISTENER_VARIABLE, inherited_listener, listen
from duetime.preflight import check_access, check_servers
from duetime.signals import on_stop
from duetime.subprocesses import start_child
from duetime.supervisor import SupervisedProcess
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

logger = logging.getLogger(__name__)
# After its grace period, a process needs this long to close its connections and end.
SHUTDOWN_MARGIN = timedelta(seconds=10)


@asynccontextmanager
async def parent_pipe() -> AsyncIterator[int]:
    """Yield the read end of a pipe whose write end only this process holds (see `duetime.parent_death`)."""
    read_end, write_end = os.pipe()
    try:
        yield read_end
    finally:
        for end in (read_end, write_end):
            os.close(end)


async def start_supervised(
    command: str,
    *,
    number: int,
    grace: timedelta,
    environment: Mapping[str, str],
    pipe: int,
    inherited: Sequence[int],
    processes: list[SupervisedProcess],
) -> int:
    """Start `number` processes that run a command, append them, and return the id of the last one.

    They are not supervised yet.
    """
    start = partial(
        start_child,
        command,
        environment={**environment, f"DUETIME_{command.upper()}_PROCESSES": "1"},
        pipe=pipe,
        inherited=inherited,
        stop_timeout=grace + SHUTDOWN_MARGIN,
    )
    names = [command if number == 1 else f"{command}-{place}" for place in range(1, number + 1)]
    for name in names:
        child = await start()
        processes.append(SupervisedProcess(name, start, child))
    return child.process.pid


async def serve_apis(number: int, database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings) -> None:
    """Serve the API by several processes until asked to stop. Raise CannotStart as one process would.

    All of them accept connections from one listening socket, which stays open when one of them ends, so a connection
    that no process has accepted yet waits for another one.
    """
    async with AsyncExitStack() as running:
        listener = running.enter_context(inherited_listener() or listen(api))
        await check_servers(database, jobs)
        await check_access(database, api)
        environment = {LISTENER_VARIABLE: str(listener.fileno())}
        pipe = await running.enter_async_context(parent_pipe())
        processes: list[SupervisedProcess] = []
        await start_supervised(
            "api",
            number=number,
            grace=GRACE,
            environment=environment,
            pipe=pipe,
            inherited=[listener.fileno()],
            processes=processes,
        )
        # The processes close their own descriptors of this socket first, so new connections are refused meanwhile.
        await run_until_stopped(processes, before_stopping=listener.close)


async def run_workers(number: int, database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Run several workers until asked to stop. Raise CannotStart as one worker would."""
    await check_servers(database, jobs)
    async with parent_pipe() as pipe:
        processes: list[SupervisedProcess] = []
        await start_supervised(
            "worker",
            number=number,
            grace=jobs.grace,
            environment={},
            pipe=pipe,
            inherited=[],
            processes=processes,
        )
        await run_until_stopped(processes)


async def run_until_stopped(
    processes: Sequence[SupervisedProcess], *, before_stopping: Callable[[], None] = lambda: None
) -> None:
    """Restart each process that ends, until asked to stop. Then stop all of them at the same time, gracefully."""
    stop = asyncio.Event()

    def kill_all() -> None:
        for process in processes:
            process.current.kill()

    on_stop(stop.set, immediately=kill_all)
    for process in processes:
        process.supervise()
    logger.info("Started several processes.", extra={"action": "processes_started", "number": len(processes)})
    try:
        await stop.wait()
    finally:
        logger.info("Stopping.", extra={"action": "stopping"})
        await asyncio.gather(*(process.end_supervision() for process in processes))
        before_stopping()
        await asyncio.gather(*(process.stop() for process in processes))
