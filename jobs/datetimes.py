"""The instants and durations that arithmetic with time starts from."""

from datetime import UTC, datetime, timedelta

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The ends of what a datetime can hold. Nothing is scheduled outside them.
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)

MILLISECOND = timedelta(milliseconds=1)

INSTANT = timedelta(microseconds=1)
"""The shortest time between two instants."""


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Return the moment that is later, or for a negative duration earlier, or the end of the calendar on that side."""
    try:
        return moment + by
    except OverflowError:
        return LAST_INSTANT if by > timedelta() else FIRST_INSTANT
