"""A running Duetime that requires keys, shared by all tests of the commands that talk to it."""

import base64
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.settings import LOOPBACK
from tests.support.command import duetime, duetime_in_process, duetime_started, duetime_up
from tests.support.servers import Servers, data_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running Duetime, and keys for it."""

    url: str
    admin_key: str
    read_key: str
    folder: Path
    database_url: str

    @property
    def target(self) -> str:
        """Return a URL that tasks can call."""
        return f"{self.url}/health/live"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables with which commands find the service."""
        here = {
            "DUETIME_URL": self.url,
            "DUETIME_KEY": self.admin_key,
            "XDG_CONFIG_HOME": str(self.folder),
            "TZ": "UTC",
        }
        return here | more

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in this process."""
        given = self.environment(**(environment or {}))
        return duetime_in_process(*arguments, cwd=self.folder, environment=given, stdin=stdin)

    def process(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a process of its own."""
        return duetime(*arguments, cwd=self.folder, environment=self.environment(**environment))

    def started(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command in a process of its own."""
        return duetime_started(*arguments, cwd=self.folder, environment=self.environment(**environment))

    def output(self, *arguments: str) -> str:
        """Run a command in this process, which must succeed, and return what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result
        return result.stdout


@pytest.fixture(scope="session")
def service(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a Duetime for the whole session, from the first test that needs it."""
    folder = tmp_path_factory.mktemp("commands")
    with servers.database() as database, servers.redis_database() as redis_url, data_folder() as data_dir:
        environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url, "DUETIME_AUTH": "keys"}
        environment["DUETIME_TARGETS_ALLOWED"] = LOOPBACK
        environment["DUETIME_SECRET_KEY"] = base64.b64encode(os.urandom(32)).decode()
        keys = {}
        for scope in ("admin", "read"):
            created = duetime_in_process(
                "keys", "create", "--name", scope, "--scope", scope, cwd=folder, environment=environment
            )
            keys[scope] = created.stdout.splitlines()[-1]
        with duetime_up(data_dir, environment=environment) as up:
            yield Service(
                url=up.url,
                admin_key=keys["admin"],
                read_key=keys["read"],
                folder=folder,
                database_url=str(database.database_url),
            )
