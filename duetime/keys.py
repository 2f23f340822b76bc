"""Runs `duetime keys`: creates, lists and revokes API keys, and rotates the keys that encrypt secrets."""

import logging
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import CONNECTION_ERRORS, open_engine
from db.models import ApiKey, utc_now
from db.security import api_keys
from db.settings import DatabaseSettings
from db.states import KeyScope
from duetime.errors import CannotStart
from duetime.local_stack.database import database_for
from duetime.preflight import first_line, migrate_database
from duetime.settings import DuetimeSettings, read
from jobs.errors import InvalidInput, Refusal
from jobs.maintenance.key_rotation import rotate_channels, rotate_secrets
from jobs.security.api_keys import create_key, revoke_key
from jobs.settings import JobsSettings

MAX_SHOWN_IDS = 10
FIRST_KEY = "first"
"""The name of the key that is created for a database without one."""
DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
EXPIRY_FORMAT = (
    "write a duration such as 90d (s, m, h, d or w), or an instant such as 2030-01-31 or 2030-01-31T12:00:00Z"
)

logger = logging.getLogger(__name__)


async def create(
    settings: DuetimeSettings, database: DatabaseSettings, *, name: str, scope: KeyScope, expires: str | None
) -> None:
    """Create a key and print it on the last line. It cannot be shown again."""
    now = utc_now()
    expires_at = None if expires is None else parse_expiry(expires, now=now)
    async with session_on(settings, database) as session:
        key, token = await create_key(session, name=name, scope=scope, now=now, expires_at=expires_at)
        expiry = "" if expires_at is None else f", expires {to_minute(expires_at)}"
        print(
            f"Created key {key.name!r} (scope {key.scope}{expiry}). It is shown only once; "
            "send it as Authorization: Bearer KEY."
        )
        await session.commit()
        print(token)


async def create_first(settings: DuetimeSettings, database: DatabaseSettings) -> None:
    """Create a key with the scope admin and write it to the configured file, unless there has been a key before.

    The log names the file and does not contain the key. Raise CannotStart if the file cannot be written.
    """
    path = settings.first_key_file
    if path is None:
        return
    async with opened(database) as engine, AsyncSession(engine) as session:
        if not await api_keys.none_yet(session):
            return
        _, token = await create_key(session, name=FIRST_KEY, scope=KeyScope.ADMIN, now=utc_now())
        try:
            write_privately(path, token)
        except OSError as error:
            raise CannotStart(f"DUETIME_FIRST_KEY_FILE={path}: cannot be written: {error.strerror}") from None
        await session.commit()
    logger.info(
        "Created the first API key, with the scope admin. Store it in a safe place, and delete the file.",
        extra={"action": "first_key_created", "file": path},
    )


def write_privately(path: Path, token: str) -> None:
    """Write a key to a file that only this user can read. A file of that name is replaced."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{token}\n")
    unfinished.replace(path)


async def show(settings: DuetimeSettings, database: DatabaseSettings) -> None:
    """Print all keys with their state. The keys themselves are not stored, only their hashes."""
    async with session_on(settings, database) as session:
        rows: list[tuple[str, ...]] = [("id", "name", "scope", "created", "expires", "last used", "state")]
        rows += [row_of(key) for key in await api_keys.everything(session)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def revoke(settings: DuetimeSettings, database: DatabaseSettings, *, name_or_id: str) -> None:
    """Revoke a key. Streams that it opened are closed within seconds."""
    async with session_on(settings, database) as session:
        key = await revoke_key(session, name_or_id, now=utc_now())
        await session.commit()
    print(f"Revoked key {key.name!r}.")


async def rotate(settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Encrypt all secrets with the first key of DUETIME_SECRET_KEY."""
    if not jobs.secrets.present:
        raise CannotStart("DUETIME_SECRET_KEY is not set; list the new key and then the old ones, separated by commas")
    async with engine_on(settings, database) as engine:
        count, undecryptable = await rotate_secrets(engine, jobs.secrets)
        channels, closed_channels = await rotate_channels(engine, jobs.secrets)
    print(f"Encrypted the secrets of {count} task definitions with the first key.")
    if channels:
        print(f"Encrypted the secrets of {channels} channels of notifications with the first key.")
    if closed_channels:
        raise CannotStart(
            "none of the keys decrypts the secrets of these channels, which were left unchanged: "
            + ", ".join(closed_channels)
        )
    if undecryptable:
        raise CannotStart(
            f"none of the keys decrypts the secrets of {len(undecryptable)} tasks, which were left unchanged: "
            + ", ".join(str(task_id) for task_id in undecryptable[:MAX_SHOWN_IDS])
            + (", …" if len(undecryptable) > MAX_SHOWN_IDS else "")
        )


@asynccontextmanager
async def session_on(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[AsyncSession]:
    """Open a session on the database. Raise CannotStart for an invalid request."""
    async with engine_on(settings, database) as engine, AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@asynccontextmanager
async def engine_on(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Open an engine on the configured database, or else on that of the local stack, and migrate the database.

    Start the local stack's Postgres if it is not running. Raise CannotStart for an invalid request.
    """
    async with database_for(settings, database) as found:
        await migrate_database(found, secrets=read(JobsSettings).secrets)
        async with opened(found) as engine:
            yield engine


@asynccontextmanager
async def opened(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Open an engine on a migrated database. Raise CannotStart for an invalid request."""
    engine = open_engine(
        database.url(),
        pool_size=1,
        application_name="duetime keys",
        pooler=database.database_pooler,
    )
    try:
        yield engine
    except InvalidInput as error:
        raise CannotStart("; ".join(problem.message for problem in error.problems)) from None
    except Refusal as error:
        raise CannotStart(str(error)) from None
    except CONNECTION_ERRORS as error:
        raise CannotStart(f"the connection to Postgres was lost: {first_line(error)}") from None
    finally:
        await engine.dispose()


def parse_expiry(text: str, *, now: datetime) -> datetime:
    """Return the instant when a key expires. Raise CannotStart if the text is neither a duration nor an instant."""
    try:
        if match := DURATION.fullmatch(text):
            return now + int(match[1]) * UNITS[match[2]]
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except ValueError:
        raise CannotStart(f"--expires {text}: cannot be read; {EXPIRY_FORMAT}") from None
    except OverflowError:
        raise CannotStart(
            f"--expires {text}: is beyond the year 9999; omit --expires for a key that never expires"
        ) from None


def row_of(key: ApiKey) -> tuple[str, ...]:
    """Return the cells of one key in the list."""
    now = utc_now()
    state = "active"
    if key.revoked_at is not None:
        state = f"revoked {to_minute(key.revoked_at)}"
    elif key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    return (
        str(key.id),
        key.name,
        key.scope,
        to_minute(key.created_at),
        "never" if key.expires_at is None else to_minute(key.expires_at),
        "never" if key.last_used_at is None else to_minute(key.last_used_at),
        state,
    )


def to_minute(instant: datetime) -> str:
    """Return an instant as text, in UTC and to the minute."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
