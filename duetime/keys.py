"""`duetime keys`: makes, lists and revokes the keys that let people and programs in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.connection import CONNECTION_ERRORS, open_engine
from db.models import ApiKey, utc_now
from db.security import api_keys
from db.settings import DatabaseSettings
from db.states import KeyScope
from duetime.errors import CannotStart
from duetime.local_stack.data_folder import open_data_folder, running_database
from duetime.local_stack.stack import local_stack
from duetime.preflight import migrate_database
from duetime.settings import DuetimeSettings, read
from jobs.maintenance.key_rotation import rotate_secrets
from jobs.security.api_keys import InvalidKeyRequest, create_key, revoke_key
from jobs.settings import JobsSettings

SHOWN_IDS = 10
DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
SHAPE = "write how long it lasts, as 90d (s, m, h, d or w), or until when, as 2030-01-31 or 2030-01-31T12:00:00Z"


async def create(
    settings: DuetimeSettings, database: DatabaseSettings, *, name: str, scope: KeyScope, expires: str | None
) -> None:
    """Makes a key and prints it, alone on the last line: it is not shown again."""
    now = utc_now()
    expires_at = None if expires is None else parse_expiry(expires, now=now)
    async with session_on(settings, database) as session:
        key, token = await create_key(session, name=name, scope=scope, now=now, expires_at=expires_at)
        until = "" if expires_at is None else f", until {shown(expires_at)}"
        print(f"Key {key.name!r} (scope {key.scope}{until}). It is shown this once; send it as Authorization: Bearer …")
        await session.commit()
        print(token)


async def show(settings: DuetimeSettings, database: DatabaseSettings) -> None:
    """Prints all keys, none of which can be told from what is kept."""
    async with session_on(settings, database) as session:
        rows: list[tuple[str, ...]] = [("id", "name", "scope", "created", "expires", "last used", "state")]
        rows += [row_of(key) for key in await api_keys.everything(session)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def revoke(settings: DuetimeSettings, database: DatabaseSettings, *, name_or_id: str) -> None:
    """Ends a key; what is open under it ends within seconds."""
    async with session_on(settings, database) as session:
        key = await revoke_key(session, name_or_id, now=utc_now())
        await session.commit()
    print(f"Key {key.name!r} is revoked.")


async def rotate(settings: DuetimeSettings, database: DatabaseSettings, jobs: JobsSettings) -> None:
    """Seals all secrets with the first key of DUETIME_SECRET_KEY."""
    if not jobs.secrets.present:
        raise CannotStart("DUETIME_SECRET_KEY is not set; name the new key first and the old ones after it, by commas")
    async with engine_on(settings, database) as engine:
        count, unopened = await rotate_secrets(engine, jobs.secrets)
    print(f"Sealed the secrets of {count} task definitions with the first key.")
    if unopened:
        raise CannotStart(
            f"none of the keys opens the secrets of {len(unopened)} tasks, which stay as they are: "
            + ", ".join(str(task_id) for task_id in unopened[:SHOWN_IDS])
            + (", …" if len(unopened) > SHOWN_IDS else "")
        )


@asynccontextmanager
async def session_on(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[AsyncSession]:
    """A session on the database. CannotStart for whatever is refused."""
    async with engine_on(settings, database) as engine, AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@asynccontextmanager
async def engine_on(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """The database that is named, or the local stack's, which is started if it does not run; migrated.

    CannotStart for whatever is refused.
    """
    async with database_for(settings, database) as reached:
        await migrate_database(reached, secrets=read(JobsSettings).secrets)
        engine = open_engine(reached.url(), pool_size=1, application_name="duetime keys")
        try:
            yield engine
        except InvalidKeyRequest as refusal:
            raise CannotStart(str(refusal)) from None
        except CONNECTION_ERRORS as error:
            raise CannotStart(f"Postgres went away: {error}") from None
        finally:
            await engine.dispose()


@asynccontextmanager
async def database_for(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[DatabaseSettings]:
    """Where the database is while the block lasts."""
    if database.is_named:
        yield database
    elif url := running_database(settings.data_dir):
        yield database.model_copy(update={"database_url": url})
    else:
        async with (
            open_data_folder(settings.data_dir) as folder,
            local_stack(folder, settings, postgres=True, valkey=False) as servers,
        ):
            yield database.model_copy(update={"database_url": servers.database_url})


def parse_expiry(text: str, *, now: datetime) -> datetime:
    """When a key ends. CannotStart says how to write it."""
    try:
        if found := DURATION.fullmatch(text):
            return now + int(found[1]) * UNITS[found[2]]
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except ValueError:
        raise CannotStart(f"--expires {text}: cannot be read; {SHAPE}") from None
    except OverflowError:
        raise CannotStart(
            f"--expires {text}: is beyond the year 9999; leave --expires out for a key that lasts"
        ) from None


def row_of(key: ApiKey) -> tuple[str, ...]:
    """One line of the list."""
    now = utc_now()
    state = "in force"
    if key.revoked_at is not None:
        state = f"revoked {shown(key.revoked_at)}"
    elif key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    return (
        str(key.id),
        key.name,
        key.scope,
        shown(key.created_at),
        "never" if key.expires_at is None else shown(key.expires_at),
        "never" if key.last_used_at is None else shown(key.last_used_at),
        state,
    )


def shown(instant: datetime) -> str:
    """To the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
