"""When a failed attempt is tried again."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.problems import Problem
from jobs.retry import RetryPolicy, parse_retry_after, problems_of

NOW = datetime(2026, 7, 15, 9, 0, tzinfo=UTC)
EVEN = 0.5
SECOND = timedelta(seconds=1)


def test_delays_grow_by_the_factor_up_to_the_longest() -> None:
    """Each delay is the factor times the last, until max_delay holds it."""
    policy = RetryPolicy(max_attempts=6, initial_delay=2 * SECOND, factor=3.0, max_delay=30 * SECOND)

    delays = [policy.delay_after(attempt, randomness=EVEN) for attempt in range(1, 7)]

    assert delays == [2 * SECOND, 6 * SECOND, 18 * SECOND, 30 * SECOND, 30 * SECOND, None]


def test_attempts_are_used_up() -> None:
    """After the last attempt there is no delay, whatever the target asks for."""
    assert RetryPolicy(max_attempts=1).delay_after(1, randomness=EVEN) is None
    assert RetryPolicy(max_attempts=3).delay_after(3, randomness=EVEN, retry_after=SECOND) is None
    assert RetryPolicy(max_attempts=3).delay_after(7, randomness=EVEN) is None


def test_a_delay_varies_by_a_fifth_either_way() -> None:
    """Randomness spreads what failed together."""
    policy = RetryPolicy(initial_delay=10 * SECOND)

    assert policy.delay_after(1, randomness=0.0) == 8 * SECOND
    assert policy.delay_after(1, randomness=EVEN) == 10 * SECOND
    assert policy.delay_after(1, randomness=1.0) == 12 * SECOND


def test_a_target_can_ask_for_later_but_not_for_sooner() -> None:
    """Retry-After may exceed max_delay, up to a day."""
    policy = RetryPolicy(initial_delay=10 * SECOND, max_delay=20 * SECOND)

    assert policy.delay_after(1, randomness=EVEN, retry_after=timedelta()) == 10 * SECOND
    assert policy.delay_after(1, randomness=EVEN, retry_after=timedelta(hours=2)) == timedelta(hours=2)
    assert policy.delay_after(1, randomness=EVEN, retry_after=timedelta(days=9)) == timedelta(hours=24)


@given(
    attempt=st.integers(1, 10**6),
    factor=st.floats(1.0, 10.0),
    initial_ms=st.integers(0, 86_400_000),
    max_ms=st.integers(0, 86_400_000),
    randomness=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=200, deadline=None)
def test_no_delay_leaves_its_bounds(
    attempt: int, factor: float, initial_ms: int, max_ms: int, randomness: float
) -> None:
    """However many attempts there were, the delay is within a fifth of what the formula allows, and never overflows."""
    initial, longest = timedelta(milliseconds=initial_ms), timedelta(milliseconds=max_ms)
    policy = RetryPolicy(max_attempts=2**40, initial_delay=initial, factor=factor, max_delay=longest)

    delay = policy.delay_after(attempt, randomness=randomness)

    assert delay is not None
    tick = timedelta(microseconds=1)
    assert min(initial, longest) * 0.8 - tick <= delay <= longest * 1.2 + tick
    if not initial:
        assert delay == timedelta()


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        (" 0 ", timedelta()),
        ("007", 7 * SECOND),
        ("0" * 5_000 + "9", 9 * SECOND),
        ("9" * 5_000, timedelta(hours=24)),
        ("Wed, 15 Jul 2026 09:01:00 GMT", timedelta(minutes=1)),
        ("Wednesday, 15-Jul-26 09:01:00 GMT", timedelta(minutes=1)),
        ("Wed Jul 15 09:01:00 2026", timedelta(minutes=1)),
        ("Sun Jul  5 09:01:00 2026", timedelta()),
        ("Wed, 15 Jul 2026 08:59:00 GMT", timedelta()),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("+5", None),
        ("1.5", 2 * SECOND),
        ("0.001", SECOND),
        ("3.000", 3 * SECOND),
        (".5", None),
        ("1.", None),
        ("1.5.5", None),
        ("-1.5", None),
        ("9" * 5_000 + ".5", timedelta(hours=24)),
        ("1e3", None),
        ("5 seconds", None),
        ("\u0661\u0662", None),
        ("Wed, 15 Jul 2026", None),
        ("Wed, 35 Jul 2026 09:01:00 GMT", None),
        ("Wed, 15 Foo 2026 09:01:00 GMT", None),
        ("Wed, 15 Jul 2026 09:01:00 +0200", None),
        ("2026-07-15T09:01:00Z", None),
    ],
)
def test_retry_after_is_read_after_the_rfc(value: str, wait: timedelta | None) -> None:
    """Seconds, which are rounded up, or a date; the past is no wait, and what is neither says nothing."""
    assert parse_retry_after(value, now=NOW) == wait


VALID = {"max_attempts": 3, "initial_delay_ms": 5_000, "factor": 2.0, "max_delay_ms": 300_000, "max_elapsed_ms": None}


def test_a_policy_may_use_the_whole_range() -> None:
    """The bounds are inclusive."""
    assert not list(
        problems_of(max_attempts=100, initial_delay_ms=0, factor=10, max_delay_ms=86_400_000, max_elapsed_ms=0)
    )
    assert not list(
        problems_of(max_attempts=1, initial_delay_ms=86_400_000, factor=1, max_delay_ms=0, max_elapsed_ms=None)
    )


def test_every_problem_of_a_policy_is_found_at_once() -> None:
    """Each has its member and what would be right."""
    assert list(
        problems_of(max_attempts=0, initial_delay_ms=-1, factor=0.99, max_delay_ms=86_400_001, max_elapsed_ms=-1)
    ) == [
        Problem(("maxAttempts",), "must be from 1 to 100; 1 means no retry"),
        Problem(("initialDelayMs",), "must be from 0 to 86400000 (24 hours)"),
        Problem(("factor",), "must be a number from 1.0 to 10.0"),
        Problem(("maxDelayMs",), "must be from 0 to 86400000 (24 hours)"),
        Problem(("maxElapsedMs",), "must be from 0 to 2592000000 (30 days)"),
    ]


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf, 10.01])
def test_a_factor_is_a_number_in_its_range(factor: float) -> None:
    """Neither infinity nor NaN is accepted."""
    [problem] = problems_of(**VALID | {"factor": factor})  # type: ignore[arg-type]  # whole numbers but for the factor
    assert problem == Problem(("factor",), "must be a number from 1.0 to 10.0")
