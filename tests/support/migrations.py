# ruff: noqa: T201 (a program, which prints)
"""A program that checks that the migrations, run on an empty database, create what the models declare."""

import asyncio
import sys

from db.connection import open_engine
from db.migrations import differences
from db.settings import DatabaseSettings
from tests.support.servers import running_servers


async def compare(database: DatabaseSettings) -> list[object]:
    """Return what another migration would have to change."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime check")
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(differences)
    finally:
        await engine.dispose()


def main() -> int:
    """Return 0 if they agree, or print the differences and return 1."""
    with (
        running_servers() as servers,
        servers.database() as database,
    ):
        found = asyncio.run(compare(database))
    for difference in found:
        print(f"models and migrations differ: {difference}", file=sys.stderr)
    if not found:
        print("The migrations create what the models declare.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
