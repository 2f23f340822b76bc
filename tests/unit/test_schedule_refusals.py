"""Triggers that are refused: the field at fault, and the message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger
from jobs.triggers.validation import check

NOW = datetime(2026, 7, 15, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)
CENTURY_MS = 36_525 * 86_400_000
NAIVE = datetime(2026, 8, 1, 9, 0)  # noqa: DTZ001 - what is refused
BEYOND = datetime(9999, 12, 31, 23, 0, tzinfo=timezone(-timedelta(hours=5)))


def problems_of(trigger: Trigger, *, now: datetime = NOW) -> dict[str, str]:
    """Return the message at each path."""
    _, problems = check(trigger, now=now)
    return {".".join(problem.path): problem.message for problem in problems}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "is empty; exactly five"),
        (" \t ", "is empty; exactly five"),
        ("* * * *", "has 4 fields; exactly five"),
        ("a * * * * *", "has 6 fields; exactly five"),
        ("* *\n* * *", "has the character U+000A at position 4; only printable ASCII"),
        ("\u0665 * * * *", "has the character U+0665 at position 1"),
        ("*\u00a0* * * *", "has the character U+00A0 at position 2"),
        ("* * * * *" + " " * 248, "has 257 characters; at most 256"),
        ("60 * * * *", "minute: '60' is out of range; accepted are 0 to 59"),
        ("* 24 * * *", "hour: '24' is out of range; accepted are 0 to 23"),
        ("* * 32 * *", "day of month: '32' is out of range; accepted are 1 to 31"),
        ("* * * 0 *", "month: '0' is out of range; accepted are 1 to 12 or jan, feb"),
        ("* * * * 8", "day of week: '8' is out of range; accepted are 0 to 7 or sun, mon"),
        ("* * * * Monday", "day of week: 'Monday' is not known; write 'mon'"),
        ("60 24 * * *", "minute: '60' is out of range; accepted are 0 to 59; hour: '24' is out of range"),
        ("* 22-4 * * *", "hour: the range '22-4' runs backwards; write '22-23,0-4'"),
        ("* * * nov-feb *", "month: the range 'nov-feb' runs backwards; write '11-12,1-2'"),
        ("* * * * fri-sun", "day of week: the range 'fri-sun' runs backwards; write '5-7'"),
        ("* * * * fri-mon", "day of week: the range 'fri-mon' runs backwards; write '5-6,0-1'"),
        ("50-10/5 * * * *", "minute: the range '50-10/5' runs backwards; write '50-59/5,0-10/5'"),
        ("50-10/7 * * * *", "minute: the range '50-10/7' runs backwards; write '50-59/7,4'"),
        ("* 23-1/2 * * *", "hour: the range '23-1/2' runs backwards; write '23,1'"),
        ("*/0 * * * *", "minute: the step in '*/0' must be at least 1"),
        ("1, * * * *", "minute: a comma needs a value on both sides"),
        ("*-5 * * * *", "minute: '*-5' cannot be read; write *, a value or a range"),
        ("* * L-3 * *", "day of month: 'L' uses L, which stands by itself as day of month"),
        ("* * 15W * *", "day of month: '15W' uses W, which cron does not know"),
        ("* * * * fri#9", "day of week: the number after # in 'fri#9' must be from 1 to 5"),
        ("? * * * *", "minute: '?' uses ?, which is only accepted as a whole day field; write *"),
        ("H * * * *", "minute: 'H' uses H,"),
        ("R * * * *", "minute: 'R' uses R,"),
        ("1~9 * * * *", "minute: '1~9' uses ~,"),
        ("@every 5m", "is an interval; use an interval trigger with everyMs: 300000"),
        ("@often", "'@often' is not a macro; the macros are @yearly,"),
        ("@DAILY", "is '@DAILY'; write '@daily'"),
        ("TZ=Europe/Berlin 0 9 * * *", "names a time zone; write '0 9 * * *' and give 'Europe/Berlin' as timezone"),
        ("CRON_TZ=UTC @daily", "names a time zone; write '@daily' and give 'UTC' as timezone"),
        ("0 0 30 2 *", "never fires: no date has"),
        ("0 0 31 2,4 *", "never fires: no date has"),
        ("0 0 31 4-6/2 */2", "never fires: no date has"),
        ("9" * 256, "has 1 field; exactly five"),
    ],
)
def test_an_expression_is_refused_with_its_reason(expression: str, reason: str) -> None:
    """The message says what is wrong and what to write instead."""
    assert problems_of(Cron(expression=expression))["cron.expression"].startswith(reason)


def test_an_expression_that_only_matches_in_gaps_never_fires() -> None:
    """On the last Sunday of March, Berlin's clock skips the hour from 02:00 to 03:00."""
    problems = problems_of(Cron(expression="*/10 2 25-31 3 */7", timezone="Europe/Berlin"))

    assert problems == {"cron.expression": "has no instant left before the year 10000"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Europe/Berln", "'Europe/Berln' is not a time zone; did you mean Europe/Berlin?"),
        ("europe/berlin", "'europe/berlin' is not a time zone; did you mean Europe/Berlin?"),
        ("", "'' is not a time zone; give an IANA name such as Europe/Berlin or UTC"),
        ("../../etc/passwd", "'../../etc/passwd' is not a time zone; give an IANA name such as Europe/Berlin or UTC"),
        (
            "+02:00",
            "'+02:00' is not a time zone; write Etc/GMT-2, whose sign is the other way round: it is 2 hours ahead",
        ),
        ("UTC+2", "'UTC+2' is not a time zone; write Etc/GMT-2, whose sign is the other way round"),
        (
            "GMT-5",
            "'GMT-5' is not a time zone; write Etc/GMT+5, whose sign is the other way round: it is 5 hours behind",
        ),
        ("+05:30", "'+05:30' is not a time zone; give an IANA name such as Europe/Berlin or UTC in place of an offset"),
        ("UTC+0", "'UTC+0' is not a time zone; write UTC"),
        ("PST", "'PST' is not a time zone; an abbreviation does not say when the clocks change; give an IANA name"),
        (
            "Pacific Standard Time",
            "'Pacific Standard Time' is not a time zone; it is the name in Windows; write America/Los_Angeles",
        ),
        ("Factory", "'Factory' is not a time zone; give an IANA name"),
        ("x" * 100_000, f"'{'x' * 40}...' is not a time zone; give an IANA name"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_suggestion(name: str, reason: str) -> None:
    """The message suggests the closest name when there is a close one."""
    assert problems_of(Cron(expression="@daily", timezone=name))["cron.timezone"].startswith(reason)


def test_all_problems_are_reported_together() -> None:
    """A trigger that is wrong in every field gets a message for each."""
    problems = problems_of(
        Cron(expression="61 * * * *", timezone="Mars", start_at=NAIVE, end_at=NOW - DAY, jitter_ms=-1)
    )

    assert problems == {
        "cron.expression": "minute: '61' is out of range; accepted are 0 to 59",
        "cron.timezone": "'Mars' is not a time zone; give an IANA name such as Europe/Berlin or UTC",
        "cron.startAt": "must carry its offset from UTC, as in 2026-01-15T09:00:00Z or 2026-01-15T10:00:00+01:00",
        "cron.endAt": "must be in the future; now is 2026-07-15T09:00:00Z",
        "cron.jitterMs": "must be 0 or more: jitter only delays",
    }


def test_problems_between_fields_are_reported_together() -> None:
    """This includes problems of one field that depend on another."""
    problems = problems_of(Cron(expression="@daily", end_at=NOW + timedelta(hours=1), jitter_ms=2 * DAY // MS))

    assert problems == {
        "cron.endAt": "must not be before the first instant, which is 2026-07-16T00:00:00Z",
        "cron.jitterMs": "must be at most 86400000, the shortest time between two instants",
    }


@pytest.mark.parametrize("at", [NOW, NOW - MS, NOW - DAY, datetime(1, 1, 1, tzinfo=UTC)])
def test_a_one_off_must_lie_in_the_future(at: datetime) -> None:
    """The present instant is too late."""
    assert problems_of(OneOff(at=at)) == {"oneOff.at": "must be in the future; now is 2026-07-15T09:00:00Z"}


def test_a_one_off_must_have_an_offset_and_a_year_up_to_9999() -> None:
    """A naive time is ambiguous, and an instant in the year 10000 in UTC cannot be stored."""
    assert problems_of(OneOff(at=NAIVE))["oneOff.at"].startswith("must carry its offset from UTC")
    assert problems_of(OneOff(at=BEYOND)) == {"oneOff.at": "must lie between the years 1 and 9999 in UTC"}


@pytest.mark.parametrize(
    ("trigger", "kind", "first"),
    [
        (Cron(expression="@yearly"), "cron", "2027-01-01T00:00:00Z"),
        (Interval(every_ms=300 * 86_400_000), "interval", "2027-05-11T09:00:00Z"),
    ],
)
def test_a_window_without_an_instant_is_refused(trigger: Cron | Interval, kind: str, first: str) -> None:
    """The end must be in the future, not before the start, and not before the first instant."""
    past = problems_of(replace(trigger, end_at=NOW))
    reversed_ = problems_of(replace(trigger, start_at=NOW + 2 * DAY, end_at=NOW + DAY))
    early = problems_of(replace(trigger, end_at=NOW + DAY))
    naive = problems_of(replace(trigger, end_at=NAIVE))
    beyond = problems_of(replace(trigger, start_at=BEYOND))

    assert past == {f"{kind}.endAt": "must be in the future; now is 2026-07-15T09:00:00Z"}
    assert reversed_ == {f"{kind}.endAt": "must not be before startAt, which is 2026-07-17T09:00:00Z"}
    assert early == {f"{kind}.endAt": f"must not be before the first instant, which is {first}"}
    assert naive[f"{kind}.endAt"].startswith("must carry its offset")
    assert beyond == {f"{kind}.startAt": "must lie between the years 1 and 9999 in UTC"}


@pytest.mark.parametrize("every_ms", [0, -86_400_000, 999, 36_525 * 86_400_000 + 1, 2**63])
def test_an_interval_must_be_from_a_second_to_a_century(every_ms: int) -> None:
    """Added to an instant of our time, a longer one could leave the calendar."""
    assert problems_of(Interval(every_ms=every_ms)) == {
        "interval.everyMs": "must be from 1000 to 3155760000000 (one second to 100 years)"
    }


def test_an_interval_that_leaves_the_calendar_is_refused() -> None:
    """Near the end of the calendar, the first instant may lie beyond it."""
    late = datetime(9990, 1, 1, tzinfo=UTC)

    assert problems_of(Interval(every_ms=CENTURY_MS), now=late) == {
        "interval.everyMs": "must be shorter: the first instant, now + everyMs, lies beyond the year 9999"
    }
    assert problems_of(Interval(every_ms=CENTURY_MS, start_at=NOW), now=late) == {
        "interval.everyMs": "has no instant left before the year 10000"
    }
    assert problems_of(Cron(expression="0 0 29 2 *"), now=datetime(9997, 1, 1, tzinfo=UTC)) == {
        "cron.expression": "has no instant left before the year 10000"
    }


def test_jitter_is_at_most_the_gap_of_an_interval() -> None:
    """With a longer jitter, a call could start after that of the next instant."""
    assert problems_of(Interval(every_ms=300_000, jitter_ms=300_000)) == {}
    assert problems_of(Interval(every_ms=300_000, jitter_ms=300_001)) == {
        "interval.jitterMs": "must be at most everyMs, which is 300000"
    }
    assert "interval.jitterMs" in problems_of(Interval(every_ms=86_400_000, jitter_ms=-1))


@pytest.mark.parametrize(
    ("expression", "zone", "gap"),
    [
        ("* * * * *", "UTC", timedelta(minutes=1)),
        ("*/5 * * * *", "Europe/Berlin", timedelta(minutes=5)),
        ("*/7 * * * *", "UTC", timedelta(minutes=4)),
        ("0,50 * * * *", "UTC", timedelta(minutes=10)),
        ("0 9 * * *", "UTC", DAY),
        ("10 23,0 * * *", "UTC", timedelta(hours=1)),
        ("0 9 * * mon,thu", "UTC", 3 * DAY),
        ("0 0 1 * *", "UTC", 28 * DAY),
        ("0 0 29 2 *", "UTC", 1_461 * DAY),
        ("0 0 29 2 */7", "UTC", 28 * 1_461 / 4 * DAY),
        # In spring one day has 23 hours, and on it 02:30 is skipped: the task fires at 03:00.
        ("0 9 * * *", "Europe/Berlin", timedelta(hours=23)),
        ("30 2 * * *", "Europe/Berlin", timedelta(hours=23, minutes=30)),
        ("30 2,3 * * *", "Europe/Berlin", timedelta(minutes=30)),
        # In autumn, Lord Howe's clock shows 01:30 twice, half an hour apart.
        ("30 * * * *", "Australia/Lord_Howe", timedelta(minutes=30)),
        # The transition falls on 29 March only in some years; the next is 2037.
        ("30 2,3 29 3 *", "Europe/Berlin", timedelta(minutes=30)),
    ],
)
def test_jitter_is_at_most_the_shortest_gap_of_a_cron(expression: str, zone: str, gap: timedelta) -> None:
    """Transitions of the zone's clock shorten the gap."""
    trigger = Cron(expression=expression, timezone=zone, jitter_ms=gap // MS)

    assert problems_of(trigger) == {}
    assert problems_of(replace(trigger, jitter_ms=gap // MS + 1)) == {
        "cron.jitterMs": f"must be at most {gap // MS}, the shortest time between two instants"
    }
