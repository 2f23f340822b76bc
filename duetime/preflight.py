"""Checks Postgres and Redis before anything starts that needs them. Each failure is one clear line.

Redis may be unavailable, because it only wakes workers. Checks wait for Postgres.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

import asyncpg
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import CONNECTION_ERRORS, open_engine
from db.connection_strings import address
from db.engine import leases
from db.legacy_schema import Unknown
from db.models import utc_now
from db.revisions import is_current, revision
from db.roles import UnsuitableRole
from db.security import api_keys
from db.settings import ApplicationRole, DatabaseSettings
from duetime.command_name import command_name
from duetime.errors import CannotStart
from graphql_api.settings import ApiSettings
from jobs.http.request import HOW_TO_KEEP_SECRETS
from jobs.maintenance.key_rotation import key_fingerprints
from jobs.redis_pool import open_client
from jobs.security.encryption import SecretKeys
from jobs.settings import JobsSettings

RESPONSE_TIMEOUT = timedelta(seconds=5)
TRY_EVERY = timedelta(seconds=0.2)
# When containers start together, Postgres is briefly unavailable, which is not worth logging.
QUIET = timedelta(seconds=2)
LOG_EVERY = timedelta(seconds=10)
AWAY = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.exceptions.TargetServerAttributeNotMatched,
)
MISCONFIGURED = (ssl.SSLError, PermissionError)
"""Errors of the operating system that waiting does not resolve."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


def log_database(database: DatabaseSettings) -> None:
    """Log which server the `DB_*` variables name, and which parameters of the URLs are not used."""
    parts = ", ".join(database.parts)
    if database.database_url and parts:
        logger.info(
            "DATABASE_URL names the Postgres server, and the DB_ variables are not used.",
            extra={"action": "database_url_preferred", "not_used": parts},
        )
    elif parts:
        logger.info(
            "The DB_ variables name the Postgres server; those that are not set have their defaults.",
            extra={"action": "database_in_parts", "server": address(database.url()), "set": parts},
        )
    if database.unused_parameters:
        logger.warning(
            "Parameters of the connection string are not used, because the driver asyncpg has no counterpart to them.",
            extra={"action": "parameters_unused", "parameters": ", ".join(database.unused_parameters)},
        )


