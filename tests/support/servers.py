"""The servers that the tests run on: real ones of our own, or those that the environment names.

``DUETIME_TEST_DATABASE_URL`` (whose user may make databases) and ``DUETIME_TEST_REDIS_URL`` name them; without, the
embedded ones run in a folder of their own, so that tests never meet a developer's data.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from redis import Redis
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from db.connection import open_engine
from db.migrations import migrate
from db.settings import DatabaseSettings, parse_database_url
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.place import place_elsewhere
from duetime.local_stack.stack import LocalStack, local_stack
from duetime.settings import DuetimeSettings

# Data of tests need not outlive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
LOGICAL_DATABASES = 16


@dataclass(slots=True, kw_only=True)
class Servers:
    """A Postgres in which databases may be made, with a migrated template in it, and a Redis."""

    admin: URL
    redis: str
    template: str = ""
    numbers: int = 0

    @contextmanager
    def database(self) -> Iterator[DatabaseSettings]:
        """A migrated database, dropped afterwards with all that is connected to it."""
        name = f"duetime_{uuid4().hex}"
        asyncio.run(execute(self.admin, f"CREATE DATABASE {name} TEMPLATE {self.template}"))
        try:
            yield named(self.admin, name)
        finally:
            asyncio.run(execute(self.admin, f"DROP DATABASE {name} WITH (FORCE)"))

    @contextmanager
    def redis_database(self) -> Iterator[str]:
        """The URL of an empty logical database, emptied again afterwards."""
        self.numbers += 1
        url = f"{self.redis.rsplit('/', 1)[0]}/{self.numbers % LOGICAL_DATABASES}"
        with Redis.from_url(url) as client:
            client.flushdb()
            yield url
            client.flushdb()


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder for a local stack, not made yet. Not pytest's: root's lies where Postgres's account cannot go."""
    home = Path(tempfile.mkdtemp(prefix="duetime-"))
    home.chmod(0o755)
    path = home / "data"
    try:
        yield path
    finally:
        shutil.rmtree(home)
        if place_elsewhere(path).exists():
            shutil.rmtree(place_elsewhere(path))


@contextmanager
def running_servers() -> Iterator[Servers]:
    """The servers for a whole test session, with the template database made."""
    database_url = os.environ.get("DUETIME_TEST_DATABASE_URL")
    redis_url = os.environ.get("DUETIME_TEST_REDIS_URL")
    with data_folder() as folder, embedded(folder, postgres=not database_url, valkey=not redis_url) as stack:
        servers = Servers(
            admin=parse_database_url(database_url or stack.database_url or ""), redis=redis_url or stack.redis_url or ""
        )
        with empty_database(servers.admin) as template:
            asyncio.run(migrated(template))
            servers.template = str(template.url().database)
            yield servers


@contextmanager
def embedded(folder: Path, *, postgres: bool, valkey: bool) -> Iterator[LocalStack]:
    """The local stack, in a thread whose event loop lives as long as the servers do."""
    started: list[LocalStack] = []
    failed: list[BaseException] = []
    running, stop = threading.Event(), threading.Event()

    async def run() -> None:
        settings = DuetimeSettings(data_dir=folder)
        async with (
            open_data_folder(folder) as opened,
            local_stack(opened, settings, postgres=postgres, valkey=valkey, postgres_configuration=FAST) as stack,
        ):
            started.append(stack)
            running.set()
            await asyncio.to_thread(stop.wait)

    def run_to_the_end() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
        finally:
            running.set()

    thread = threading.Thread(target=run_to_the_end, name="servers")
    thread.start()
    running.wait()
    try:
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        stop.set()
        thread.join()


def named(admin: URL, name: str) -> DatabaseSettings:
    """The settings for one database of the test server."""
    url = admin.set(drivername="postgresql", database=name, query={"sslmode": str(admin.query["ssl"])})
    # Constructed, not read: a developer's .env is no business of the tests.
    return DatabaseSettings.model_construct(database_url=url.render_as_string(hide_password=False))


@contextmanager
def empty_database(admin: URL) -> Iterator[DatabaseSettings]:
    """A database without tables, dropped afterwards."""
    name = f"duetime_{uuid4().hex}"
    asyncio.run(execute(admin, f"CREATE DATABASE {name}"))
    try:
        yield named(admin, name)
    finally:
        asyncio.run(execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))


async def execute(url: URL, statement: str) -> None:
    """One statement outside of any transaction."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def migrated(database: DatabaseSettings) -> None:
    """Brings a database to the present schema."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    try:
        await migrate(engine)
    finally:
        await engine.dispose()
