"""A Postgres with a synchronous standby, both from Debian, and the failover that an operator or a tool would make."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.debian_postgres import PROGRAMS, USER, run
from tests.support.ports import free_port
from tests.support.waiting import wait_for

BACKUP = PROGRAMS.with_name("pg_basebackup") if PROGRAMS else None
HAS_PROGRAMS = BACKUP is not None and BACKUP.exists()
OPTIONS = {"listen_addresses": "127.0.0.1", "fsync": "off", "max_connections": "60"}
SYNCHRONOUS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of the two servers."""

    data: Path
    port: int

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        given = " ".join(
            f"-c {name}={value}"
            for name, value in (OPTIONS | {"port": self.port, "unix_socket_directories": self.data}).items()
        )
        log = str(self.data / "log")
        run("pg_ctl", "start", "--pgdata", str(self.data), "--wait", "--silent", "--log", log, "--options", given)

    def kill(self) -> None:
        """Kill the server with all its processes, as the loss of its machine would."""
        process = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        for each in [process, *process.children()]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        psutil.wait_procs([process], timeout=10)

    def ask(self, statement: str) -> str:
        """Return the one value of a statement."""
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement]
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        return subprocess.run([*command, url], capture_output=True, check=True, text=True).stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A primary and its standby."""

    primary: Server
    standby: Server

    @property
    def url(self) -> str:
        """Return the connection string that names both, of which the one that accepts writes is used."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{hosts}/duetime?target_session_attrs=read-write&sslmode=disable"

    def promote(self) -> None:
        """Make the standby the primary."""
        run("pg_ctl", "promote", "--pgdata", str(self.standby.data), "--wait", "--silent")


@contextmanager
def postgres_with_standby() -> Iterator[Pair]:
    """Run a primary that commits nothing without its standby, with an empty database named duetime."""
    with tempfile.TemporaryDirectory(prefix="standby-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        folder = Path(name)
        folder.chmod(0o755)
        pair = Pair(
            primary=Server(data=folder / "primary", port=free_port()),
            standby=Server(data=folder / "standby", port=free_port()),
        )
        for server in (pair.primary, pair.standby):
            server.data.mkdir(mode=0o700)
            if USER is not None:
                shutil.chown(server.data, USER, USER)
        run("initdb", "--pgdata", str(pair.primary.data), "--auth", "trust", "--username", "postgres", "--no-sync")
        pair.primary.start()
        try:
            pair.primary.ask("CREATE DATABASE duetime")
            run(
                *("pg_basebackup", "--pgdata", str(pair.standby.data), "--host", "127.0.0.1"),
                *("--port", str(pair.primary.port), "--username", "postgres"),
                *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
            )
            pair.standby.start()
            pair.primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
            pair.primary.ask("SELECT pg_reload_conf()")
            wait_for(lambda: pair.primary.ask(SYNCHRONOUS) == "1", what="the standby is synchronous")
            yield pair
        finally:
            for server in (pair.standby, pair.primary):
                with suppress(FileNotFoundError, psutil.NoSuchProcess):
                    server.kill()
