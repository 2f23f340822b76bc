"""When a task is due: the instants of its trigger.

A trigger is one-off, cron or interval. Its instants are nominal: jitter delays the call (`due_at`) but moves no
instant, and the next instant follows the nominal one. `start_at` and `end_at` are inclusive. All instants are aware
and in UTC; only cron triggers have time zones, which `timezones` maps.

The same values hold a requested trigger, until `validation` has checked it, and a task's own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from jobs.datetimes import FIRST_INSTANT, LAST_INSTANT, MILLISECOND, UNIX_EPOCH
from jobs.triggers import timezones
from jobs.triggers.cron import InvalidExpression, parse
from jobs.triggers.description import describe as describe_expression

FIRST_SECOND = (FIRST_INSTANT - UNIX_EPOCH) // timedelta(seconds=1)
LAST_SECOND = (LAST_INSTANT - UNIX_EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOff:
    """Due once."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Due whenever the zone's wall clock matches the expression, from `start_at` to `end_at`."""

    expression: str
    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_ms: int = 0

    @property
    def jitter(self) -> timedelta:
        """The longest delay of a call."""
        return self.jitter_ms * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Due at `start_at` and every `every_ms` after it, up to `end_at`.

    A requested interval without a start gets one when it is checked.
    """

    every_ms: int
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_ms: int = 0

    @property
    def every(self) -> timedelta:
        """The time from one instant to the next."""
        return self.every_ms * MILLISECOND

    @property
    def jitter(self) -> timedelta:
        """The longest delay of a call."""
        return self.jitter_ms * MILLISECOND

    @property
    def first_instant(self) -> datetime:
        """The first instant. Raises `ValueError` when the interval has no start yet."""
        if self.start_at is None:
            raise ValueError("An interval without a start has no instants")
        return self.start_at


Trigger = OneOff | Cron | Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """A requested one-off that is due a while after the moment when it is stored.

    It is acceptable with a delay and without an instant.
    """

    delay_ms: int | None = None
    at: datetime | None = None


Requested = Trigger | Delayed


def next_instant(trigger: Trigger, after: datetime, *, inclusive: bool = False) -> datetime | None:
    """Return the first instant after `after` (or at it, when `inclusive`); None when there is no further one."""
    match trigger:
        case OneOff(at=at):
            return at if at > after or (inclusive and at == after) else None
        case Interval(every=every, first_instant=start_at):
            return _nth(
                trigger, max(0, -((start_at - after) // every) if inclusive else (after - start_at) // every + 1)
            )
        case Cron():
            first, last = _window(trigger)
            first = max(first, _second_from(after, inclusive=inclusive))
            found = timezones.first_at_or_after(parse(trigger.expression), trigger.timezone, first, last=last)
            return None if found is None else UNIX_EPOCH + timedelta(seconds=found)


def instants(trigger: Trigger, after: datetime, *, count: int) -> list[datetime]:
    """Return the next `count` instants after `after`; fewer when there are no more."""
    found: list[datetime] = []
    instant = after
    while len(found) < count and (following := next_instant(trigger, instant)) is not None:
        instant = following
        found.append(instant)
    return found


def count_between(trigger: Trigger, first: datetime, before: datetime) -> int:
    """Return the exact number of instants in [first, before)."""
    match trigger:
        case OneOff(at=at):
            return int(first <= at < before)
        case Interval(every=every, first_instant=start_at, end_at=end_at):
            begin = max(0, -((start_at - first) // every))
            end = -((start_at - before) // every)
            if end_at is not None:
                end = min(end, (end_at - start_at) // every + 1)
            return max(0, end - begin)
        case Cron():
            opens, closes = _window(trigger)
            begin = max(opens, _second_from(first, inclusive=True))
            end = min(closes + 1, _second_from(before, inclusive=True))
            return timezones.count(parse(trigger.expression), trigger.timezone, begin, end) if begin < end else 0


def latest_at_or_before(trigger: Trigger, moment: datetime, *, after: datetime) -> datetime | None:
    """Return the last instant in (after, moment]; None when there is none."""
    match trigger:
        case OneOff(at=at):
            return at if after < at <= moment else None
        case Interval(every=every, first_instant=start_at, end_at=end_at):
            number = ((moment if end_at is None else min(moment, end_at)) - start_at) // every
            found = _nth(trigger, number) if number >= 0 else None
            return found if found is not None and found > after else None
        case Cron():
            opens, closes = _window(trigger)
            first = max(opens, _second_from(after, inclusive=False))
            last = min(closes, _second_from(moment, inclusive=False) - 1)
            if first > last:
                return None
            second = timezones.last_at_or_before(parse(trigger.expression), trigger.timezone, last, first=first)
            return None if second is None else UNIX_EPOCH + timedelta(seconds=second)


def due_at(trigger: Trigger, nominal: datetime, *, task_id: UUID) -> datetime:
    """Return the instant delayed by its jitter, a whole number of milliseconds from 0 to the trigger's `jitter_ms`.

    The delay is derived from the task and the instant, so it is the same on every host and after every restart.
    """
    if isinstance(trigger, OneOff) or trigger.jitter_ms == 0:
        return nominal
    microsecond = (nominal - UNIX_EPOCH) // timedelta(microseconds=1)
    digest = sha256(task_id.bytes + microsecond.to_bytes(8, "big", signed=True)).digest()
    delay = int.from_bytes(digest[:8], "big") % (trigger.jitter_ms + 1) * MILLISECOND
    return nominal + min(delay, LAST_INSTANT - nominal)


def shortest_gap(trigger: Cron, now: datetime) -> timedelta | None:
    """Return the shortest time between two instants from `now` on; None when there are never two."""
    first = _second_from(now, inclusive=True)
    seconds = timezones.shortest_gap(parse(trigger.expression), trigger.timezone, first)
    return None if seconds is None else timedelta(seconds=seconds)


def describe(trigger: Trigger) -> str:
    """Return the trigger in one English sentence."""
    match trigger:
        case OneOff(at=at):
            return f"Once, at {utc_text(at)}"
        case Interval(every=every, first_instant=start_at, end_at=end_at):
            until = "" if end_at is None else f" until {utc_text(end_at)}"
            return f"Every {_spoken(every)} from {utc_text(start_at)}{until}"
        case Cron(expression=expression, timezone=timezone):
            try:
                sentence = describe_expression(expression)
            except InvalidExpression as error:
                # A cancelled task that was imported from the old service can have such an expression.
                return f"Never: the expression {error}"
            return sentence if timezone == "UTC" else f"{sentence} ({timezone})"


def _nth(trigger: Interval, number: int) -> datetime | None:
    try:
        instant = trigger.first_instant + number * trigger.every
    except OverflowError:
        return None
    return instant if trigger.end_at is None or instant <= trigger.end_at else None


def _window(trigger: Cron) -> tuple[int, int]:
    """Return the first and the last second that the trigger allows."""
    return (
        FIRST_SECOND if trigger.start_at is None else _second_from(trigger.start_at, inclusive=True),
        LAST_SECOND if trigger.end_at is None else _second_from(trigger.end_at, inclusive=False) - 1,
    )


def _second_from(instant: datetime, *, inclusive: bool) -> int:
    """Return the first whole second after the instant, or at it when `inclusive`."""
    passed = instant - UNIX_EPOCH
    second = passed.days * 86_400 + passed.seconds
    return second if inclusive and not passed.microseconds else second + 1


def utc_text(instant: datetime) -> str:
    """Return the instant as RFC 3339 has it, with Z for UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _spoken(duration: timedelta) -> str:
    """Return a duration as it reads after "every": "minute", "90 days", "1 minute 30 seconds"."""
    rest = duration // MILLISECOND
    words: list[str] = []
    for unit, length in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("ms", 1)):
        amount, rest = divmod(rest, length)
        if amount:
            words.append(f"{amount} {unit}{'s' if amount > 1 and unit != 'ms' else ''}")
    return words[0].removeprefix("1 ") if len(words) == 1 else " ".join(words)
