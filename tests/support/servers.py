"""The servers that the tests run on: embedded ones, or those that the environment names.

``DUETIME_TEST_DATABASE_URL`` (whose user must be able to create databases) and ``DUETIME_TEST_REDIS_URL`` name them.
Without these, the embedded servers run in a folder of their own, so tests never touch a developer's data.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
from redis import Redis
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine

from db.connection import open_engine
from db.connection_strings import parse_database_url
from db.migrations import migrate
from db.settings import DatabaseSettings
from duetime.local_stack.data_folder import open_data_folder
from duetime.local_stack.place import place_elsewhere
from duetime.local_stack.stack import LocalStack, local_stack
from duetime.settings import DuetimeSettings
from tests.support.xdist_worker import PROCESS, PROCESSES

# Data of tests need not outlive a power cut.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "max_connections": "200",
    # Each connection would compute 4,096 hashes at both ends, which takes a third of its CPU time.
    "scram_iterations": "1",
}
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 4 * 1024**3
LOGICAL_DATABASES = 16


class Administrator:
    """One connection to a database, for statements outside of the event loops of tests."""

    def __init__(self, url: URL) -> None:
        self.url = url
        # With a loop factory of its own, the runner leaves the event loops of tests alone.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._engine = create_async_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)

    def execute(self, statement: str) -> None:
        """Execute one statement outside of any transaction, or several in one."""
        self._runner.run(self._execute(statement))

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._engine.dispose())
        self._runner.close()

    async def _execute(self, statement: str) -> None:
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            await driver.execute(statement)


@dataclass(slots=True, kw_only=True)
class Servers:
    """A Postgres in which databases may be created, with a migrated template in it, and a Redis."""

    administrator: Administrator
    redis: str
    templates: ExitStack = field(default_factory=ExitStack)
    template: str = ""
    migrated_on: date | None = None
    free_numbers: list[int] = field(default_factory=lambda: [*logical_databases()])

    @contextmanager
    def database(self) -> Iterator[DatabaseSettings]:
        """Yield a migrated database, dropped afterwards with all that is connected to it."""
        if self.migrated_on != datetime.now(UTC).date():
            self.renew_template()
        # Copying files takes two thirds of the time of copying through the WAL, which is the default.
        with self.empty_database(f"TEMPLATE {self.template} STRATEGY FILE_COPY") as settings:
            yield settings

    def renew_template(self) -> None:
        """Migrate a template whose history begins today. After midnight, tests would find the days of another one."""
        self.migrated_on = datetime.now(UTC).date()
        template = self.templates.enter_context(self.empty_database())
        # In this thread, asyncio.run would take the event loop away from the tests that follow.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, migrated(template)).result()
        self.template = str(template.url().database)

    @contextmanager
    def empty_database(self, options: str = "") -> Iterator[DatabaseSettings]:
        """Yield a database without tables, dropped afterwards."""
        name = f"duetime_{uuid4().hex}"
        self.administrator.execute(f"CREATE DATABASE {name} {options}")
        try:
            yield named(self.administrator.url, name)
        finally:
            self.administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def redis_database(self) -> Iterator[str]:
        """Yield the URL of an empty logical database, emptied again afterwards.

        Nobody else has it meanwhile: the workers of another Duetime would take this one's jobs.
        """
        assert self.free_numbers, "all logical databases of the Redis of this process are in use"
        number = self.free_numbers.pop()
        url = f"{self.redis.rsplit('/', 1)[0]}/{number}"
        try:
            with Redis.from_url(url) as client:
                client.flushdb()
                yield url
                client.flushdb()
        finally:
            self.free_numbers.append(number)


@contextmanager
def data_folder(*, on_disk: bool = False) -> Iterator[Path]:
    """Yield the path of a data folder that does not exist yet, in memory if there is enough.

    It is not in pytest's folder, because the account of Postgres cannot enter root's.
    """
    home = Path(tempfile.mkdtemp(prefix="duetime-", dir=None if on_disk else memory()))
    home.chmod(0o755)
    path = home / "data"
    try:
        yield path
    finally:
        shutil.rmtree(home)
        if place_elsewhere(path).exists():
            shutil.rmtree(place_elsewhere(path))


def memory() -> Path | None:
    """Return the folder of a file system in memory, if there is one with room for all servers; None if not.

    Each database is 300 files, and file systems on disks take ten times as long to create and delete them.
    """
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_MEMORY
    return MEMORY if roomy else None


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Run the servers for a whole test session, with a migrated template database."""
    database_url = os.environ.get("DUETIME_TEST_DATABASE_URL")
    redis_url = os.environ.get("DUETIME_TEST_REDIS_URL")
    with data_folder() as folder, embedded(folder, postgres=not database_url, valkey=not redis_url) as stack:
        administrator = Administrator(parse_database_url(database_url or stack.owner_url or ""))
        servers = Servers(administrator=administrator, redis=redis_url or stack.redis_url or "")
        with closing(administrator), servers.templates:
            if stack.owner_url:
                administrator.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{administrator.url.password}'")
            servers.renew_template()
            yield servers


@contextmanager
def embedded(folder: Path, *, postgres: bool, valkey: bool) -> Iterator[LocalStack]:
    """Run the local stack in a thread whose event loop lives as long as the servers."""
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
    """Return the settings for one database of the test server."""
    url = admin.set(drivername="postgresql", database=name, query={"sslmode": str(admin.query.get("ssl", "prefer"))})
    # Constructed, not read: a developer's .env is no business of the tests.
    return DatabaseSettings.model_construct(database_url=url.render_as_string(hide_password=False))


def logical_databases() -> range:
    """Return the numbers of the logical databases of this process: a share of them if processes share a Redis."""
    if "DUETIME_TEST_REDIS_URL" not in os.environ:
        return range(LOGICAL_DATABASES)
    return range(PROCESS % LOGICAL_DATABASES, LOGICAL_DATABASES, PROCESSES)


async def migrated(database: DatabaseSettings) -> None:
    """Migrate a database to the current schema."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime tests")
    try:
        await migrate(engine)
    finally:
        await engine.dispose()
