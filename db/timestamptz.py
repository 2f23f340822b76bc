"""Exchanges instants with Postgres without loss, over the whole range of Python's datetime.

asyncpg's own codec turns the first and the last instant of Python's calendar into infinities, and returns them without
an offset, so that they cannot be compared; yet a task may end at 9999-12-31T23:59:59.999999Z.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


async def register_timestamptz_codec(connection: asyncpg.Connection) -> None:
    """Make a connection read and write `timestamptz` without loss. This sends nothing to the server."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", format="tuple", encoder=written, decoder=read)


def written(instant: datetime) -> tuple[int]:
    """Return the instant in microseconds since Postgres's epoch. Raises TypeError for one without an offset."""
    return ((instant - POSTGRES_EPOCH) // MICROSECOND,)


def read(counted: tuple[int]) -> datetime:
    """Return the instant; for one beyond Python's calendar, such as Postgres's infinities, the nearest end of the
    calendar.
    """
    try:
        return POSTGRES_EPOCH + timedelta(microseconds=counted[0])
    except OverflowError:
        return LAST if counted[0] > 0 else FIRST
