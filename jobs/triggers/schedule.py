"""When a task is due: its trigger's instants, as pure arithmetic that is told the present.

A trigger is one-off, cron or interval. Its instants are nominal: jitter delays the call (`due_at`) but moves no
instant, and the next one follows the nominal one. `startAt` and `endAt` are inclusive. Everything here is UTC and
aware; zones appear in cron triggers alone, and how they map stands in `wall_clock`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from jobs.triggers import timezones
from jobs.triggers.cron import InvalidExpression, parse
from jobs.triggers.cron import describe as describe_expression
from jobs.triggers.timezones import UnknownZone

MIN_EVERY = timedelta(seconds=1)
MAX_EVERY = timedelta(days=36_525)
"""100 years: far beyond use, and near enough that no sum of it with an instant of our time leaves the calendar."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
FIRST_SECOND = (LONG_AGO - EPOCH) // timedelta(seconds=1)
LAST_SECOND = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)


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
    jitter: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Due at `start_at` and every `every` after it, up to `end_at`."""

    every: timedelta
    start_at: datetime
    end_at: datetime | None = None
    jitter: timedelta = timedelta()


Trigger = OneOff | Cron | Interval
Problem = tuple[tuple[str, ...], str]


class InvalidTrigger(ValueError):
    """The trigger cannot be accepted.

    `problems` has one entry for each field at fault: its path, in the names of the contract's TriggerInput, and a
    message that says what is wrong and what would be right.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(path)}: {message}" for path, message in problems))
        self.problems = problems


