"""Checks Postgres and Redis before anything starts that needs them. Each failure is one clear line."""

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
from db.roles import UnsuitableRole
from db.security import api_keys
from db.settings import ApplicationRole, DatabaseSettings
from duetime.errors import CannotStart
from jobs.http.request import HOW_TO_KEEP_SECRETS
from jobs.legacy.import_database import NeedsSecretKey, import_database
from jobs.maintenance.key_rotation import key_fingerprints
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings

RESPONSE_TIMEOUT = timedelta(seconds=5)
# When containers start together, the database may not accept connections yet.
STARTUP_TIMEOUT = timedelta(seconds=30)
STARTING_UP = (ConnectionRefusedError, asyncpg.CannotConnectNowError)


async def check_servers(database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Raise CannotStart if Redis or Postgres cannot be reached, or the schema is not the one of this version."""
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
            f"the schema of the database {address(url)} is not that of this version; run `duetime migrate` first"
        )


async def has_active_key(database: DatabaseSettings) -> bool:
    """Return whether there is an API key that is neither revoked nor expired."""
    engine = open_engine(database_url(database), pool_size=1, application_name="duetime start")
    try:
        async with AsyncSession(engine) as session:
            return await api_keys.any_in_force(session, now=utc_now())
    finally:
        await engine.dispose()


async def check_worker(database: DatabaseSettings) -> None:
    """Raise CannotStart unless a worker on this host holds a lease. Workers renew their leases every second."""
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


async def wait_for_worker(database: DatabaseSettings, *, pid: int) -> None:
    """Wait until the worker with this process ID on this host holds its lease."""
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
    """Raise CannotStart if REDIS_URL is not set or Redis does not respond."""
    if jobs.redis_url is None:
        raise CannotStart(
            "REDIS_URL is not set; set it to a Redis or Valkey server, or run `duetime up`, which starts its own"
        )
    timeout = RESPONSE_TIMEOUT.total_seconds()
    async with Redis.from_url(jobs.redis_url, socket_connect_timeout=timeout, socket_timeout=timeout) as client:
        try:
            await client.ping()
        except (RedisError, OSError) as error:
            raise CannotStart(f"Redis cannot be reached ({first_line(error)}); is REDIS_URL right?") from None


async def migrate_database(database: DatabaseSettings, *, secrets: SecretKeys) -> tuple[str | None, str | None]:
    """Migrate the database, and return the revisions before and after. Wait for a Postgres that is starting up.

    A database of the service that Duetime replaces is imported, with its secrets encrypted under the keys. If another
    role owns the tables, the role of the API and the workers gets the rights that it needs.
    """
    database_url(database)
    url, application = database.migration_url(), application_role(database)
    engine = open_engine(url, pool_size=1, application_name="duetime migrate", answers_within=None)
    give_up_at = time.monotonic() + STARTUP_TIMEOUT.total_seconds()
    try:
        while True:
            try:
                async with engine.connect() as connection:
                    before = await connection.run_sync(revision)
                break
            except CONNECTION_ERRORS as error:
                if not isinstance(cause(error), STARTING_UP) or time.monotonic() > give_up_at:
                    raise CannotStart(unreachable(url, error)) from None
                await asyncio.sleep(0.2)
        try:
            importing = partial(import_database, now=utc_now(), secrets=secrets)
            await migrate(engine, import_database=importing, application=application)
            await key_fingerprints(engine, secrets)
        except Unknown as error:
            raise CannotStart(
                f"the database {address(url)} is not a Duetime database: {error}; use another one"
            ) from None
        except NeedsSecretKey:
            raise CannotStart(
                f"the database {address(url)} contains tasks with secret headers (such as Authorization), and there is "
                f"no key to encrypt them; {HOW_TO_KEEP_SECRETS}"
            ) from None
        except UnsuitableRole as error:
            raise CannotStart(f"the database {address(url)} could not be migrated: {error}") from None
        except CommandError as error:
            raise CannotStart(
                f"the database {address(url)} is at revision {before}, which this version of Duetime does not know "
                f"({first_line(error)}); run the newer version"
            ) from None
        except CONNECTION_ERRORS as error:
            hint = ""
            if isinstance(cause(error), asyncpg.InsufficientPrivilegeError):
                hint = "; set DUETIME_MIGRATE_DATABASE_URL to a URL with the role that owns the tables"
            raise CannotStart(f"the database {address(url)} could not be migrated: {first_line(error)}{hint}") from None
        async with engine.connect() as connection:
            return before, await connection.run_sync(revision)
    finally:
        await engine.dispose()


def application_role(database: DatabaseSettings) -> ApplicationRole | None:
    """Return the role of the API and the workers, if another one owns the tables. Raise CannotStart without a name."""
    try:
        return database.application
    except ValueError as error:
        raise CannotStart(str(error)) from None


def database_url(database: DatabaseSettings) -> URL:
    """Return the URL of the database. Raise CannotStart if none is configured."""
    if not database.is_named:
        raise CannotStart(
            "DATABASE_URL is not set; set it to a Postgres server (or set DB_HOST, DB_USER, DB_PASSWORD, DB_NAME), or "
            "run `duetime up`, which starts its own servers"
        )
    return database.url()


def address(url: URL) -> str:
    """Return host, port and database, without user and password."""
    return f"{url.host}:{url.port or 5432}/{url.database}"


def unreachable(url: URL, error: BaseException) -> str:
    """Return the message for a Postgres that cannot be reached or rejects the connection."""
    return f"Postgres at {address(url)} cannot be reached ({first_line(error)}); is DATABASE_URL (or DB_HOST, …) right?"


def cause(error: BaseException) -> BaseException:
    """Return the driver's exception if SQLAlchemy wrapped it."""
    wrapped = getattr(error, "orig", None)
    return error if wrapped is None else wrapped.__cause__ or wrapped


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message."""
    text = str(cause(error)).strip()
    if not text:
        return (
            f"no response within {RESPONSE_TIMEOUT.seconds} s"
            if isinstance(error, TimeoutError)
            else type(error).__name__
        )
    return text.splitlines()[0]
