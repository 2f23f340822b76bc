"""Connection strings as providers give them, on a server with TLS and a Unix socket."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from db.connection import CONNECTION_ERRORS, open_engine
from db.connection_strings import parse_database_url
from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.preflight import migrate_database
from jobs.security.encryption import SecretKeys
from tests.support.debian_postgres import PASSWORD, PROGRAMS, DebianPostgres, debian_postgres
from tests.support.ports import free_port

NEEDS_DEBIAN = pytest.mark.skipif(
    PROGRAMS is None, reason="there is no Postgres with TLS here (on Debian: apt-get install postgresql)"
)
STATE = text("""
SELECT current_user, current_database(), current_setting('application_name'), current_setting('work_mem'),
       (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), inet_server_addr() IS NULL
""")


@pytest.fixture(scope="module")
def postgres() -> Iterator[DebianPostgres]:
    """Run the server for all tests of this file."""
    with debian_postgres() as running:
        yield running


async def connected(url: str) -> tuple[str, str, str, str, bool, bool]:
    """Return the user, the database, two settings, whether TLS is on, and whether it is a socket."""
    engine = open_engine(parse_database_url(url), pool_size=1, application_name="duetime test")
    try:
        async with engine.connect() as connection:
            user, database, name, memory, tls, is_socket = (await connection.execute(STATE)).one()
            return user, database, name, memory, tls, is_socket
    finally:
        await engine.dispose()


async def test_sessions_have_the_settings_of_duetime(database: DatabaseSettings) -> None:
    """They bound what a stalled process can hold up."""
    names = ("jit", "statement_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode", "timezone")
    read = text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    for plans_once, mode in ((True, "force_generic_plan"), (False, "auto")):
        engine = open_engine(database.url(), pool_size=1, application_name="duetime test", plans_once=plans_once)
        async with engine.connect() as connection:
            assert tuple((await connection.execute(read)).one()) == ("off", "30s", "5s", mode, "UTC")
        await engine.dispose()


@NEEDS_DEBIAN
async def test_parameters_that_providers_write(postgres: DebianPostgres) -> None:
    """They have the effect that they have in libpq, or none."""
    server = f"postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres.port}"
    for parameters, expected in (
        ("", ("duetime test", "4MB", True, False)),
        ("?sslmode=disable", ("duetime test", "4MB", False, False)),
        ("?sslmode=require&channel_binding=require&connect_timeout=10", ("duetime test", "4MB", True, False)),
        ("?ssl=true&application_name=mine&options=-c%20work_mem%3D5MB", ("mine", "5MB", True, False)),
        ("?target_session_attrs=read-write&keepalives=1", ("duetime test", "4MB", True, False)),
        (f"?sslmode=verify-ca&sslrootcert={postgres.certificate}", ("duetime test", "4MB", True, False)),
    ):
        found = await connected(f"postgresql://{server}/postgres{parameters}")
        assert found == ("postgres", "postgres", *expected), parameters


@NEEDS_DEBIAN
async def test_unix_sockets(postgres: DebianPostgres) -> None:
    """Their folder is the host, as a parameter or encoded."""
    user, folder = f"postgres:{quote(PASSWORD, safe='')}", postgres.socket_folder
    for url in (
        f"postgresql://{user}@/postgres?host={folder}&port={postgres.port}",
        f"postgresql://{user}@{quote(str(folder), safe='')}:{postgres.port}/postgres",
        f"postgresql:///?user=postgres&password={quote(PASSWORD)}&host={folder}&port={postgres.port}",
    ):
        assert await connected(url) == ("postgres", "postgres", "duetime test", "4MB", False, True), url


@NEEDS_DEBIAN
async def test_several_hosts(postgres: DebianPostgres) -> None:
    """The first one that accepts a connection is used: others refuse, are silent, or are no standby."""
    user = f"postgres:{quote(PASSWORD, safe='')}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{postgres.port}"]
        url = f"postgresql://{user}@{','.join(hosts)}/postgres?connect_timeout=1&target_session_attrs="
        for attributes in ("read-write", "prefer-standby"):
            assert (await connected(f"{url}{attributes}"))[0] == "postgres"
        with pytest.raises(CONNECTION_ERRORS, match="None of the hosts match"):
            await connected(f"{url}standby")


@NEEDS_DEBIAN
async def test_what_a_string_leaves_out_comes_from_the_environment(
    postgres: DebianPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The PG variables of libpq, and a password file."""
    passfile = tmp_path / "passwords"
    passfile.write_text(f"127.0.0.1:*:*:postgres:{PASSWORD}\n")
    passfile.chmod(0o600)
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": "postgres",
        "PGDATABASE": "template1",
        "PGPASSFILE": str(passfile),
        "PGSSLMODE": "verify-ca",
        "PGSSLROOTCERT": str(postgres.certificate),
    }.items():
        monkeypatch.setenv(name, value)

    expected = ("duetime test", "4MB", True, False)
    assert await connected("postgresql://") == ("postgres", "template1", *expected)
    other = await connected(f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres")
    assert other == ("postgres", "postgres", *expected)
    service = tmp_path / "services"
    service.write_text(f"[mine]\nhost=127.0.0.1\nport={postgres.port}\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    assert await connected("postgresql://?service=mine") == ("postgres", "postgres", *expected)


@NEEDS_DEBIAN
async def test_a_server_that_answers_is_not_waited_for(postgres: DebianPostgres) -> None:
    """A wrong password and a certificate of nobody's do not become right, and no message shows a password."""
    server = f"127.0.0.1:{postgres.port}/postgres"
    for url, reason in (
        (f"postgresql://postgres:wrong-word@{server}", "password authentication failed"),
        (f"postgresql://postgres:wrong-word@{server}?sslmode=verify-full&sslrootcert=system", "certificate"),
    ):
        settings = DatabaseSettings.model_construct(database_url=url, wait_seconds=3600)
        with pytest.raises(CannotStart, match=reason) as raised:
            await migrate_database(settings, secrets=SecretKeys())
        assert f"Postgres at {server} cannot be reached" in str(raised.value)
        assert "wrong-word" not in str(raised.value)
