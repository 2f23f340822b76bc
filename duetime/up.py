"""Runs `duetime up`: the embedded servers, the migrations, the API and a worker, in one command."""

import asyncio
import http.client
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from db.connection import CONNECTION_ERRORS
from db.settings import DatabaseSettings
from duetime import banner
from duetime.errors import CannotStart
from duetime.keys import create_first
from duetime.listener import GRACE, LISTENER_VARIABLE, listen
from duetime.local_stack.data_folder import DataFolder, open_data_folder
from duetime.local_stack.stack import LocalStack, local_stack
from duetime.preflight import check_redis, first_line, migrate_database, wait_for_worker
from duetime.process_group import parent_pipe, start_supervised
from duetime.settings import DuetimeSettings, ProcessSettings
from duetime.signals import on_stop
from duetime.supervisor import SupervisedProcess
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

logger = logging.getLogger(__name__)
STARTUP_TIMEOUT = timedelta(seconds=60)
NO_SERVERS = LocalStack(owner_url=None, database_url=None, redis_url=None, remark=None)


async def run(
    settings: DuetimeSettings,
    database: DatabaseSettings,
    jobs: JobsSettings,
    api: ApiSettings,
    *,
    numbers: ProcessSettings,
    started_at: float,
    with_parent: bool,
) -> None:
    """Run everything until it is asked to stop. `started_at` is the command's start on the monotonic clock."""
    processes: list[SupervisedProcess] = []
    everything = asyncio.create_task(
        run_everything(settings, database, jobs, api, numbers=numbers, started_at=started_at, processes=processes)
    )

    def kill_all() -> None:
        for process in processes:
            process.current.kill()

    # The servers need no waiting: their watchdogs notice that this process has ended, and stop them.
    on_stop(everything.cancel, immediately=kill_all)
    watching = asyncio.create_task(stop_with_parent(everything)) if with_parent else None
    with suppress(asyncio.CancelledError):
        await everything
    if watching is not None:
        watching.cancel()


async def stop_with_parent(everything: "asyncio.Task[None]") -> None:
    """Stop everything when the parent process ends. A killed `make` does not pass its signal on."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (there is no event to wait for)
        await asyncio.sleep(0.2)
    everything.cancel()


async def run_everything(
    settings: DuetimeSettings,
    database: DatabaseSettings,
    jobs: JobsSettings,
    api: ApiSettings,
    *,
    numbers: ProcessSettings,
    started_at: float,
    processes: list[SupervisedProcess],
) -> None:
    """Start everything in order, wait until cancelled, and stop everything in the reverse order."""
    async with AsyncExitStack() as running:
        folder = None
        if not (database.is_named and jobs.redis_url):
            folder = await running.enter_async_context(open_data_folder(settings.data_dir))
        listener = running.enter_context(listen(api))
        servers = NO_SERVERS
        if folder is not None:
            servers = await running.enter_async_context(
                local_stack(folder, settings, postgres=not database.is_named, valkey=jobs.redis_url is None)
            )
        if servers.database_url:
            database = database.model_copy(
                update={"database_url": servers.database_url, "migrate_database_url": servers.owner_url}
            )
        if servers.redis_url:
            jobs = jobs.model_copy(update={"redis_url": servers.redis_url})
        if api.only_for_this_machine:
            # A client of the API is on this machine already, and can reach its loopback addresses without Duetime.
            jobs = jobs.with_loopback()
        await check_redis(jobs)
        before, after = await migrate_database(database, secrets=jobs.secrets)
        if before != after:
            logger.info("Migrated the database.", extra={"action": "migrated", "from": before, "to": after})
        await create_first(settings, database)
        worker = await running.enter_async_context(
            running_processes(servers, folder, listener, jobs, numbers=numbers, processes=processes)
        )
        await wait_until_ready(processes, wait_until_healthy(api), wait_for_worker(database, pid=worker))
        for process in processes:
            process.supervise()
        print(banner.text(api, jobs, servers, folder, took=time.monotonic() - started_at), flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            logger.info("Stopping.", extra={"action": "stopping"})


@asynccontextmanager
async def running_processes(
    servers: LocalStack,
    folder: DataFolder | None,
    listener: socket.socket,
    jobs: JobsSettings,
    *,
    numbers: ProcessSettings,
    processes: list[SupervisedProcess],
) -> AsyncIterator[int]:
    """Run the API and a worker, or several, and append them to `processes`. Yield the id of a worker's process.

    Stop all of them at the same time.
    """
    environment = {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "DUETIME_TARGETS_ALLOWED": jobs.targets_allowed or None,
        "DUETIME_SECRET_KEY": secret_key(servers, folder, jobs),
    }
    settings = {name: value for name, value in environment.items() if value is not None}
    # They inherit the lock, so that the data folder stays locked until the last of them has ended.
    lock = [] if folder is None else [folder.lock]
    port = listener.fileno()
    async with parent_pipe() as pipe:
        try:
            await start_supervised(
                "api",
                number=numbers.api_processes,
                grace=GRACE,
                environment={**settings, LISTENER_VARIABLE: str(port)},
                pipe=pipe,
                inherited=[*lock, port],
                processes=processes,
            )
            yield await start_supervised(
                "worker",
                number=numbers.worker_processes,
                grace=jobs.grace,
                environment=settings,
                pipe=pipe,
                inherited=lock,
                processes=processes,
            )
        finally:
            await asyncio.gather(*(process.end_supervision() for process in processes))
            # The API closes its own descriptor of this socket first, so new connections are refused while it stops.
            listener.close()
            await asyncio.gather(*(process.stop() for process in processes))


def secret_key(servers: LocalStack, folder: DataFolder | None, jobs: JobsSettings) -> str | None:
    """Return the configured key for secrets, or else the data folder's key if the database is there too."""
    if jobs.secret_key or folder is None or servers.database_url is None:
        return jobs.secret_key or None
    return folder.secret_key()


async def wait_until_ready(processes: list[SupervisedProcess], *checks: Coroutine[Any, Any, None]) -> None:
    """Wait for all checks. Raise CannotStart if a process ends before that; it has logged the reason itself."""
    endings = {process.name: asyncio.create_task(process.current.wait()) for process in processes}
    running = [asyncio.create_task(check) for check in checks]
    all_done = asyncio.create_task(asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION))
    waited_for: list[asyncio.Task[Any]] = [*endings.values(), *running, all_done]
    try:
        await asyncio.wait(
            [all_done, *endings.values()], timeout=STARTUP_TIMEOUT.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        for name, ending in endings.items():
            if ending.done():
                raise CannotStart(f"the {name} ended during startup; the lines above show why")
        if not all_done.done():
            raise CannotStart(f"the API and the worker were not ready within {STARTUP_TIMEOUT.seconds} s")
        for check in running:
            check.result()
    except CONNECTION_ERRORS as error:
        raise CannotStart(f"the connection to Postgres was lost: {first_line(error)}") from None
    finally:
        for task in waited_for:
            task.cancel()
        await asyncio.gather(*waited_for, return_exceptions=True)


async def wait_until_healthy(api: ApiSettings) -> None:
    """Request the health check of the process until it responds with 200. Redis may be unavailable."""
    while await asyncio.to_thread(health, api) != http.HTTPStatus.OK:  # noqa: ASYNC110 (there is no event to wait for)
        await asyncio.sleep(0.02)


def health(api: ApiSettings) -> int | None:
    """Return the status of GET /health/live, or None without a response."""
    connection = http.client.HTTPConnection(banner.local_host(api.host), api.port, timeout=1)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
