"""`duetime keys`: keys are made, listed and revoked, and what is kept of one lets nobody in."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from db.connection import open_engine
from db.settings import DatabaseSettings
from tests.support.command import duetime, duetime_up

CREATED = re.compile(r"Key 'ci' \(scope write(, until \d{4}-\d\d-\d\dT\d\d:\d\dZ)?\)\. .*\n(duetime_[\w-]{43})\n")


def keys(*arguments: str, cwd: Path, database: DatabaseSettings | None) -> "subprocess.CompletedProcess[str]":
    """Runs `duetime keys` on a database, or on that of the data folder in `cwd`."""
    named = {} if database is None else {"DATABASE_URL": str(database.database_url)}
    return duetime("keys", *arguments, cwd=cwd, environment=named)


def create(*arguments: str, cwd: Path, database: DatabaseSettings | None) -> str:
    """The token of a new key, from the last line."""
    made = keys("create", "--name", "ci", "--scope", "write", *arguments, cwd=cwd, database=database)
    found = CREATED.fullmatch(made.stdout)
    assert found is not None, made
    return found[2]


async def tables(database: DatabaseSettings) -> str:
    """All that the table of keys holds, as text."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime test")
    try:
        async with engine.connect() as connection:
            return str((await connection.execute(text("SELECT * FROM api_keys"))).all())
    finally:
        await engine.dispose()


def test_a_key_is_made_listed_and_revoked(database: DatabaseSettings, tmp_path: Path) -> None:
    """It is printed once, alone on the last line, and the database has only its hash; its name is free again after."""
    token = create("--expires", "90d", cwd=tmp_path, database=database)
    assert token not in asyncio.run(tables(database))

    listed = keys("list", cwd=tmp_path, database=database)
    assert re.search(r"^[0-9a-f-]{36}  ci    write  \S+  \S+  never      in force$", listed.stdout, re.MULTILINE)
    assert token not in listed.stdout

    again = keys("create", "--name", "ci", "--scope", "read", cwd=tmp_path, database=database)
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is a key named 'ci'; revoke it first, or choose another name" in again.stderr

    assert keys("revoke", "ci", cwd=tmp_path, database=database).stdout == "Key 'ci' is revoked.\n"
    assert "revoked 20" in keys("list", cwd=tmp_path, database=database).stdout
    assert "there is no key in force" in keys("revoke", "ci", cwd=tmp_path, database=database).stderr
    assert create(cwd=tmp_path, database=database) != token


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "", "--scope", "read"), "must have 1 to 64 letters"),
        (("--name", "a\nb", "--scope", "read"), "must have 1 to 64 letters"),
        (("--name", "ci", "--scope", "root"), "invalid choice: 'root' (choose from"),
        (("--name", "ci", "--scope", "read", "--expires", "soon"), "--expires soon: cannot be read; write how long"),
        (("--name", "ci", "--scope", "read", "--expires", "999999w"), "is beyond the year 9999"),
        (("--name", "ci", "--scope", "read", "--expires", "9999-12-31T23:59-12:00"), "is beyond the year 9999"),
        (("--name", "ci", "--scope", "read", "--expires", "2020-01-01"), "would have expired already"),
        (("--scope", "read"), "the following arguments are required: --name"),
    ],
)
def test_what_cannot_be_a_key_is_refused(
    database: DatabaseSettings, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """In words that say what would be right, and nothing on stdout."""
    refused = keys("create", *arguments, cwd=tmp_path, database=database)
    assert refused.returncode in (1, 2)
    assert refused.stdout == ""
    assert message in refused.stderr


def test_keys_of_the_local_stack(tmp_path: Path) -> None:
    """Its database is found whether or not `duetime up` runs on the data folder."""
    token = create(cwd=tmp_path, database=None)
    with duetime_up(tmp_path / ".data"):
        listed = keys("list", cwd=tmp_path, database=None)
        assert " ci " in listed.stdout
        keys("revoke", "ci", cwd=tmp_path, database=None)
        assert create(cwd=tmp_path, database=None) != token
    assert "revoked" in keys("list", cwd=tmp_path, database=None).stdout
