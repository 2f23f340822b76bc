"""Whether the servers are there, before anything is started on them: one clear line where they are not."""

import asyncio
import socket
import time
from datetime import timedelta
from functools import partial

import asyncpg
from alembic.util import CommandError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncSession

from db.connection import CONNECTION_ERRORS, open_engine
from db.engine import leases
from db.legacy_schema import Unknown
from db.migrations import is_current, migrate, revision
from db.models import utc_now
from db.security import api_keys
from db.settings import DatabaseSettings
from duetime.errors import CannotStart
from jobs.http.request import HOW_TO_KEEP_SECRETS
from jobs.legacy.import_database import NeedsSecretKey, import_database
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings

ANSWERS_WITHIN = timedelta(seconds=5)
# Containers that start together find the database a little later.
COMES_UP_WITHIN = timedelta(seconds=30)
COMING_UP = (ConnectionRefusedError, asyncpg.CannotConnectNowError)


async def check_servers(database: DatabaseSettings, jobs: JobsSettings) -> None:
    """CannotStart when Postgres or Redis cannot be reached, or the schema is not the one of this version."""
    await check_redis(jobs)
    url = database_url(database)
    engine = open_engine(url, pool_size=1, application_name="duetime start")
    try:
        async with engine.connect() as connection:
            current = await connection.run_sync(is_current)
    except CONNECTION_ERRORS as error:
        raise CannotStart(unreachable(url, error)) from None
    finally:
        await engine.dispose()
    if not current:
        raise CannotStart(
            f"the schema of the database {place(url)} is not the present one; run `duetime migrate` first"
        )


async def somebody_may_enter(database: DatabaseSettings) -> bool:
    """Whether there is a key in force."""
    engine = open_engine(database_url(database), pool_size=1, application_name="duetime start")
    try:
        async with AsyncSession(engine) as session:
            return await api_keys.any_in_force(session, now=utc_now())
    finally:
        await engine.dispose()


async def check_worker(database: DatabaseSettings) -> None:
    """CannotStart unless a worker of this host holds its lease, which it renews every second."""
    url = database_url(database)
    engine = open_engine(url, pool_size=1, application_name="duetime check")
    try:
        async with engine.connect() as connection:
            holds = await leases.holds(connection, host=socket.gethostname())
    except CONNECTION_ERRORS as error:
        raise CannotStart(unreachable(url, error)) from None
    finally:
        await engine.dispose()
    if not holds:
        raise CannotStart(f"no worker on {socket.gethostname()} has renewed its lease within {leases.LEASE.seconds} s")


async def until_worker_holds(database: DatabaseSettings, *, pid: int) -> None:
    """Waits until the worker of this process number on this host has its lease."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime start")
    try:
        while True:
            async with engine.connect() as connection:
                if await leases.holds(connection, host=socket.gethostname(), pid=pid):
                    return
            await asyncio.sleep(0.02)
    finally:
        await engine.dispose()


async def check_redis(jobs: JobsSettings) -> None:
    """CannotStart when Redis is not named or does not answer."""
    if jobs.redis_url is None:
        raise CannotStart(
            "REDIS_URL is not set: name a Redis or Valkey server, or run `duetime up`, which brings its own servers"
        )
    timeout = ANSWERS_WITHIN.total_seconds()
    async with Redis.from_url(jobs.redis_url, socket_connect_timeout=timeout, socket_timeout=timeout) as client:
        try:
            await client.ping()
        except (RedisError, OSError) as error:
            raise CannotStart(f"Redis cannot be reached ({first_line(error)}); is REDIS_URL right?") from None


async def migrate_database(database: DatabaseSettings, *, secrets: SecretKeys) -> tuple[str | None, str | None]:
    """Brings the schema up to date; the revisions before and after. Waits for a Postgres that is coming up.

    What the service before Duetime kept there is carried over, its secrets under the keys.
    """
    url = database_url(database)
    engine = open_engine(url, pool_size=1, application_name="duetime migrate", answers_within=None)
    give_up_at = time.monotonic() + COMES_UP_WITHIN.total_seconds()
    try:
        while True:
            try:
                async with engine.connect() as connection:
                    before = await connection.run_sync(revision)
                break
            except CONNECTION_ERRORS as error:
                if not isinstance(cause(error), COMING_UP) or time.monotonic() > give_up_at:
                    raise CannotStart(unreachable(url, error)) from None
                await asyncio.sleep(0.2)
        try:
            await migrate(engine, carry_over=partial(import_database, now=utc_now(), secrets=secrets))
        except Unknown as error:
            raise CannotStart(f"the database {place(url)} is none of Duetime's: {error}; name another") from None
        except NeedsSecretKey:
            raise CannotStart(
                f"the database {place(url)} holds tasks with secret headers (Authorization, Cookie and the like), and "
                f"there is no key to keep them under; {HOW_TO_KEEP_SECRETS}"
            ) from None
        except CommandError as error:
            raise CannotStart(
                f"the database {place(url)} is at revision {before}, which this version of Duetime does not know "
                f"({first_line(error)}); run the newer version"
            ) from None
        except CONNECTION_ERRORS as error:
            raise CannotStart(f"the database {place(url)} could not be migrated: {first_line(error)}") from None
        async with engine.connect() as connection:
            return before, await connection.run_sync(revision)
    finally:
        await engine.dispose()


def database_url(database: DatabaseSettings) -> URL:
    """The address. CannotStart when no server is named."""
    if not database.is_named:
        raise CannotStart(
            "DATABASE_URL is not set: name a Postgres server (or set DB_HOST, DB_USER, DB_PASSWORD, DB_NAME), or run "
            "`duetime up`, which brings its own servers"
        )
    return database.url()


def place(url: URL) -> str:
    """The address as a person names it, without user and password."""
    return f"{url.host}:{url.port or 5432}/{url.database}"


def unreachable(url: URL, error: BaseException) -> str:
    """The line for a Postgres that does not let us in."""
    return f"Postgres at {place(url)} cannot be reached ({first_line(error)}); is DATABASE_URL (or DB_HOST, …) right?"


def cause(error: BaseException) -> BaseException:
    """The driver's own exception under SQLAlchemy's wrapping of it."""
    wrapped = getattr(error, "orig", None)
    return error if wrapped is None else wrapped.__cause__ or wrapped


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    text = str(cause(error)).strip()
    if not text:
        return (
            f"no answer within {ANSWERS_WITHIN.seconds} s" if isinstance(error, TimeoutError) else type(error).__name__
        )
    return text.splitlines()[0]
