"""Triggers of each kind: their instants, their jitter, and their description."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.triggers import validation
from jobs.triggers.schedule import (
    Cron,
    Interval,
    OneOff,
    Trigger,
    count_between,
    describe,
    due_at,
    instants,
    latest_at_or_before,
    next_instant,
)

NOW = datetime(2026, 7, 15, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
DAY_MS = 86_400_000
TASK = UUID("0197d0c4-1f6e-7c7f-8d55-4f3b1a2c9e10")
OTHER_TASK = UUID("0197d0c4-1f6e-7c7f-8d55-4f3b1a2c9e11")


def test_a_one_off_is_due_once() -> None:
    """It has an instant to come until that instant."""
    trigger = OneOff(at=NOW + MINUTE)

    assert next_instant(trigger, NOW) == NOW + MINUTE
    assert next_instant(trigger, NOW + MINUTE) is None
    assert next_instant(trigger, NOW + MINUTE, inclusive=True) == NOW + MINUTE
    assert instants(trigger, NOW, count=5) == [NOW + MINUTE]
    assert count_between(trigger, NOW, NOW + MINUTE) == 0
    assert count_between(trigger, NOW + MINUTE, NOW + 2 * MINUTE) == 1
    assert latest_at_or_before(trigger, NOW + MINUTE, after=NOW) == NOW + MINUTE
    assert latest_at_or_before(trigger, NOW + 2 * MINUTE, after=NOW + MINUTE) is None


def test_accepted_instants_are_in_utc() -> None:
    """An instant with another offset is converted."""
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    at = (NOW + MINUTE).astimezone(kathmandu)

    once, _ = validation.check(OneOff(at=at), now=NOW)
    assert isinstance(once, OneOff)
    assert once.at.tzinfo is UTC
    assert once.at == NOW + MINUTE
    for requested in (
        Interval(every_ms=60_000, start_at=at, end_at=at),
        Cron(expression="* * * * *", start_at=at, end_at=at),
    ):
        accepted, _ = validation.check(requested, now=NOW)
        assert not isinstance(accepted, OneOff)
        for instant in (accepted.start_at, accepted.end_at):
            assert instant is not None
            assert instant.tzinfo is UTC


def test_an_interval_without_a_start_begins_one_interval_from_now() -> None:
    """The accepted trigger has that start; a requested one without a start has no instants."""
    requested = Interval(every_ms=90_000)
    trigger, problems = validation.check(requested, now=NOW)

    assert problems == []
    assert trigger == Interval(every_ms=90_000, start_at=NOW + timedelta(seconds=90))
    with pytest.raises(ValueError, match="without a start has no instants"):
        next_instant(requested, NOW)
    assert instants(trigger, NOW, count=2) == [NOW + timedelta(seconds=90), NOW + timedelta(seconds=180)]


@given(
    every_ms=st.integers(1_000, 40 * 86_400_000),
    offset=st.timedeltas(min_value=-timedelta(days=90), max_value=timedelta(days=90)),
    length=st.none() | st.timedeltas(min_value=timedelta(), max_value=timedelta(days=90)),
    reference=st.timedeltas(min_value=-timedelta(days=200), max_value=timedelta(days=200)),
    steps=st.integers(0, 20),
)
@settings(max_examples=150, deadline=None)
def test_interval_arithmetic_agrees_with_a_list(
    every_ms: int, offset: timedelta, length: timedelta | None, reference: timedelta, steps: int
) -> None:
    """The next instant, the count and the latest instant are those of the list of all instants."""
    start_at = NOW + offset
    end_at = None if length is None else start_at + length
    trigger = Interval(every_ms=every_ms, start_at=start_at, end_at=end_at)
    every = timedelta(milliseconds=every_ms)
    first = NOW + reference
    before = first + steps * every
    number = max(0, (first - start_at) // every - 1)
    around = [start_at + (number + n) * every for n in range(steps + 4)]
    inside = [at for at in around if first <= at < before and (end_at is None or at <= end_at)]
    coming = [at for at in around if at >= first and (end_at is None or at <= end_at)]

    assert next_instant(trigger, first, inclusive=True) == (coming[0] if coming else None)
    assert count_between(trigger, first, before) == len(inside)
    assert latest_at_or_before(trigger, before - TICK, after=first - TICK) == (inside[-1] if inside else None)


@pytest.mark.parametrize(
    "trigger",
    [
        Cron(expression="* * * * *", timezone="Pacific/Kiritimati"),
        Cron(expression="0 0 29 2 *", timezone="America/New_York"),
        Cron(expression="0 0 1 1 *", jitter_ms=365 * DAY_MS),
        Interval(every_ms=36_525 * DAY_MS, start_at=NOW),
    ],
)
def test_nothing_overflows_at_the_ends_of_the_calendar(trigger: Trigger) -> None:
    """Where there are no more instants, the answer is None or 0."""
    begin, end = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert next_instant(trigger, end) is None
    assert next_instant(trigger, begin) is not None
    last = latest_at_or_before(trigger, end, after=end - timedelta(days=60_000))
    assert last is not None
    assert next_instant(trigger, last) is None
    assert last <= due_at(trigger, last, task_id=TASK) <= end
    assert count_between(trigger, last, end) == 1
    assert count_between(trigger, end, begin) == 0
    assert latest_at_or_before(trigger, begin, after=begin) is None


def test_leap_days_skip_the_year_2100() -> None:
    """2100 is not a leap year, 2104 is."""
    years = [at.year for at in instants(Cron(expression="0 0 29 2 *"), datetime(2090, 1, 1, tzinfo=UTC), count=4)]

    assert years == [2092, 2096, 2104, 2108]


@given(
    jitter_ms=st.integers(0, 86_400_000),
    second=st.integers(0, 4_000_000_000),
    task_id=st.uuids(),
)
@settings(max_examples=150, deadline=None)
def test_jitter_delays_by_whole_milliseconds_within_its_bound(jitter_ms: int, second: int, task_id: UUID) -> None:
    """The delay is from 0 to the jitter, and does not depend on the offset of the instant."""
    nominal = datetime.fromtimestamp(second, UTC)
    trigger = Cron(expression="* * * * *", jitter_ms=jitter_ms)

    due = due_at(trigger, nominal, task_id=task_id)

    assert timedelta() <= due - nominal <= trigger.jitter
    assert (due - nominal) % timedelta(milliseconds=1) == timedelta()
    assert due_at(trigger, nominal.astimezone(timezone(timedelta(hours=3))), task_id=task_id) == due


def test_jitter_spreads_tasks_and_instants() -> None:
    """The instants of one task, and several tasks at one instant, have different delays, from 0 to the whole jitter."""
    trigger = Interval(every_ms=60_000, start_at=NOW, jitter_ms=4)
    of_one_task = {due_at(trigger, NOW + n * MINUTE, task_id=TASK) - (NOW + n * MINUTE) for n in range(200)}
    first, second = (
        [due_at(trigger, NOW + n * MINUTE, task_id=task) for n in range(20)] for task in (TASK, OTHER_TASK)
    )

    assert of_one_task == {timedelta(milliseconds=n) for n in range(5)}
    assert first != second


def test_jitter_is_the_same_in_every_release() -> None:
    """Another function would move the due times that are already stored."""
    trigger = Cron(expression="0 9 * * *", jitter_ms=3_600_000)

    assert due_at(trigger, NOW, task_id=TASK) - NOW == timedelta(milliseconds=666_704)
    assert due_at(OneOff(at=NOW), NOW, task_id=TASK) == NOW
    assert due_at(Cron(expression="0 9 * * *"), NOW, task_id=TASK) == NOW


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        (OneOff(at=NOW), "Once, at 2026-07-15T09:00:00Z"),
        (Interval(every_ms=60_000, start_at=NOW), "Every minute from 2026-07-15T09:00:00Z"),
        (Interval(every_ms=90_000, start_at=NOW), "Every 1 minute 30 seconds from 2026-07-15T09:00:00Z"),
        (Interval(every_ms=21 * DAY_MS, start_at=NOW), "Every 21 days from 2026-07-15T09:00:00Z"),
        (
            Interval(every_ms=DAY_MS + 7_201_005, start_at=NOW, end_at=NOW),
            "Every 1 day 2 hours 1 second 5 ms from 2026-07-15T09:00:00Z until 2026-07-15T09:00:00Z",
        ),
        (Cron(expression="* * * * *"), "Every minute"),
        (
            Cron(expression="0 9 * * mon-fri", timezone="Europe/Berlin"),
            "At 09:00, Monday through Friday (Europe/Berlin)",
        ),
        (Cron(expression="@weekly"), "At 00:00, only on Sunday"),
        (Cron(expression="0 0 * * 7"), "At 00:00, only on Sunday"),
        (Cron(expression="*/90 * * * *"), "Every hour"),
        (Cron(expression="*/45 * * * *"), "At 0 and 45 minutes past the hour"),
        (Cron(expression="0 0 1 * mon"), "At 00:00, on day 1 of the month, or on Monday"),
        (Cron(expression="0 0 13 * */5"), "At 00:00, on day 13 of the month, and only on Sunday and Friday"),
        (Cron(expression="0 0 1 * 0-6"), "At 00:00"),
    ],
)
def test_a_trigger_is_described_in_a_sentence(trigger: Trigger, sentence: str) -> None:
    """Expressions that mean the same have the same description."""
    assert describe(trigger) == sentence