def next_instant(trigger: Trigger, after: datetime, *, inclusive: bool = False) -> datetime | None:
    """The first instant after `after` (or at it, when `inclusive`); None when there is none any more."""
    match trigger:
        case OneOff(at=at):
            return at if at > after or (inclusive and at == after) else None
        case Interval(every=every, start_at=start_at):
            return _nth(
                trigger, max(0, -((start_at - after) // every) if inclusive else (after - start_at) // every + 1)
            )
        case Cron():
            first, last = _window(trigger)
            first = max(first, _second_from(after, inclusive=inclusive))
            found = timezones.first_at_or_after(parse(trigger.expression), trigger.timezone, first, last=last)
            return None if found is None else EPOCH + timedelta(seconds=found)


def instants(trigger: Trigger, after: datetime, *, count: int) -> list[datetime]:
    """The next `count` instants after `after`; fewer when there are no more."""
    found: list[datetime] = []
    instant = next_instant(trigger, after)
    while instant is not None and len(found) < count:
        found.append(instant)
        instant = next_instant(trigger, instant)
    return found


def count_between(trigger: Trigger, first: datetime, before: datetime) -> int:
    """How many instants lie in [first, before), exactly."""
    match trigger:
        case OneOff(at=at):
            return int(first <= at < before)
        case Interval(every=every, start_at=start_at, end_at=end_at):
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
    """The last instant in (after, moment]; None when there is none."""
    match trigger:
        case OneOff(at=at):
            return at if after < at <= moment else None
        case Interval(every=every, start_at=start_at, end_at=end_at):
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
            return None if second is None else EPOCH + timedelta(seconds=second)


def due_at(trigger: Trigger, nominal: datetime, *, task_id: UUID) -> datetime:
    """The instant with its jitter: from 0 to the trigger's whole jitter later, in whole milliseconds.

    The delay is drawn from the task and the instant, so that it is the same on every host and after every restart.
    """
    if isinstance(trigger, OneOff) or trigger.jitter < MILLISECOND:
        return nominal
    microsecond = (nominal - EPOCH) // timedelta(microseconds=1)
    digest = sha256(task_id.bytes + microsecond.to_bytes(8, "big", signed=True)).digest()
    delay = int.from_bytes(digest[:8], "big") % (trigger.jitter // MILLISECOND + 1) * MILLISECOND
    return nominal + min(delay, datetime.max.replace(tzinfo=UTC) - nominal)


def describe(trigger: Trigger) -> str:
    """The trigger in one sentence, for people."""
    match trigger:
        case OneOff(at=at):
            return f"Once, at {_shown(at)}"
        case Interval(every=every, start_at=start_at, end_at=end_at):
            until = "" if end_at is None else f" until {_shown(end_at)}"
            return f"Every {_spoken(every)} from {_shown(start_at)}{until}"
        case Cron(expression=expression, timezone=timezone):
            try:
                sentence = describe_expression(expression)
            except InvalidExpression as problem:
                # Of a task that was carried over from elsewhere: it is never due.
                return f"Never: the expression {problem}"
            return sentence if timezone == "UTC" else f"{sentence} ({timezone})"


def one_off(at: datetime, *, now: datetime) -> OneOff:
    """A one-off trigger, checked for creation at `now`. Raises InvalidTrigger."""
    problems: dict[str, str] = {}
    instant = _utc(at, "at", problems)
    if instant is not None and instant <= now:
        problems["at"] = f"must be in the future; now is {_shown(now)}"
    _settle("oneOff", problems)
    return OneOff(at=at.astimezone(UTC))


def cron(
    expression: str,
    *,
    timezone: str = "UTC",
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    jitter: timedelta = timedelta(),
    now: datetime,
) -> Cron:
    """A cron trigger, checked for creation at `now`. Raises InvalidTrigger."""
    problems: dict[str, str] = {}
    try:
        if parse(expression).first_at_or_after(0) is None:
            problems["expression"] = "never fires: no date has this day, month and weekday (such as 30 February)"
    except InvalidExpression as problem:
        problems["expression"] = str(problem)
    try:
        timezones.zone(timezone)
    except UnknownZone as problem:
        problems["timezone"] = str(problem)
    start_at, end_at = _checked_window(start_at, end_at, now=now, problems=problems)
    _check_jitter(jitter, problems)
    _settle("cron", problems)
    trigger = Cron(expression=expression, timezone=timezone, start_at=start_at, end_at=end_at, jitter=jitter)
    _check_fires(trigger, now=now, problems=problems, blame="expression")
    if "expression" not in problems and jitter > timedelta(minutes=1):  # no two instants are closer than that
        seconds = timezones.shortest_gap(parse(expression), timezone, _second_from(now, inclusive=True))
        if seconds is not None and jitter > timedelta(seconds=seconds):
            problems["jitterMs"] = f"must be at most {seconds * 1_000}, the shortest time between two instants"
    _settle("cron", problems)
    return trigger


def interval(
    every: timedelta,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    jitter: timedelta = timedelta(),
    now: datetime,
) -> Interval:
    """An interval trigger, checked for creation at `now`; it starts at now + every if not told when.

    Raises InvalidTrigger.
    """
    problems: dict[str, str] = {}
    if not MIN_EVERY <= every <= MAX_EVERY:
        least, most = MIN_EVERY // MILLISECOND, MAX_EVERY // MILLISECOND
        problems["everyMs"] = f"must be from {least} to {most} (one second to 100 years)"
    start_at, end_at = _checked_window(start_at, end_at, now=now, problems=problems)
    _check_jitter(jitter, problems)
    if "everyMs" not in problems and jitter > every:
        problems["jitterMs"] = f"must be at most everyMs, which is {every // MILLISECOND}"
    _settle("interval", problems)
    try:
        trigger = Interval(every=every, start_at=start_at or now + every, end_at=end_at, jitter=jitter)
    except OverflowError:
        problems["everyMs"] = "must be shorter: the first instant, now + everyMs, lies beyond the year 9999"
        raise _refusal("interval", problems) from None
    _check_fires(trigger, now=now, problems=problems, blame="everyMs")
    _settle("interval", problems)
    return trigger


def _utc(instant: datetime, field: str, problems: dict[str, str]) -> datetime | None:
    if instant.utcoffset() is None:
        problems[field] = "must carry its offset from UTC, as in 2026-01-15T09:00:00Z or 2026-01-15T10:00:00+01:00"
        return None
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        problems[field] = "must lie between the years 1 and 9999 in UTC"
        return None


def _checked_window(
    start_at: datetime | None, end_at: datetime | None, *, now: datetime, problems: dict[str, str]
) -> tuple[datetime | None, datetime | None]:
    start = None if start_at is None else _utc(start_at, "startAt", problems)
    end = None if end_at is None else _utc(end_at, "endAt", problems)
    if end is not None and end <= now:
        problems["endAt"] = f"must be in the future; now is {_shown(now)}"
    elif end is not None and start is not None and end < start:
        problems["endAt"] = f"must not be before startAt, which is {_shown(start)}"
    return start, end


def _check_jitter(jitter: timedelta, problems: dict[str, str]) -> None:
    if jitter < timedelta():
        problems["jitterMs"] = "must be 0 or more: jitter only delays"


def _check_fires(trigger: Cron | Interval, *, now: datetime, problems: dict[str, str], blame: str) -> None:
    if next_instant(trigger, now) is not None:
        return
    first = None if trigger.end_at is None else next_instant(replace(trigger, end_at=None), now)
    if first is None:
        problems[blame] = "has no instant left before the year 10000"
    else:
        problems["endAt"] = f"must not be before the first instant, which is {_shown(first)}"


def _refusal(kind: str, problems: dict[str, str]) -> InvalidTrigger:
    return InvalidTrigger([((kind, field), message) for field, message in problems.items()])


def _settle(kind: str, problems: dict[str, str]) -> None:
    if problems:
        raise _refusal(kind, problems)


def _nth(trigger: Interval, number: int) -> datetime | None:
    try:
        instant = trigger.start_at + number * trigger.every
    except OverflowError:
        return None
    return instant if trigger.end_at is None or instant <= trigger.end_at else None


def _window(trigger: Cron) -> tuple[int, int]:
    """The first and the last second that the trigger allows."""
    return (
        FIRST_SECOND if trigger.start_at is None else _second_from(trigger.start_at, inclusive=True),
        LAST_SECOND if trigger.end_at is None else _second_from(trigger.end_at, inclusive=False) - 1,
    )


def _second_from(instant: datetime, *, inclusive: bool) -> int:
    """The first whole second after the instant, or at it when `inclusive`."""
    passed = instant - EPOCH
    second = passed.days * 86_400 + passed.seconds
    return second if inclusive and not passed.microseconds else second + 1


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _spoken(duration: timedelta) -> str:
    """A duration as one says it after "every": without what is zero, and a single unit without its number."""
    rest = duration // MILLISECOND
    words: list[str] = []
    for unit, length in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("ms", 1)):
        amount, rest = divmod(rest, length)
        if amount:
            words.append(f"{amount} {unit}{'s' if amount > 1 and unit != 'ms' else ''}")
    return words[0].removeprefix("1 ") if len(words) == 1 else " ".join(words)
