"""The clock that all workers share: Postgres's, as far as it is known."""

from datetime import UTC, datetime, timedelta

from jobs.clock import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_a_reading_that_fits_moves_nothing() -> None:
    """On one host the two clocks are the same, and how long the question took must not show."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 8 * MILLISECOND, theirs=NOON + MILLISECOND)
    assert clock.offset == timedelta()


def test_a_clock_that_is_behind_is_put_forward() -> None:
    """By as little as the reading demands: a call never goes out before its instant on Postgres's clock."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 4 * MILLISECOND, theirs=NOON + timedelta(seconds=3))
    assert clock.offset == timedelta(seconds=3) - 4 * MILLISECOND


def test_a_clock_that_is_ahead_is_put_back() -> None:
    """As far as may be needed, for the same reason; a narrower reading then tells better."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 4 * MILLISECOND, theirs=NOON - timedelta(seconds=3))
    assert clock.offset == -timedelta(seconds=3) - 4 * MILLISECOND
    clock.correct(asked_at=NOON, answered_at=NOON + MILLISECOND, theirs=NOON - timedelta(seconds=3))
    assert clock.offset == -timedelta(seconds=3) - MILLISECOND


async def test_waiting_never_ends_early() -> None:
    """A loop's timer may; the wait looks at the clock again."""
    clock = Clock()
    for _ in range(20):
        instant = clock.now() + timedelta(microseconds=700)
        await clock.wait_until(instant)
        assert clock.now() >= instant
