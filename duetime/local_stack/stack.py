"""The local stack as a whole: starts the servers that nobody named, keeps them up, and stops them in order."""

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

TRIES = 3

Server = TypeVar("Server", Postgres, Valkey)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What runs: the addresses, with passwords, of the servers that were asked for, and a remark for the user."""

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
    """Runs the servers asked for. Valkey is stopped first, Postgres last. CannotStart says why one cannot run."""
    place = choose_place(folder, settings)
    async with AsyncExitStack() as running:
        database_url = redis_url = None
        if postgres:
            await ensure_cluster(place, folder)
            database = await start(
                lambda port: Postgres(place, folder, port=port, extra=postgres_configuration), running=running
            )
            database_url = database.url
            folder.tell_database(database_url)
        if valkey:
            redis_url = (await start(lambda port: Valkey(place, folder, port=port), running=running)).url
        remark = None
        if place.parent != folder.path and postgres and place.account is not None:
            remark = (
                f"{place.account.name} runs Postgres and cannot reach {folder.path}: its files are in {place.parent}"
            )
        yield LocalStack(database_url=database_url, redis_url=redis_url, remark=remark)


async def start(make: Callable[[int], Server], *, running: AsyncExitStack) -> Server:
    """Starts a server on a free port and keeps it up until `running` is closed."""
    for left in reversed(range(TRIES)):
        server = make(free_port())
        try:
            process = await server.start()
        except CannotStart:
            # Somebody may have taken the port between our look and the server's.
            if left and not is_free(server.port):
                continue
            raise
        kept = SupervisedProcess(type(server).__name__, server.start, process)
        running.push_async_callback(kept.stop)
        kept.keep()
        return server
    raise AssertionError


def free_port() -> int:
    """A port of the loopback address that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether the port could be listened on at this moment."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
