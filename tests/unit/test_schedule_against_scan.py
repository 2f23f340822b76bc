"""Cron triggers against a scan of every minute, around the transitions of zones with unusual clocks."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.triggers.schedule import Cron, count_between, instants, latest_at_or_before, next_instant
from tests.support.cron_oracle import firings

SECOND = timedelta(seconds=1)
WINDOW = timedelta(days=2)

# Near a transition of each zone, in UTC; for zones without transitions, any time.
TRANSITIONS = {
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30", "2031-04-05T15:00"],
    "Pacific/Apia": ["2011-12-30T10:00", "2020-04-04T14:00", "2020-09-26T14:00"],
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00", "2096-03-25T01:00", "2203-10-30T01:00"],
    "America/New_York": ["2007-03-11T07:00", "2026-11-01T06:00", "2404-03-14T07:00"],
    "America/Sao_Paulo": ["2018-02-18T02:00", "2018-11-04T03:00"],
    "Asia/Kathmandu": ["1985-12-31T18:30", "2026-03-01T00:00"],
    "America/St_Johns": ["2010-03-14T03:31", "2010-11-07T02:31", "2026-03-08T05:30"],
    "UTC": ["2027-12-31T23:59", "2100-02-28T23:00"],
}
NEAR_A_TRANSITION = st.sampled_from(
    [(name, f"{at}:00+00:00") for name, changes in TRANSITIONS.items() for at in changes]
)
OFFSETS = st.timedeltas(min_value=timedelta(hours=-30), max_value=timedelta(hours=3))


def fields(low: int, high: int, *, favoured: tuple[int, ...]) -> st.SearchStrategy[str]:
    """Draw a field of any shape, more often with values that matter around transitions than with others."""
    value = st.one_of(st.sampled_from(favoured), st.integers(low, high))
    span = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(st.one_of(value.map(str), span, st.just("*")), st.integers(1, high)).map(
        lambda pair: f"{pair[0]}/{pair[1]}"
    )
    item = st.one_of(value.map(str), span, stepped, st.just("*"))
    return st.one_of(st.just("*"), value.map(str), st.lists(item, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(
    fields(0, 59, favoured=(0, 1, 29, 30, 31, 59)),
    fields(0, 23, favoured=(0, 1, 2, 3, 23)),
    st.one_of(st.just("*"), fields(1, 31, favoured=(1, 14, 29, 30, 31))),
    st.one_of(st.just("*"), fields(1, 12, favoured=(3, 4, 10, 12))),
    st.one_of(st.just("*"), fields(0, 7, favoured=(0, 6, 7))),
).map(" ".join)


@given(expression=EXPRESSIONS, place=NEAR_A_TRANSITION, offset=OFFSETS)
@example(expression="30 0 * * *", place=("America/St_Johns", "2010-03-14T03:31:00+00:00"), offset=timedelta())
@example(expression="15 10 30,31 * *", place=("Pacific/Apia", "2011-12-30T10:00:00+00:00"), offset=-timedelta(days=1))
@example(expression="*/7 * * * *", place=("Pacific/Apia", "2011-12-30T10:00:00+00:00"), offset=-timedelta(days=1))
@settings(max_examples=120, deadline=None)
def test_instants_are_those_of_a_scan(expression: str, place: tuple[str, str], offset: timedelta) -> None:
    """Steps forwards, steps backwards and counts give the minutes that a scan of the clock finds."""
    zone_name, change = place
    first = datetime.fromisoformat(change) + offset
    before = first + WINDOW
    expected = firings(expression, zone_name, _whole_minute(first), before)
    trigger = Cron(expression=expression, timezone=zone_name)

    assert _forwards(trigger, first, before) == expected
    assert _backwards(trigger, first, before) == expected
    assert count_between(trigger, first, before) == len(expected)


@given(
    expression=EXPRESSIONS,
    place=NEAR_A_TRANSITION,
    offset=OFFSETS,
    days=st.integers(1, 800),
)
@settings(max_examples=60, deadline=None)
def test_counts_and_the_latest_agree_with_iteration(
    expression: str, place: tuple[str, str], offset: timedelta, days: int
) -> None:
    """The count and the latest instant are those of the list of instants."""
    trigger = Cron(expression=expression, timezone=place[0])
    first = datetime.fromisoformat(place[1]) + offset
    listed = instants(trigger, first - SECOND, count=300)
    before = (
        min(first + timedelta(days=days), listed[-1] + SECOND) if len(listed) == 300 else first + timedelta(days=days)
    )
    inside = [instant for instant in listed if first <= instant < before]

    assert count_between(trigger, first, before) == len(inside)
    latest = latest_at_or_before(trigger, before - timedelta.resolution, after=first - timedelta.resolution)
    assert latest == (inside[-1] if inside else None)


@given(expression=EXPRESSIONS, place=NEAR_A_TRANSITION, offset=OFFSETS, length=st.integers(0, 3_000))
@settings(max_examples=60, deadline=None)
def test_start_and_end_are_inclusive(expression: str, place: tuple[str, str], offset: timedelta, length: int) -> None:
    """A trigger with a start and an end has exactly the instants from the start to the end, inclusive."""
    start_at = datetime.fromisoformat(place[1]) + offset
    end_at = start_at + timedelta(minutes=length)
    endless = Cron(expression=expression, timezone=place[0])
    bounded = Cron(expression=expression, timezone=place[0], start_at=start_at, end_at=end_at)
    expected = _forwards(endless, start_at, end_at + timedelta(microseconds=1))
    long_before, long_after = start_at - timedelta(days=400), end_at + timedelta(days=400)

    assert _forwards(bounded, long_before, long_after) == expected
    assert count_between(bounded, long_before, long_after) == len(expected)
    assert latest_at_or_before(bounded, long_after, after=long_before) == (expected[-1] if expected else None)


def test_the_reference_instant_counts_only_when_inclusive() -> None:
    """The next instant is strictly after the reference; with `inclusive` it may be the reference itself."""
    trigger = Cron(expression="*/15 * * * *")
    at = datetime(2026, 5, 1, 4, 30, tzinfo=UTC)

    assert next_instant(trigger, at) == at + timedelta(minutes=15)
    assert next_instant(trigger, at, inclusive=True) == at
    assert next_instant(trigger, at + timedelta(microseconds=1), inclusive=True) == at + timedelta(minutes=15)
    assert next_instant(trigger, at - timedelta(microseconds=1)) == at


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)


def _forwards(trigger: Cron, first: datetime, before: datetime) -> list[datetime]:
    found: list[datetime] = []
    instant = next_instant(trigger, first, inclusive=True)
    while instant is not None and instant < before:
        found.append(instant)
        instant = next_instant(trigger, instant)
    return found


def _backwards(trigger: Cron, first: datetime, before: datetime) -> list[datetime]:
    tick = timedelta(microseconds=1)
    found: list[datetime] = []
    instant = latest_at_or_before(trigger, before - tick, after=first - tick)
    while instant is not None:
        found.append(instant)
        instant = latest_at_or_before(trigger, instant - tick, after=first - tick)
    return found[::-1]
