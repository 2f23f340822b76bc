"""The embedded Postgres, on a free port of the loopback address."""

from datetime import timedelta

from sqlalchemy import URL

from duetime.local_stack.cluster import PASSWORD, USER
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.guarded_server import Guarded, start_guarded, until_ready
from duetime.local_stack.place import Place

DATABASE = "postgres"
# A fast shutdown writes what is in memory and drops the clients; an immediate one leaves that to the next start.
STOP = (("SIGINT", 30.0), ("SIGQUIT", 5.0))
READY_WITHIN = timedelta(seconds=60)
STATE_LINE = 7
# Small enough for a small machine. What keeps data safe (fsync, full_page_writes) stays as Postgres has it.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    # Paths of Unix sockets break beyond 107 bytes, and a data folder may lie deep.
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "cluster_name": "duetime",
}


class Postgres:
    """One server on one port, which stays the same when the server is started again."""

    def __init__(self, place: Place, folder: DataFolder, *, port: int, extra: dict[str, str] | None = None) -> None:
        self.place = place
        self.folder = folder
        self.port = port
        self.log = folder.log("postgres")
        self.configuration = CONFIGURATION | (extra or {})

    @property
    def url(self) -> str:
        """Where it listens, with the password of its own."""
        password = self.folder.secret(PASSWORD)
        url = URL.create("postgresql", USER, password, "127.0.0.1", self.port, DATABASE, query={"sslmode": "disable"})
        return url.render_as_string(hide_password=False)

    async def start(self) -> Guarded:
        """Starts the server and waits until it takes connections. CannotStart when it ends before that."""
        left_behind = self._state()
        server = await start_guarded(
            [
                *(self.place.binaries.postgres_bin / "postgres", "-D", self.place.cluster, "-p", str(self.port)),
                *(word for name, value in self.configuration.items() for word in ("-c", f"{name}={value}")),
            ],
            stop=STOP,
            account=self.place.account,
            log=self.log,
            lock=self.folder.lock,
        )

        async def is_ready() -> bool:
            """What `pg_ctl --wait` looks at: the state that the server writes into its lock file."""
            state = self._state()
            return state != left_behind and len(state) > STATE_LINE and state[STATE_LINE].strip() == "ready"

        await until_ready(server, is_ready, within=READY_WITHIN, name="Postgres", log=self.log)
        return server

    def _state(self) -> list[str]:
        """The lines of the server's lock file; a server that was killed leaves its own."""
        try:
            return (self.place.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
