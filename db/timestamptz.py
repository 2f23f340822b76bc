"""How instants travel to Postgres and back: each of them that Python has, as it is.

asyncpg's own codec takes the first and the last instant of Python's calendar for infinities, and brings them back
without an offset, so that nothing can be reckoned with them; yet a task may well end at 9999-12-31T23:59:59.999999Z.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


async def register_timestamptz_codec(connection: asyncpg.Connection) -> None:
    """Has a connection read and write `timestamptz` so; this asks the server nothing."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", format="tuple", encoder=written, decoder=read)


def written(instant: datetime) -> tuple[int]:
    """The instant as Postgres counts: in microseconds. Raises TypeError for one without an offset."""
    return ((instant - POSTGRES_EPOCH) // MICROSECOND,)


def read(counted: tuple[int]) -> datetime:
    """The instant; of what lies beyond Python's calendar, as Postgres's infinities do, the calendar's nearer end."""
    try:
        return POSTGRES_EPOCH + timedelta(microseconds=counted[0])
    except OverflowError:
        return LAST if counted[0] > 0 else FIRST
