"""The option --expires of `duetime keys create`."""

from datetime import UTC, datetime, timedelta

import pytest

from duetime.errors import CannotStart
from duetime.keys import parse_expiry

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [
        ("5s", timedelta(seconds=5)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        ("2030-01-31", timedelta(days=30)),
        ("2030-01-01T12:00:00Z", timedelta(hours=12)),
        ("2030-01-01T12:00:00+02:00", timedelta(hours=10)),
        ("2030-01-01 12:00", timedelta(hours=12)),
    ],
)
def test_a_duration_or_an_instant(text: str, lifetime: timedelta) -> None:
    """An instant without an offset is in UTC."""
    assert parse_expiry(text, now=NOW) == NOW + lifetime


@pytest.mark.parametrize(
    "text", ["", "5", "d", "-5d", "1.5d", "1d12h", "5 d", "\u0665d", "5D", "never", "tomorrow", "2030-13-01"]
)
def test_other_text_is_rejected(text: str) -> None:
    """The error describes the format."""
    with pytest.raises(CannotStart, match="cannot be read; write a duration such as 90d"):
        parse_expiry(text, now=NOW)


@pytest.mark.parametrize("text", ["999999999w", "999999999s999999999", "9999-12-31T23:59-12:00"])
def test_an_instant_after_the_year_9999_is_rejected(text: str) -> None:
    """It is an error without a traceback."""
    with pytest.raises(CannotStart):
        parse_expiry(text, now=NOW)
