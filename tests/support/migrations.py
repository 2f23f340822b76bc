# ruff: noqa: T201 (a program, which prints)
"""A program: whether the migrations, run on an empty database, make what the models say."""

import asyncio
import sys

from db.connection import open_engine
from db.migrations import differences
from db.settings import DatabaseSettings
from tests.support.servers import running_servers


async def compare(database: DatabaseSettings) -> list[object]:
    """What a migration would still have to change."""
    engine = open_engine(database.url(), pool_size=1, application_name="duetime check")
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(differences)
    finally:
        await engine.dispose()


def main() -> int:
    """0 when they agree; else 1, and the differences on stderr."""
    with (
        running_servers() as servers,
        servers.database() as database,
    ):
        found = asyncio.run(compare(database))
    for difference in found:
        print(f"models and migrations differ: {difference}", file=sys.stderr)
    if not found:
        print("The migrations make what the models say.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
