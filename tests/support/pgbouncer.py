"""A real PgBouncer in front of the tests' Postgres, from Debian's packages pgbouncer and postgresql-client."""

import asyncio
import csv
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from tests.support.ports import free_port
from tests.support.waiting import wait_for

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONSOLE = shutil.which("psql")
NOBODY = 65534
"""PgBouncer refuses to run as root."""
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
admin_users = {user}
pool_mode = {mode}
default_pool_size = {size}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncer:
    """A running PgBouncer, the URL of the database through it, and its log."""

    url: str
    database: str
    console: str
    log: Path

    async def pool(self) -> dict[str, int]:
        """Return the numbers of clients and of servers' connections of the database, as `SHOW POOLS` has them."""
        arguments = ["--no-psqlrc", "--csv", "--command", "SHOW POOLS", self.console]
        shown = await asyncio.create_subprocess_exec(str(CONSOLE), *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await shown.communicate()
        pools = csv.DictReader(output.decode().splitlines())
        pool = next(pool for pool in pools if pool["database"] == self.database)
        return {name: int(value) for name, value in pool.items() if value.isdigit()}


@contextmanager
def running_pgbouncer(postgres: URL, *, mode: str, size: int) -> Iterator[PgBouncer]:
    """Run a PgBouncer whose pool has `size` connections to the server and the database of a URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text(f'"{postgres.username}" "{postgres.password or ""}"\n')
        configuration = CONFIGURATION.format(
            host=postgres.host,
            port=postgres.port,
            listen_port=port,
            folder=folder,
            user=postgres.username,
            mode=mode,
            size=size,
        )
        (folder / "pgbouncer.ini").write_text(configuration)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(PROGRAM), str(folder / "pgbouncer.ini")],
                stdout=output,
                stderr=subprocess.STDOUT,
                user=NOBODY if os.geteuid() == 0 else None,
            )
        url = postgres.set(drivername="postgresql", host="127.0.0.1", port=port, query={"sslmode": "disable"})

        def accepts() -> bool:
            assert process.poll() is None, log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait_for(accepts, what="PgBouncer accepts connections")
            yield PgBouncer(
                url=url.render_as_string(hide_password=False),
                database=str(url.database),
                console=url.set(database="pgbouncer").render_as_string(hide_password=False),
                log=log,
            )
        finally:
            process.kill()
            process.wait()
