"""Instants as text: RFC 3339, read strictly and written in UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache

RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
EXAMPLE = "2030-01-31T09:00:00Z"
KEPT_TEXTS = 4096
"""Number of instants whose text is kept: lists show the same ones again and again."""


def parse(text: str) -> datetime:
    """Return the instant in UTC, truncated to microseconds. Raises `ValueError` with the reason.

    A leap second (`:60`, RFC 3339, section 5.7) is refused, because neither Python nor Postgres supports it.
    """
    found = RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:50]!r} is not an RFC 3339 instant with an offset, such as {EXAMPLE}")
    day, time, fraction, offset = found.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{time}.{(fraction or '')[:6]:0<6}{offset.upper()}")
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:50]!r} names no instant: {error}") from error


@lru_cache(maxsize=KEPT_TEXTS)
def write(instant: datetime) -> str:
    """Return the instant in UTC, ending in Z, with microseconds if it has any."""
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return in_utc.isoformat()[:-6] + "Z"
