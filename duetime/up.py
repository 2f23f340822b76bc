"""`duetime up`: everything with one command: the servers that nobody named, the schema, the API and a worker."""

import asyncio
import http.client
import logging
import os
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from db.connection import CONNECTION_ERRORS
from db.settings import DatabaseSettings
from duetime import banner
from duetime.api import GRACE, listen
from duetime.errors import CannotStart
from duetime.local_stack.data_folder import DataFolder, open_data_folder
from duetime.local_stack.stack import LocalStack, local_stack
from duetime.preflight import check_redis, first_line, migrate_database, until_worker_holds
from duetime.settings import DuetimeSettings
from duetime.signals import on_stop
from duetime.subprocesses import start_child
from duetime.supervisor import SupervisedProcess
from graphql_api.settings import ApiSettings
from jobs.settings import JobsSettings

LOG = logging.getLogger(__name__)
READY_WITHIN = timedelta(seconds=60)
# What a part needs beyond its own grace to close its pools and to end.
CLOSING = timedelta(seconds=10)


async def run(
    settings: DuetimeSettings,
    database: DatabaseSettings,
    jobs: JobsSettings,
    api: ApiSettings,
    *,
    began: float,
    with_parent: bool,
) -> None:
    """Runs everything until it is asked to stop. `began` is when the command started, by the monotonic clock."""
    parts: list[SupervisedProcess] = []
    everything = asyncio.create_task(run_everything(settings, database, jobs, api, began=began, parts=parts))

    def at_once() -> None:
        for part in parts:
            part.present.kill()

    # At once means without waiting: the servers' watchdogs see our end and stop them.
    on_stop(everything.cancel, at_once=at_once)
    watching = asyncio.create_task(stop_with_parent(everything)) if with_parent else None
    with suppress(asyncio.CancelledError):
        await everything
    if watching is not None:
        watching.cancel()


async def stop_with_parent(everything: "asyncio.Task[None]") -> None:
    """Stops when our parent is gone: `make`, killed, passes nothing on."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0.2)
    everything.cancel()


async def run_everything(
    settings: DuetimeSettings,
    database: DatabaseSettings,
    jobs: JobsSettings,
    api: ApiSettings,
    *,
    began: float,
    parts: list[SupervisedProcess],
) -> None:
    """Starts everything in order and waits until it is cancelled; then stops everything in the reverse order."""
    async with AsyncExitStack() as running:
        folder, servers = await running.enter_async_context(servers_for(settings, database, jobs, api))
        if servers.database_url:
            database = database.model_copy(update={"database_url": servers.database_url})
        if servers.redis_url:
            jobs = jobs.model_copy(update={"redis_url": servers.redis_url})
        if api.on_loopback:
            # Who reaches the API is on this machine already, and can call what listens here without us.
            jobs = jobs.with_loopback()
        await check_redis(jobs)
        before, after = await migrate_database(database, secrets=jobs.secrets)
        if before != after:
            LOG.info("Migrated the database.", extra={"action": "migrated", "from": before, "to": after})
        worker = await running.enter_async_context(parts_of(servers, folder, jobs, parts))
        await until_ready(parts, asks_health(api), until_worker_holds(database, pid=worker.pid))
        for part in parts:
            part.keep()
        print(banner.text(api, servers, folder, took=time.monotonic() - began), flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            LOG.info("Stopping.", extra={"action": "stopping"})


@asynccontextmanager
async def servers_for(
    settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings, api: ApiSettings
) -> AsyncIterator[tuple[DataFolder | None, LocalStack]]:
    """Runs the servers that nobody named. Refuses first what would be in vain: a folder in use, a taken port."""
    if database.is_named and jobs.redis_url:
        listen(api).close()
        yield None, LocalStack(database_url=None, redis_url=None, remark=None)
        return
    async with open_data_folder(settings.data_dir) as folder:
        listen(api).close()
        async with local_stack(
            folder, settings, postgres=not database.is_named, valkey=jobs.redis_url is None
        ) as servers:
            yield folder, servers


@asynccontextmanager
async def parts_of(
    servers: LocalStack, folder: DataFolder | None, jobs: JobsSettings, parts: list[SupervisedProcess]
) -> AsyncIterator[Process]:
    """Runs the API and a worker, which join `parts`, and stops both at the same time. The worker's process."""
    environment = {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "DUETIME_TARGETS_ALLOWED": jobs.targets_allowed or None,
        "DUETIME_SECRET_KEY": secret_key(servers, folder, jobs),
    }
    named = {name: value for name, value in environment.items() if value is not None}
    theirs, ours = os.pipe()
    try:
        for part, grace in (("api", GRACE), ("worker", jobs.grace)):
            start = partial(
                start_child,
                part,
                environment=named,
                pipe=theirs,
                # Only when the last of them has ended is the data folder free for another start.
                inherited=[] if folder is None else [folder.lock],
                patience=grace + CLOSING,
            )
            child = await start()
            parts.append(SupervisedProcess(f"the {part}", start, child))
        yield child.process
    finally:
        await asyncio.gather(*(part.stop() for part in parts))
        for end in (theirs, ours):
            os.close(end)


def secret_key(servers: LocalStack, folder: DataFolder | None, jobs: JobsSettings) -> str | None:
    """The key for secrets: the one that is set, else the data folder's own, if its Postgres is where they lie."""
    if jobs.secret_key or folder is None or servers.database_url is None:
        return jobs.secret_key or None
    return folder.secret_key()


async def until_ready(parts: list[SupervisedProcess], *signs: Coroutine[Any, Any, None]) -> None:
    """Waits for every sign of life. CannotStart when a part ends before that, having said why itself."""
    endings = {part.name: asyncio.create_task(part.present.wait()) for part in parts}
    alive = [asyncio.create_task(sign) for sign in signs]
    all_alive = asyncio.create_task(asyncio.wait(alive, return_when=asyncio.FIRST_EXCEPTION))
    waited_for: list[asyncio.Task[Any]] = [*endings.values(), *alive, all_alive]
    try:
        await asyncio.wait(
            [all_alive, *endings.values()], timeout=READY_WITHIN.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        for name, ending in endings.items():
            if ending.done():
                raise CannotStart(f"{name} ended at its start; the lines above say why")
        if not all_alive.done():
            raise CannotStart(f"the API and the worker were not ready within {READY_WITHIN.seconds} s")
        for sign in alive:
            sign.result()
    except CONNECTION_ERRORS as error:
        raise CannotStart(f"Postgres went away: {first_line(error)}") from None
    finally:
        for task in waited_for:
            task.cancel()
        await asyncio.gather(*waited_for, return_exceptions=True)


async def asks_health(api: ApiSettings) -> None:
    """Asks until the answer is 200."""
    while await asyncio.to_thread(health, api) != http.HTTPStatus.OK:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0.02)


def health(api: ApiSettings) -> int | None:
    """The status of GET /health; None without an answer."""
    connection = http.client.HTTPConnection(banner.reached_at(api.host), api.port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
