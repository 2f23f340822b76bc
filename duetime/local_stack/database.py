"""Finds the database for a command: the configured one, or else that of the data folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.settings import DatabaseSettings
from duetime.local_stack.data_folder import open_data_folder, running_database
from duetime.local_stack.stack import local_stack
from duetime.settings import DuetimeSettings


@asynccontextmanager
async def database_for(settings: DuetimeSettings, database: DatabaseSettings) -> AsyncIterator[DatabaseSettings]:
    """Yield settings whose database runs until the block ends.

    Start the local stack's Postgres if no database is configured and it is not running.
    """
    if database.is_named:
        yield database
    elif urls := running_database(settings.data_dir):
        yield database.model_copy(update={"database_url": urls[0], "migrate_database_url": urls[1]})
    else:
        async with (
            open_data_folder(settings.data_dir) as folder,
            local_stack(folder, settings, postgres=True, valkey=False) as servers,
        ):
            yield database.model_copy(
                update={"database_url": servers.database_url, "migrate_database_url": servers.owner_url}
            )
