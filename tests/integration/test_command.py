"""The command `duetime` apart from `up`: what it says, and what it refuses in one line."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from db.connection import open_engine
from db.settings import DatabaseSettings
from duetime.local_stack.stack import free_port
from tests.support.command import clean_environment, duetime
from tests.support.servers import Servers
from tests.support.waiting import wait_for

PARTS = ("api", "worker")


def refusal(ended: "subprocess.CompletedProcess[str]") -> str:
    """The one line on stderr of a command that refused to start."""
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    assert ended.stderr.startswith("duetime: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@contextmanager
def running(part: str, *, cwd: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A part of the service, asked to stop at the end."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "duetime", part], cwd=cwd, env=clean_environment(environment), text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_help_names_every_command(tmp_path: Path) -> None:
    """`duetime --help` is where one begins."""
    told = duetime("--help", cwd=tmp_path)

    assert told.returncode == 0
    for command in ("up", "api", "worker", "migrate", "schema"):
        assert f"\n    {command} " in told.stdout


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    """Also when it stands in `.env`; and nothing is started or made."""
    (tmp_path / ".env").write_text("DUETIME_SLOTS=many\n")

    for command in ("up", "worker", "api"):
        line = refusal(duetime(command, cwd=tmp_path))
        assert line.startswith("duetime: DUETIME_SLOTS=many: must be a whole number from 2 to 1000")
    assert [entry.name for entry in tmp_path.iterdir()] == [".env"]


def test_without_servers_a_part_says_what_to_set(tmp_path: Path) -> None:
    """Only `up` brings servers."""
    for command in ("api", "worker"):
        assert "REDIS_URL is not set" in refusal(duetime(command, cwd=tmp_path, environment={"PORT": str(free_port())}))
    assert "DATABASE_URL is not set" in refusal(duetime("migrate", cwd=tmp_path))


@pytest.mark.parametrize("command", [*PARTS, "up"])
def test_servers_that_cannot_be_reached_are_one_line(command: str, tmp_path: Path, redis_url: str) -> None:
    """Postgres or Redis, named by its address but without its password."""
    closed = free_port()
    environment = {
        "PORT": str(free_port()),
        "DATABASE_URL": f"postgres://u:hidden@127.0.0.1:{closed}/d",
        "REDIS_URL": f"redis://:hidden@127.0.0.1:{closed}",
    }

    line = refusal(duetime(command, cwd=tmp_path, environment=environment))
    assert f"Redis cannot be reached (Error 111 connecting to 127.0.0.1:{closed}" in line
    assert "hidden" not in line

    if command != "up":
        line = refusal(duetime(command, cwd=tmp_path, environment=environment | {"REDIS_URL": redis_url}))
        assert f"Postgres at 127.0.0.1:{closed}/d cannot be reached" in line
        assert "hidden" not in line


@pytest.mark.parametrize("command", PARTS)
def test_a_schema_that_was_not_migrated_is_one_line(
    command: str, tmp_path: Path, servers: Servers, redis_url: str
) -> None:
    """The parts never migrate by themselves: several of them may start at once, and of different versions."""
    with servers.empty_database() as database:
        environment = {
            "PORT": str(free_port()),
            "DATABASE_URL": str(database.database_url),
            "REDIS_URL": redis_url,
        }
        line = refusal(duetime(command, cwd=tmp_path, environment=environment))

    assert "is not the present one; run `duetime migrate` first" in line


async def test_a_database_that_fails_after_the_first_look_is_one_line(
    tmp_path: Path, database: DatabaseSettings, redis_url: str
) -> None:
    """Between the look at the schema and its first claim a worker has a few statements to run."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE workers"))
    await engine.dispose()
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}

    line = refusal(duetime("worker", cwd=tmp_path, environment=environment))

    assert 'cannot be reached (relation "workers" does not exist)' in line


def test_migrate_says_from_where_to_where(tmp_path: Path, servers: Servers) -> None:
    """A second time it changes nothing."""
    with servers.empty_database() as database:
        environment = {"DATABASE_URL": str(database.database_url)}
        first = duetime("migrate", cwd=tmp_path, environment=environment)
        second = duetime("migrate", cwd=tmp_path, environment=environment)

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.startswith("The schema was at revision none and is at ")
    latest = first.stdout.split()[-1].rstrip(".")
    assert second.stdout == f"The schema was at revision {latest} and is at {latest}.\n"


async def test_a_schema_of_a_newer_version_is_left_alone(tmp_path: Path, database: DatabaseSettings) -> None:
    """An old version that is started by mistake must not touch it."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()

    line = refusal(duetime("migrate", cwd=tmp_path, environment={"DATABASE_URL": str(database.database_url)}))

    assert "is at revision 9999, which this version of Duetime does not know" in line


def test_migrate_refuses_a_wrong_password_at_once(tmp_path: Path, database: DatabaseSettings) -> None:
    """Only a server that does not listen yet, or is starting, is waited for."""
    wrong = database.url().set(database="missing", drivername="postgresql", query={"sslmode": "disable"})
    environment = {"DATABASE_URL": wrong.render_as_string(hide_password=False)}

    line = refusal(duetime("migrate", cwd=tmp_path, environment=environment))

    assert '/missing cannot be reached (database "missing" does not exist)' in line


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    """Told before anything is started, by `up` as by `api`; `up` leaves no half-made data behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("up", "api"):
            line = refusal(duetime(command, cwd=tmp_path, environment={"PORT": port}))
            assert f"PORT={port}: is in use by another program on 127.0.0.1" in line
    assert not (tmp_path / ".data" / "postgres").exists()


def test_a_host_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    """An address of another machine, and a name that has none."""
    for host in ("192.0.2.1", "no.such.host.invalid"):
        line = refusal(duetime("api", cwd=tmp_path, environment={"HOST": host, "PORT": str(free_port())}))
        assert f"HOST={host}: is no address of this machine" in line


def test_schema_prints_the_schema(tmp_path: Path) -> None:
    """The whole contract, from the code."""
    told = duetime("schema", cwd=tmp_path)

    assert told.returncode == 0, told.stderr
    assert "type Mutation {" in told.stdout


def test_a_worker_runs_until_it_is_asked_to_stop(tmp_path: Path, database: DatabaseSettings, redis_url: str) -> None:
    """While it lives, `duetime worker --check` says so by its exit status; afterwards it says that there is none."""
    environment = {"DATABASE_URL": str(database.database_url), "REDIS_URL": redis_url}

    def checked() -> "subprocess.CompletedProcess[str]":
        return duetime("worker", "--check", cwd=tmp_path, environment=environment)

    with running("worker", cwd=tmp_path, environment=environment):
        wait_for(
            lambda: checked().returncode == 0,
            what="the worker has its lease",
            within=30,
        )

    # A renewal that is on its way when the worker retires keeps the lease until it runs out.
    wait_for(lambda: checked().returncode != 0, what="the worker's lease has ended", within=30)
    assert "no worker on" in refusal(checked())
