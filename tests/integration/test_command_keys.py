"""`duetime keys`: creates, lists and revokes keys, and stores only their hashes."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from db.connection import open_engine
from db.settings import DatabaseSettings
from tests.support.command import duetime_in_process
from tests.support.servers import embedded

CREATED = re.compile(
    r"Created key 'ci' \(scope write(, expires \d{4}-\d\d-\d\dT\d\d:\d\dZ)?\)\. .*\n(duetime_[\w-]{43})\n"
)


def keys(*arguments: str, cwd: Path, database: DatabaseSettings | None) -> "subprocess.CompletedProcess[str]":
    """Run `duetime keys` on a database, or on that of the data folder in `cwd`."""
    environment = {} if database is None else {"DATABASE_URL": str(database.database_url)}
    return duetime_in_process("keys", *arguments, cwd=cwd, environment=environment)


def create(*arguments: str, cwd: Path, database: DatabaseSettings | None) -> str:
    """Create a key and return its token, which is the last line."""
    result = keys("create", "--name", "ci", "--scope", "write", *arguments, cwd=cwd, database=database)
    match = CREATED.fullmatch(result.stdout)
    assert match is not None, result
    return match[2]


async def stored_keys(database: DatabaseSettings) -> str:
    """Return the whole table of keys as text."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime test")
    try:
        async with engine.connect() as connection:
            return str((await connection.execute(text("SELECT * FROM api_keys"))).all())
    finally:
        await engine.dispose()


def test_a_key_is_created_listed_and_revoked(database: DatabaseSettings, tmp_path: Path) -> None:
    """It is printed only once, the database stores only its hash, and its name can be used again once it is revoked."""
    token = create("--expires", "90d", cwd=tmp_path, database=database)
    assert token not in asyncio.run(stored_keys(database))

    listed = keys("list", cwd=tmp_path, database=database)
    assert re.search(r"^[0-9a-f-]{36}  ci    write  \S+  \S+  never      active$", listed.stdout, re.MULTILINE)
    assert token not in listed.stdout

    duplicate = keys("create", "--name", "ci", "--scope", "read", cwd=tmp_path, database=database)
    assert (duplicate.returncode, duplicate.stdout) == (1, "")
    assert "there is a key named 'ci'; revoke it first, or choose another name" in duplicate.stderr

    assert keys("revoke", "ci", cwd=tmp_path, database=database).stdout == "Revoked key 'ci'.\n"
    assert "revoked 20" in keys("list", cwd=tmp_path, database=database).stdout
    assert "with the name or id 'ci'" in keys("revoke", "ci", cwd=tmp_path, database=database).stderr
    assert create(cwd=tmp_path, database=database) != token


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "", "--scope", "read"), "must have 1 to 64 letters"),
        (("--name", "a\nb", "--scope", "read"), "must have 1 to 64 letters"),
        (("--name", "ci", "--scope", "root"), "invalid choice: 'root' (choose from"),
        (("--name", "ci", "--scope", "read", "--expires", "soon"), "--expires soon: cannot be read; write a duration"),
        (("--name", "ci", "--scope", "read", "--expires", "999999w"), "is beyond the year 9999"),
        (("--name", "ci", "--scope", "read", "--expires", "9999-12-31T23:59-12:00"), "is beyond the year 9999"),
        (("--name", "ci", "--scope", "read", "--expires", "2020-01-01"), "would have expired already"),
        (("--scope", "read"), "the following arguments are required: --name"),
    ],
)
def test_invalid_arguments_are_rejected(
    database: DatabaseSettings, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """The error says what is allowed, and nothing is printed on stdout."""
    result = keys("create", *arguments, cwd=tmp_path, database=database)
    assert result.returncode in (1, 2)
    assert result.stdout == ""
    assert message in result.stderr


def test_the_database_of_the_local_stack_is_found(tmp_path: Path) -> None:
    """The commands work whether or not its Postgres is running, as it does with `duetime up`."""
    token = create(cwd=tmp_path, database=None)
    with embedded(tmp_path / ".data", postgres=True, valkey=False):
        listed = keys("list", cwd=tmp_path, database=None)
        assert " ci " in listed.stdout
        keys("revoke", "ci", cwd=tmp_path, database=None)
        assert create(cwd=tmp_path, database=None) != token
    assert "revoked" in keys("list", cwd=tmp_path, database=None).stdout
