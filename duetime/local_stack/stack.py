"""Runs the local stack: starts the servers that are not configured, supervises them, and stops them in order."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from duetime.errors import CannotStart
from duetime.local_stack.cluster import ensure_cluster
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.place import choose_place
from duetime.local_stack.postgres import Postgres
from duetime.local_stack.valkey import Valkey
from duetime.settings import DuetimeSettings
from duetime.supervisor import SupervisedProcess

ATTEMPTS = 3

Server = TypeVar("Server", Postgres, Valkey)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """The URLs of the servers that run, passwords included, and a remark for the user.

    `owner_url` is that of the role that owns the tables, and `database_url` that of the API and the workers.
    """

    owner_url: str | None = field(repr=False)
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    remark: str | None


@asynccontextmanager
async def local_stack(
    folder: DataFolder,
    settings: DuetimeSettings,
    *,
    postgres: bool,
    valkey: bool,
    postgres_configuration: dict[str, str] | None = None,
) -> AsyncIterator[LocalStack]:
    """Run the requested servers, and stop Valkey first and Postgres last. Raise CannotStart if one cannot run."""
    place = choose_place(folder, settings)
    async with AsyncExitStack() as running:
        owner_url = database_url = redis_url = None
        if postgres:
            await ensure_cluster(place, folder)
            database = await start(
                lambda port: Postgres(place, folder, port=port, extra=postgres_configuration), running=running
            )
            owner_url, database_url = database.url, database.application_url
            folder.save_database_urls(application=database_url, owner=owner_url)
        if valkey:
            redis_url = (await start(lambda port: Valkey(place, folder, port=port), running=running)).url
        remark = None
        if place.parent != folder.path and postgres and place.user is not None:
            remark = (
                f"the user {place.user.name} runs Postgres and cannot reach {folder.path}; "
                f"Postgres's data is in {place.parent}"
            )
        yield LocalStack(owner_url=owner_url, database_url=database_url, redis_url=redis_url, remark=remark)


async def start(make: Callable[[int], Server], *, running: AsyncExitStack) -> Server:
    """Start a server on a free port, and supervise it until `running` is closed."""
    for left in reversed(range(ATTEMPTS)):
        server = make(free_port())
        try:
            process = await server.start()
        except CannotStart:
            # Another program may have taken the port since we looked.
            if left and not is_free(server.port):
                continue
            raise
        supervised = SupervisedProcess(type(server).__name__, server.start, process)
        running.push_async_callback(supervised.stop)
        supervised.supervise()
        return server
    raise AssertionError


def free_port() -> int:
    """Return a port of the loopback address that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Return whether the port of the loopback address is free at this moment."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
