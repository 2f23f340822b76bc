"""Debian's Postgres, which speaks TLS and listens on a Unix socket; the embedded one does neither."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import certificate
from tests.support.ports import free_port

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)
USER = "postgres" if os.geteuid() == 0 else None
"""Postgres refuses to run as root."""
PASSWORD = "hidden/pass@word"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPostgres:
    """A running server, whose user postgres has the password `PASSWORD`."""

    port: int
    socket_folder: Path
    certificate: Path


@contextmanager
def debian_postgres() -> Iterator[DebianPostgres]:
    """Run a server with a self-signed certificate until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        certified = certificate("localhost", folder=folder)
        data, key, password = folder / "data", folder / "key.pem", folder / "password"
        shutil.copy(certified, key)
        password.write_text(PASSWORD)
        for path, mode in ((data, 0o700), (key, 0o600), (password, 0o600)):
            if path == data:
                path.mkdir()
            path.chmod(mode)
            if USER is not None:
                shutil.chown(path, USER, USER)
        run(
            "initdb", "--pgdata", str(data), "--auth", "scram-sha-256", "--username", "postgres", f"--pwfile={password}"
        )
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": data,
            "ssl": "on",
            "ssl_cert_file": key,
            "ssl_key_file": key,
            "fsync": "off",
        }
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        log = data / "log"
        run("pg_ctl", "start", "--pgdata", str(data), "--wait", "--silent", "--log", str(log), "--options", given)
        try:
            yield DebianPostgres(port=port, socket_folder=data, certificate=certified)
        finally:
            run("pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate", "--silent")


def run(program: str, *arguments: str) -> None:
    """Run one of Postgres's programs as its user."""
    assert PROGRAMS is not None
    command = [str(PROGRAMS.with_name(program)), *arguments]
    # A pipe would stay open as long as the server that the program starts.
    subprocess.run(command, cwd="/", user=USER, group=USER, extra_groups=[], stdout=subprocess.DEVNULL, check=True)
