"""Migrates a database to the current schema, and checks that models and migrations agree."""

from collections.abc import Awaitable, Callable
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import legacy_schema
from db.maintenance import partitions
from db.models import metadata, utc_now
from db.revisions import SCRIPTS
from db.roles import ensure_role, grant_rights
from db.settings import ApplicationRole

# Makes two migrations at the same time wait for each other. The number must be the same in every version.
ADVISORY_LOCK = 0x44_75_65_74_69_6D_65
NOT_COMPARED = {"table": "task_results_", "index": "_trigrams"}


def is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _counterpart: Any) -> bool:  # noqa: FBT001 (alembic's signature)
    """Return whether Alembic should compare an object.

    Partitions are created every day and are in no model, and only some servers have the indexes of trigrams.
    """
    return not (kind in NOT_COMPARED and name is not None and NOT_COMPARED[kind] in name)


def config_for(connection: Connection) -> Config:
    """Return Alembic's configuration, built here instead of read from a file."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Run the missing migrations in the connection's transaction."""
    command.upgrade(config_for(connection), "head")


async def migrate(
    engine: AsyncEngine,
    *,
    import_database: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    application: ApplicationRole | None = None,
) -> None:
    """Migrate the database to the current schema in one transaction: completely, or not at all.

    `import_database` imports the tables of the service before Duetime, if the database is that service's.
    `application` is the role of the API and the workers if another role owns the tables. Raises
    `legacy_schema.Unknown` if the database is neither's, `UnsuitableRole`, and what `import_database` raises.
    """
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        old = import_database if await legacy_schema.is_there(connection) else None
        if old is not None:
            await legacy_schema.set_aside(connection)
        await connection.run_sync(upgrade)
        if old is not None:
            await old(connection)
        today = utc_now().date()
        for day in await partitions.missing(connection, today):
            await partitions.make(connection, day)
        if application is not None:
            await ensure_role(connection, application)
            await grant_rights(connection, application)


def differences(connection: Connection) -> list[Any]:
    """Return what a migration would have to change to make the database equal to the models."""
    context = MigrationContext.configure(
        connection, opts={"include_object": is_ours, "compare_type": True, "compare_server_default": True}
    )
    found: list[Any] = compare_metadata(context, metadata)
    return found
