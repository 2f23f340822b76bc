"""The embedded Postgres, on a free port of the loopback address."""

from datetime import timedelta

from sqlalchemy import URL

from duetime.local_stack.cluster import OWNER, PASSWORD
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import GuardedServer, start_guarded_server, wait_for_server
from duetime.local_stack.place import Place

DATABASE = "postgres"
APPLICATION = "duetime_app"
APPLICATION_PASSWORD = "application-password"  # noqa: S105 (the name of the file that contains it)
# A fast shutdown (SIGINT) disconnects the clients and writes a checkpoint. An immediate one (SIGQUIT) does not, so the
# next start has to recover.
STOP = (("SIGINT", 30.0), ("SIGQUIT", 5.0))
STARTUP_TIMEOUT = timedelta(seconds=60)
# The line of postmaster.pid that contains the state of the server, counted from zero.
STATE_LINE = 7
# Small enough for a small machine. The settings that keep data safe (such as fsync) have Postgres's defaults.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    # The path of a Unix socket is limited to 107 bytes, and the path of a data folder can be longer.
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "cluster_name": "duetime",
}


class Postgres:
    """One server on a fixed port, which it also has after a restart."""

    def __init__(self, place: Place, folder: DataFolder, *, port: int, extra: dict[str, str] | None = None) -> None:
        self.place = place
        self.folder = folder
        self.port = port
        self.log = folder.log("postgres")
        self.configuration = CONFIGURATION | (extra or {})

    @property
    def url(self) -> str:
        """Return the URL of the server for its owner, password included."""
        return self._url(OWNER, PASSWORD)

    @property
    def application_url(self) -> str:
        """Return the URL for the API and the workers, password included. The migration creates their role."""
        return self._url(APPLICATION, APPLICATION_PASSWORD)

    def _url(self, user: str, password: str) -> str:
        url = URL.create(
            *("postgresql", user, self.folder.secret(password), "127.0.0.1", self.port, DATABASE),
            query={"sslmode": "disable"},
        )
        return url.render_as_string(hide_password=False)

    async def start(self) -> GuardedServer:
        """Start the server and wait until it accepts connections. Raise CannotStart if it ends before that."""
        stale = self._pid_file()
        server = await start_guarded_server(
            [
                *(self.place.binaries.postgres_bin / "postgres", "-D", self.place.cluster, "-p", str(self.port)),
                *(word for name, value in self.configuration.items() for word in ("-c", f"{name}={value}")),
            ],
            stop=STOP,
            user=self.place.user,
            log=self.log,
            lock=self.folder.lock,
        )

        async def is_ready() -> bool:
            """Return whether the server is ready, as `pg_ctl --wait` does: by the state in its lock file."""
            lines = self._pid_file()
            return lines != stale and len(lines) > STATE_LINE and lines[STATE_LINE].strip() == "ready"

        await wait_for_server(server, is_ready, within=STARTUP_TIMEOUT, name="Postgres", log=self.log)
        return server

    def _pid_file(self) -> list[str]:
        """Return the lines of the server's lock file. A server that was killed leaves its file behind."""
        try:
            return (self.place.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
