"""The clock that all workers share: Postgres's, as far as it is known."""

from datetime import UTC, datetime, timedelta

from jobs.clock import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_consistent_reading_keeps_the_offset() -> None:
    """On a single host the clocks are equal, and the time that the query took must not change the offset."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 8 * MILLISECOND, database_now=NOON + MILLISECOND)
    assert clock.offset == timedelta()


def test_clock_that_is_behind_is_moved_forward() -> None:
    """It is moved as little as the reading demands, so that no call goes out early by Postgres's clock."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 4 * MILLISECOND, database_now=NOON + timedelta(seconds=3))
    assert clock.offset == timedelta(seconds=3) - 4 * MILLISECOND


def test_clock_that_is_ahead_is_moved_back() -> None:
    """It is moved as far as may be necessary, for the same reason. A narrower reading then corrects that."""
    clock = Clock()
    clock.correct(asked_at=NOON, answered_at=NOON + 4 * MILLISECOND, database_now=NOON - timedelta(seconds=3))
    assert clock.offset == -timedelta(seconds=3) - 4 * MILLISECOND
    clock.correct(asked_at=NOON, answered_at=NOON + MILLISECOND, database_now=NOON - timedelta(seconds=3))
    assert clock.offset == -timedelta(seconds=3) - MILLISECOND


async def test_waiting_never_ends_early() -> None:
    """A loop's timer may end early, so the wait looks at the clock again."""
    clock = Clock()
    for _ in range(20):
        instant = clock.now() + timedelta(microseconds=700)
        await clock.wait_until(instant)
        assert clock.now() >= instant
