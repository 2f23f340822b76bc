"""The commands of `duetime` except `up` and `keys`: their output, and their one-line errors."""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from db.connection import open_engine
from db.settings import DatabaseSettings
from tests.support import forked
from tests.support.command import clean_environment, duetime, duetime_in_process
from tests.support.forked import ForkedProcess
from tests.support.ports import free_port
from tests.support.servers import Servers
from tests.support.waiting import wait_for

SERVICES = ("api", "worker")


def error_of(result: "subprocess.CompletedProcess[str]") -> str:
    """Return the error of a command that could not start. Assert that it is one line on stderr."""
    assert result.returncode == 1, result
    assert result.stdout == ""
    assert result.stderr.startswith("duetime: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@contextmanager
def running(
    command: str, *, cwd: Path, environment: dict[str, str]
) -> Iterator["ForkedProcess | subprocess.Popen[bytes]"]:
    """Run a command in the background. At the end, stop it and assert that it exits with status 0."""
    with (cwd / "log").open("wb") as output:
        process = forked.start(command, environment=clean_environment(environment), cwd=cwd, output=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_help_names_every_command(tmp_path: Path) -> None:
    """`duetime --help` lists all commands."""
    result = duetime("--help", cwd=tmp_path)

    assert result.returncode == 0
    for command in ("up", "api", "worker", "migrate", "schema", "keys"):
        assert f"\n    {command} " in result.stdout


def test_a_wrong_setting_is_one_line_of_error(tmp_path: Path) -> None:
    """Settings in `.env` count too. Nothing is started or created."""
    (tmp_path / ".env").write_text("DUETIME_SLOTS=many\n")

    for command in ("up", "worker", "api"):
        line = error_of(duetime_in_process(command, cwd=tmp_path))
        assert line.startswith("duetime: DUETIME_SLOTS=many: must be a whole number from 2 to 1000")
    assert [entry.name for entry in tmp_path.iterdir()] == [".env"]


def test_without_servers_the_error_names_the_setting(tmp_path: Path) -> None:
    """Only `up` starts its own servers."""
    for command in ("api", "worker"):
        assert "REDIS_URL is not set" in error_of(
            duetime_in_process(command, cwd=tmp_path, environment={"PORT": str(free_port())})
        )
    assert "DATABASE_URL is not set" in error_of(duetime_in_process("migrate", cwd=tmp_path))


@pytest.mark.parametrize("command", [*SERVICES, "up", "migrate"])
def test_a_postgres_that_refuses_or_stays_away_is_one_line_of_error(
    command: str, tmp_path: Path, redis_url: str
) -> None:
    """The error contains the address of Postgres, but not the password."""
    closed = free_port()
    environment = {
        "PORT": str(free_port()),
        "DATABASE_URL": f"postgres://u:hidden@127.0.0.1:{closed}/d",
        "REDIS_URL": redis_url,
        "DUETIME_WAIT_SECONDS": "0",
    }

    line = error_of(duetime_in_process(command, cwd=tmp_path, environment=environment))
    assert f"Postgres at 127.0.0.1:{closed}/d cannot be reached" in line
    assert "hidden" not in line


@pytest.mark.parametrize("command", [*SERVICES, "up"])
def test_a_redis_that_refuses_is_one_line_of_error(command: str, tmp_path: Path, redis_url: str) -> None:
    """A wrong number of a database does not become right by waiting."""
    wrong = f"{redis_url.rpartition('/')[0]}/99999"
    environment = {"PORT": str(free_port()), "DATABASE_URL": "postgres://h/d", "REDIS_URL": wrong}

    line = error_of(duetime_in_process(command, cwd=tmp_path, environment=environment))

    assert "Redis refuses the connection" in line
    assert urlsplit(redis_url).password is None or str(urlsplit(redis_url).password) not in line


@pytest.mark.parametrize("command", SERVICES)
def test_a_schema_that_was_not_migrated_is_one_line_of_error(
    command: str, tmp_path: Path, servers: Servers, redis_url: str
) -> None:
    """The API and workers never migrate, because several processes of different versions may start at the same time."""
    with servers.empty_database() as database:
        environment = {
            "PORT": str(free_port()),
            "DATABASE_URL": str(database.database_url),
            "REDIS_URL": redis_url,
        }
        line = error_of(duetime_in_process(command, cwd=tmp_path, environment=environment))

    assert "is not that of this version; run `duetime migrate` first" in line


async def test_a_database_that_fails_after_the_check_is_one_line_of_error(
    tmp_path: Path, database: DatabaseSettings, redis_url: str
) -> None:
    """A worker runs a few statements between the check of the schema and its first claim."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE workers"))
    await engine.dispose()
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}

    line = error_of(duetime("worker", cwd=tmp_path, environment=environment))

    assert 'cannot be reached (relation "workers" does not exist)' in line


def test_migrate_prints_both_revisions(tmp_path: Path, servers: Servers) -> None:
    """A second migration changes nothing."""
    with servers.empty_database() as database:
        environment = {"DATABASE_URL": str(database.database_url)}
        first = duetime_in_process("migrate", cwd=tmp_path, environment=environment)
        second = duetime_in_process("migrate", cwd=tmp_path, environment=environment)

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.startswith("Migrated the database from revision none to ")
    latest = first.stdout.split()[-1].rstrip(".")
    assert second.stdout == f"The database is already at revision {latest}.\n"


async def test_migrate_rejects_the_schema_of_a_newer_version(tmp_path: Path, database: DatabaseSettings) -> None:
    """An old version that is started by mistake must not change the database."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()

    environment = {"DATABASE_URL": str(database.database_url)}
    line = error_of(await asyncio.to_thread(duetime_in_process, "migrate", cwd=tmp_path, environment=environment))

    assert "is at revision 9999, which this version of Duetime does not know" in line


def test_migrate_waits_only_for_a_server_that_is_starting(tmp_path: Path, database: DatabaseSettings) -> None:
    """A database that does not exist is an error immediately."""
    missing = database.url().set(database="missing", drivername="postgresql", query={"sslmode": "disable"})
    environment = {"DATABASE_URL": missing.render_as_string(hide_password=False)}

    line = error_of(duetime_in_process("migrate", cwd=tmp_path, environment=environment))

    assert '/missing cannot be reached (database "missing" does not exist)' in line


def test_a_port_in_use_is_one_line_of_error(tmp_path: Path) -> None:
    """`up` and `api` check the port before they start anything, so `up` leaves no incomplete data behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("up", "api"):
            line = error_of(duetime_in_process(command, cwd=tmp_path, environment={"PORT": port}))
            assert f"PORT={port}: is in use by another program on 127.0.0.1" in line
    assert not (tmp_path / ".data" / "postgres").exists()


def test_a_host_of_another_machine_is_one_line_of_error(tmp_path: Path) -> None:
    """HOST is an address of another machine, or a name without an address."""
    for host in ("192.0.2.1", "no.such.host.invalid"):
        line = error_of(duetime_in_process("api", cwd=tmp_path, environment={"HOST": host, "PORT": str(free_port())}))
        assert f"HOST={host}: is no address of this machine" in line


def test_schema_prints_the_schema(tmp_path: Path) -> None:
    """It prints the schema that the code defines."""
    result = duetime_in_process("schema", cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    assert "type Mutation {" in result.stdout


def test_worker_check_finds_a_running_worker(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """`duetime worker --check` exits with status 0 while a worker is alive, and with an error afterwards."""
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}

    def checked() -> "subprocess.CompletedProcess[str]":
        return duetime_in_process("worker", "--check", cwd=tmp_path, environment=environment)

    with running("worker", cwd=tmp_path, environment=environment):
        wait_for(
            lambda: checked().returncode == 0,
            what="the worker has its lease",
            within=30,
        )

    assert "no worker on" in error_of(checked())
