"""The embedded Valkey, on a free port of the loopback address. Its password changes with each `duetime up`."""

import secrets
from datetime import timedelta

from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import GuardedServer, start_guarded_server, wait_for_server
from duetime.local_stack.place import Place

STOP = (("SIGTERM", 5.0),)
LISTENING = b"Ready to accept connections"
MAX_MEMORY = "256mb"
STARTUP_TIMEOUT = timedelta(seconds=30)


class Valkey:
    """One server on a fixed port, which it also has after a restart."""

    def __init__(self, place: Place, folder: DataFolder, *, port: int) -> None:
        self.place = place
        self.folder = folder
        self.port = port
        self.log = folder.log("valkey")
        self.password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Return the URL of the server, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> str:
        """Return the configuration file. Nothing is persisted, because it can be refilled from Postgres.

        When the memory is full, Valkey evicts the least recently used expiring keys, such as persisted documents. The
        queue of wake-ups does not expire, so it is never evicted.
        """
        lines = (
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
            f"maxmemory {MAX_MEMORY}",
            "maxmemory-policy volatile-lru",
        )
        return "\n".join((*lines, ""))

    async def start(self) -> GuardedServer:
        """Start the server and wait until it listens. Raise CannotStart if it ends before that."""
        logged = self.log.stat().st_size
        server = await start_guarded_server(
            # It reads its configuration from stdin, which keeps the password off the disk and out of the process list.
            [self.place.binaries.valkey, "-"],
            stop=STOP,
            user=self.place.user,
            log=self.log,
            lock=self.folder.lock,
            stdin=self.configuration,
        )

        async def is_ready() -> bool:
            """Return whether the server says that it listens.

            A connection would prove less, and would reveal the password to a program that has taken the port.
            """
            with self.log.open("rb") as log:
                log.seek(logged)
                return LISTENING in log.read()

        await wait_for_server(server, is_ready, within=STARTUP_TIMEOUT, name="Valkey", log=self.log)
        return server
