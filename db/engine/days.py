"""The days of the history: each is a range of the ids of runs, which begin with the milliseconds of the instant.

A statement whose text has the range of the days that it needs opens these, and no others of the history.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from uuid import UUID

DAY_MS = 86_400_000
LAST_ID = UUID(int=(1 << 128) - 1)


def lower_bound(day: date) -> UUID:
    """Return the smallest id of a run of `day` (UTC): its first 48 bits are the instant's Unix milliseconds."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return UUID(int=int(midnight.timestamp() * 1000) << 80)


def whole_days(ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    """Return the least and the greatest id of the days to which the runs with these ids belong."""
    days = [(run_id.int >> 80) // DAY_MS for run_id in ids]
    greatest = ((max(days) + 1) * DAY_MS << 80) - 1
    return UUID(int=min(days) * DAY_MS << 80), UUID(int=min(greatest, LAST_ID.int))
