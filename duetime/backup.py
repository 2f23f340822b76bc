"""Runs `duetime backup` and `duetime restore`, by Postgres's own programs."""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL

from db.connection import open_engine
from db.connection_strings import address, dsn
from db.reads import inspection
from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from duetime.local_stack.binaries import find_binaries
from duetime.local_stack.database import database_for
from duetime.preflight import migrate_database, once_reachable
from duetime.settings import DuetimeSettings
from jobs.settings import JobsSettings

VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


async def backup(settings: DuetimeSettings, database: DatabaseSettings, *, file: Path) -> None:
    """Write a consistent snapshot of the database to a new file, while everything keeps running.

    Raise CannotStart if the file exists, or pg_dump fails.
    """
    with new_file(file) as unfinished:
        async with database_for(settings, database) as found:
            url = found.migration_url()
            program = await client_program("pg_dump", settings, await major_version_of_server(found))
            await run(program, url, "--format=custom", "--no-owner", "--no-acl", "--file", str(unfinished))
    print(f"Wrote {address(url)} to {file}.")
    print("The key that encrypts secrets is not in it: keep DUETIME_SECRET_KEY, or secret.key of the data folder, too.")


async def restore(settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings, *, file: Path) -> None:
    """Fill an empty database from a file of `backup`, and migrate it: completely, or not at all.

    Raise CannotStart if the file cannot be read, the database is not empty, or pg_restore fails.
    """
    if not os.access(file, os.R_OK):
        raise CannotStart(f"{file} cannot be read")
    async with database_for(settings, database) as found:
        url = found.migration_url()
        program = await client_program("pg_restore", settings, await major_version_of_server(found, is_empty=True))
        await run(program, url, "--single-transaction", "--no-owner", "--no-acl", str(file))
        _, revision = await migrate_database(found, secrets=jobs.secrets)
        print(f"Restored {address(url)} from {file}; the schema is at revision {revision}.")


@contextmanager
def new_file(file: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, and rename it to the given name when it is complete. Raise CannotStart if it
    cannot be written."""
    if file.exists():
        raise CannotStart(f"{file} already exists; name a new file")
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        unfinished.touch(mode=0o600)
        yield unfinished
        unfinished.replace(file)
    except OSError as error:
        raise CannotStart(f"{unfinished} cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


async def major_version_of_server(database: DatabaseSettings, *, is_empty: bool = False) -> int:
    """Return the major version of the server. Raise CannotStart if the database should be empty but is not."""
    url = database.migration_url()
    engine = open_engine(url, pool_size=1, application_name="duetime backup", pooler=database.migration_pooler)
    try:
        version = await once_reachable(engine, url, inspection.major_version, wait=database.wait)
        async with engine.connect() as connection:
            count = await inspection.count_tables(connection) if is_empty else 0
    finally:
        await engine.dispose()
    if count:
        raise CannotStart(
            f"the database {address(url)} has {count} tables, and nothing is overwritten; create an empty database, or "
            "set DUETIME_DATA_DIR to a new folder"
        )
    return version


async def client_program(name: str, settings: DuetimeSettings, version: int) -> Path:
    """Return the program of a major version, because an older program may not read the files of a newer one.

    Raise CannotStart if it is not installed.
    """
    for program in programs(name, settings):
        if await major_version(program) == version:
            return program
    raise CannotStart(
        f"there is no {name} of version {version} here, which is that of the server; install it (on Debian "
        f"postgresql-client-{version}), or set DUETIME_POSTGRES_BIN to the folder that contains it"
    )


def programs(name: str, settings: DuetimeSettings) -> Iterator[Path]:
    """Yield the installed programs of this name: the configured one, the embedded one, the one on PATH."""
    with suppress(CannotStart):
        yield find_binaries(postgres_bin=settings.postgres_bin, valkey_bin=settings.valkey_bin).postgres_bin / name
    if found := shutil.which(name):
        yield Path(found)


async def major_version(program: Path) -> int | None:
    """Return the major version of a program of Postgres, or None if it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
    except OSError:
        return None
    found = VERSION.search((await process.communicate())[0].decode())
    return int(found[1]) if found else None


async def run(program: Path, url: URL, *arguments: str) -> None:
    """Run a program on a database. Raise CannotStart with the last line of its error if it fails."""
    # Every user of the machine can read the arguments of a process, but not its environment.
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    process = await asyncio.create_subprocess_exec(
        program,
        *("--dbname", dsn(url.set(password=None)), "--no-password"),
        *arguments,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    error = (await process.communicate())[1].decode(errors="replace").strip()
    if process.returncode:
        raise CannotStart(error.splitlines()[-1] if error else f"{program} has ended with {process.returncode}")
