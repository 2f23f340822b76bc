"""A Postgres and a Valkey that a test can kill and restart on the same port."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.local_stack.cluster import ensure_cluster
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.guarded_server import GuardedServer
from duetime.local_stack.place import choose_place
from duetime.local_stack.postgres import Postgres
from duetime.local_stack.valkey import Valkey
from duetime.settings import DuetimeSettings
from tests.support.ports import free_port
from tests.support.servers import migrated
from tests.support.waiting import wait_until

# A killed server loses only what it has not written. The operating system keeps the rest, even without fsync.
DURABLE_UNTIL_POWER_CUT = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
STARTS_WITHIN = 30


class Killable:
    """A server and its current process, if it has one. The caller that starts it has to stop it."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self.server = server
        self._guarded: GuardedServer | None = None

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return self.server.url

    @property
    def running(self) -> bool:
        """Return whether it was started, and has been neither killed nor stopped since."""
        return self._guarded is not None

    async def start(self) -> None:
        """Start it if it is not running. Retry while the child processes of a killed Postgres end."""

        async def started() -> bool:
            with suppress(CannotStart):
                self._guarded = await self.server.start()
            return self.running

        if not self.running:
            await wait_until(started, what=f"{type(self.server).__name__} starts again", within=STARTS_WITHIN)

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the server a signal that ends it, and wait for the end. SIGQUIT is Postgres's immediate shutdown."""
        if self._guarded is None:
            return
        guarded, self._guarded = self._guarded, None
        [process] = psutil.Process(guarded.process.pid).children()
        process.send_signal(number)
        await guarded.wait()
        await guarded.stop()

    async def stop(self) -> None:
        """Stop it gracefully."""
        if self._guarded is not None:
            await self._guarded.stop()
            self._guarded = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillableServers:
    """A Postgres with a migrated database, and a Valkey."""

    postgres: Killable
    valkey: Killable

    @property
    def database(self) -> DatabaseSettings:
        """Return the settings of the database."""
        return database_at(self.postgres.url)


def database_at(url: str) -> DatabaseSettings:
    """Return settings for a URL. They are constructed and not read, because a developer's .env must not matter."""
    return DatabaseSettings.model_construct(database_url=url)


@asynccontextmanager
async def killable_servers(folder: Path) -> AsyncIterator[KillableServers]:
    """Run both servers on a data folder until the block ends."""
    settings = DuetimeSettings(data_dir=folder)
    async with open_data_folder(folder) as opened:
        place = choose_place(opened, settings)
        await ensure_cluster(place, opened)
        servers = KillableServers(
            postgres=Killable(Postgres(place, opened, port=free_port(), extra=DURABLE_UNTIL_POWER_CUT)),
            valkey=Killable(Valkey(place, opened, port=free_port())),
        )
        try:
            await servers.postgres.start()
            await servers.valkey.start()
            await migrated(servers.database)
            yield servers
        finally:
            await servers.valkey.stop()
            await servers.postgres.stop()