async def check_servers(database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Raise CannotStart if Postgres cannot be reached, the schema is not the one of this version, or Redis refuses."""
    await check_redis(jobs)
    url = database_url(database)
    engine = open_engine(url, pool_size=1, application_name="duetime start", pooler=database.database_pooler)
    try:
        current = await once_reachable(engine, url, is_current, wait=database.wait)
    finally:
        await engine.dispose()
    if not current:
        raise CannotStart(
            f"the schema of the database {address(url)} is not that of this version; run `duetime migrate` first"
        )


async def once_reachable(engine: AsyncEngine, url: URL, read: Callable[[Connection], T], *, wait: timedelta) -> T:
    """Return the result of `read` as soon as Postgres can be reached. Raise CannotStart if Postgres is unavailable for
    longer than `wait`, or refuses the connection.
    """
    started_at = time.monotonic()
    logs_at = QUIET.total_seconds()
    while True:
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(read)
        except CONNECTION_ERRORS as error:
            waited = time.monotonic() - started_at
            if not is_away(error) or waited >= wait.total_seconds():
                raise CannotStart(unreachable(url, error)) from None
            if waited >= logs_at:
                logs_at = waited + LOG_EVERY.total_seconds()
                logger.warning(
                    "Waiting for Postgres.",
                    extra={
                        "action": "waiting_for_postgres",
                        "server": address(url),
                        "error": first_line(error),
                        "waited_s": int(waited),
                        "longest_s": int(wait.total_seconds()),
                    },
                )
        await asyncio.sleep(TRY_EVERY.total_seconds())


def is_away(error: BaseException) -> bool:
    """Return whether waiting may help: the server does not answer, is starting, or has no free connection."""
    reason = cause(error)
    return isinstance(reason, AWAY) and not isinstance(reason, MISCONFIGURED)


async def check_access(database: DatabaseSettings, api: ApiSettings) -> None:
    """Log a warning if every request would be rejected, or if the API is open to the network.

    Raise CannotStart if every request would be rejected and the API listens beyond the loopback address.
    """
    if api.keys_wanted:
        if await has_active_key(database):
            return
        if not api.on_loopback:
            raise CannotStart(
                "an API key is required (DUETIME_AUTH=keys, or HOST is not a loopback address), and there is no active "
                f"key; create one with `{command_name()} keys create --name NAME --scope admin`, or set "
                "DUETIME_AUTH=off"
            )
        logger.warning(
            "The API rejects every request, because it requires an API key and there is no active key; create one.",
            extra={"action": "no_keys", "command": f"{command_name()} keys create --name NAME --scope admin"},
        )
    elif not api.on_loopback:
        logger.warning(
            "Anyone who can reach the API has full access, because DUETIME_AUTH is off and HOST is not a loopback "
            "address.",
            extra={"action": "keys_off", "host": api.host},
        )


async def has_active_key(database: DatabaseSettings) -> bool:
    """Return whether there is an API key that is neither revoked nor expired."""
    engine = open_engine(
        database_url(database),
        pool_size=1,
        application_name="duetime start",
        pooler=database.database_pooler,
    )
    try:
        async with AsyncSession(engine) as session:
            return await api_keys.any_in_force(session, now=utc_now())
    finally:
        await engine.dispose()


async def check_worker(database: DatabaseSettings) -> None:
    """Raise CannotStart unless a worker on this host holds a lease. Workers renew their leases every second."""
    url = database_url(database)
    engine = open_engine(url, pool_size=1, application_name="duetime check", pooler=database.database_pooler)
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
    engine = open_engine(
        database.url(),
        pool_size=1,
        application_name="duetime start",
        pooler=database.database_pooler,
    )
    try:
        while True:
            async with engine.connect() as connection:
                if await leases.holds(connection, host=socket.gethostname(), pid=pid):
                    return
            await asyncio.sleep(0.02)
    finally:
        await engine.dispose()


async def check_redis(jobs: JobsSettings) -> None:
    """Log a warning if Redis is unavailable. Raise CannotStart if REDIS_URL is not set, or Redis refuses the
    connection."""
    if jobs.redis_url is None:
        raise CannotStart(
            "REDIS_URL is not set; set it to a Redis or Valkey server, or run `duetime up`, which starts its own"
        )
    async with open_client(jobs.redis_url, connect_within=RESPONSE_TIMEOUT, answers_within=RESPONSE_TIMEOUT) as client:
        try:
            await client.ping()
        except (AuthenticationError, ResponseError) as error:
            raise CannotStart(f"Redis refuses the connection ({first_line(error)}); is REDIS_URL right?") from None
        except (RedisError, OSError) as error:
            logger.warning(
                "Redis cannot be reached; tasks fire from Postgres meanwhile. Is REDIS_URL right?",
                extra={"action": "redis_away_at_start", "error": first_line(error)},
            )


async def migrate_database(database: DatabaseSettings, *, secrets: SecretKeys) -> tuple[str | None, str | None]:
    """Migrate the database, and return the revisions before and after. Wait for a Postgres that is starting up.

    A database of the service that Duetime replaces is imported, with its secrets encrypted under the keys. If another
    role owns the tables, the role of the API and the workers gets the rights that it needs.
    """
    # Only migrations need these imports, which take a tenth of a worker's startup time.
    from alembic.util import CommandError  # noqa: PLC0415

    from db.migrations import migrate  # noqa: PLC0415
    from jobs.legacy.import_database import NeedsSecretKey, import_database  # noqa: PLC0415

    database_url(database)
    url, application = database.migration_url(), application_role(database)
    engine = open_engine(
        url,
        pool_size=1,
        application_name="duetime migrate",
        pooler=database.migration_pooler,
        answers_within=None,
    )
    try:
        before = await once_reachable(engine, url, revision, wait=database.wait)
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
            after = await connection.run_sync(revision)
            if before not in (None, after) and (workers := await leases.holding(connection)):
                logger.warning(
                    "Workers run that were started before the migration. They finish their calls and may start no "
                    "others; stop them, and start workers of this version.",
                    extra={"action": "older_workers", "count": workers},
                )
        return before, after
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
        return "no response" if isinstance(error, TimeoutError) else type(error).__name__
    return text.splitlines()[0]
