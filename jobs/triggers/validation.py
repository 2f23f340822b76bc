"""Checks a requested trigger before a task gets it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from jobs.datetimes import INSTANT, MILLISECOND
from jobs.problems import Problem
from jobs.triggers import timezones
from jobs.triggers.advice import advice_for
from jobs.triggers.cron import InvalidExpression, normalized, parse
from jobs.triggers.schedule import (
    Cron,
    Delayed,
    Interval,
    OneOff,
    Requested,
    Trigger,
    next_instant,
    shortest_gap,
    utc_text,
)
from jobs.triggers.zone_names import UnknownZone

MIN_EVERY_MS = 1_000
MAX_EVERY_MS = timedelta(days=36_525) // MILLISECOND
"""100 years. Adding it to an instant of our time stays within the calendar."""

Messages = dict[str, str]
"""What is wrong with each field at fault, by the field's name in GraphQL's TriggerInput."""


def check(trigger: Requested, *, now: datetime, since: datetime | None = None) -> tuple[Trigger, list[Problem]]:
    """Return the trigger as a task created at `now` gets it, and everything that is wrong with it.

    Instants of a recurring trigger count from `since` on, if an instant before `now` is still to be called.

    A delay counts from the first moment after `now`, so that even one of 0 is due after it.

    The trigger that is returned has its instants in UTC and an interval its start; it is of use only when there are no
    problems. The problems' paths are those of GraphQL's TriggerInput.
    """
    messages: Messages = {}
    accepted: Trigger
    match trigger:
        case OneOff():
            kind, accepted = "oneOff", check_one_off(trigger, now=now, messages=messages)
        case Delayed():
            kind, accepted = "oneOff", check_delayed(trigger, now=now, messages=messages)
        case Cron():
            kind, accepted = "cron", check_cron(trigger, now=now, since=since or now, messages=messages)
        case Interval():
            kind, accepted = "interval", check_interval(trigger, now=now, since=since or now, messages=messages)
    return accepted, [Problem((kind, field), message) for field, message in messages.items()]


def check_one_off(trigger: OneOff, *, now: datetime, messages: Messages) -> OneOff:
    """Return the trigger with its instant in UTC; add what is wrong to `messages`."""
    at = in_utc(trigger.at, "at", messages)
    if at is None:
        return trigger
    if at <= now:
        messages["at"] = f"must be in the future; now is {utc_text(now)}"
    return OneOff(at=at)


def check_delayed(trigger: Delayed, *, now: datetime, messages: Messages) -> OneOff:
    """Return the one-off after its delay; add what is wrong to `messages`."""
    if trigger.delay_ms is None:
        messages["at"] = "is missing; give at, the instant, or delayMs, the time until then"
    elif trigger.at is not None:
        messages["delayMs"] = "is given beside at; give one of them"
    elif not 0 <= trigger.delay_ms <= MAX_EVERY_MS:
        messages["delayMs"] = f"must be from 0 to {MAX_EVERY_MS} (100 years)"
    else:
        try:
            return OneOff(at=now + INSTANT + trigger.delay_ms * MILLISECOND)
        except OverflowError:
            messages["delayMs"] = "must be shorter: its end lies beyond the year 9999"
    return OneOff(at=now)


def check_cron(trigger: Cron, *, now: datetime, since: datetime, messages: Messages) -> Cron:
    """Return the trigger with its expression normalized and its window in UTC; add what is wrong to `messages`."""
    try:
        if parse(trigger.expression).first_at_or_after(0) is None:
            messages["expression"] = "never fires: no date has this day, month and weekday (such as 30 February)"
    except InvalidExpression as error:
        messages["expression"] = advice_for(trigger.expression) or str(error)
    try:
        timezones.zone(trigger.timezone)
    except UnknownZone as error:
        messages["timezone"] = str(error)
    start_at, end_at = check_window(trigger, now=now, since=since, messages=messages)
    check_jitter(trigger, messages)
    if messages:
        return trigger
    accepted = replace(trigger, expression=normalized(trigger.expression), start_at=start_at, end_at=end_at)
    check_fires(accepted, since=since, messages=messages, field="expression")
    if "expression" not in messages and accepted.jitter > timedelta(minutes=1):  # no two instants are closer than that
        gap = shortest_gap(accepted, now)
        if gap is not None and accepted.jitter > gap:
            messages["jitterMs"] = f"must be at most {gap // MILLISECOND}, the shortest time between two instants"
    return accepted


def check_interval(trigger: Interval, *, now: datetime, since: datetime, messages: Messages) -> Interval:
    """Return the trigger with its window in UTC and its start, `every_ms` after `now` unless it has one.

    Adds what is wrong to `messages`.
    """
    if not MIN_EVERY_MS <= trigger.every_ms <= MAX_EVERY_MS:
        messages["everyMs"] = f"must be from {MIN_EVERY_MS} to {MAX_EVERY_MS} (one second to 100 years)"
    start_at, end_at = check_window(trigger, now=now, since=since, messages=messages)
    check_jitter(trigger, messages)
    if "everyMs" not in messages and trigger.jitter_ms > trigger.every_ms:
        messages["jitterMs"] = f"must be at most everyMs, which is {trigger.every_ms}"
    if messages:
        return trigger
    try:
        accepted = replace(trigger, start_at=start_at or now + trigger.every, end_at=end_at)
    except OverflowError:
        messages["everyMs"] = "must be shorter: the first instant, now + everyMs, lies beyond the year 9999"
        return trigger
    check_fires(accepted, since=since, messages=messages, field="everyMs")
    return accepted


def check_window(
    trigger: Cron | Interval, *, now: datetime, since: datetime, messages: Messages
) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last instant that the trigger allows, in UTC; add what is wrong to `messages`."""
    start = None if trigger.start_at is None else in_utc(trigger.start_at, "startAt", messages)
    end = None if trigger.end_at is None else in_utc(trigger.end_at, "endAt", messages)
    if end is not None and end <= since:
        messages["endAt"] = f"must be in the future; now is {utc_text(now)}"
    elif end is not None and start is not None and end < start:
        messages["endAt"] = f"must not be before startAt, which is {utc_text(start)}"
    return start, end


def check_jitter(trigger: Cron | Interval, messages: Messages) -> None:
    """Add what is wrong with the jitter by itself to `messages`."""
    if trigger.jitter_ms < 0:
        messages["jitterMs"] = "must be 0 or more: jitter only delays"
    elif trigger.jitter_ms > MAX_EVERY_MS:
        messages["jitterMs"] = f"must be at most {MAX_EVERY_MS} (100 years)"


def check_fires(trigger: Cron | Interval, *, since: datetime, messages: Messages, field: str) -> None:
    """Add to `messages` that no instant comes after `since`, at `endAt` if that is why, or else at `field`."""
    if next_instant(trigger, since) is not None:
        return
    first = None if trigger.end_at is None else next_instant(replace(trigger, end_at=None), since)
    if first is None:
        messages[field] = "has no instant left before the year 10000"
    else:
        messages["endAt"] = f"must not be before the first instant, which is {utc_text(first)}"


def in_utc(instant: datetime, field: str, messages: Messages) -> datetime | None:
    """Return the instant in UTC; None when it has no offset or leaves the calendar, which is added to `messages`."""
    if instant.utcoffset() is None:
        messages[field] = "must carry its offset from UTC, as in 2026-01-15T09:00:00Z or 2026-01-15T10:00:00+01:00"
        return None
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        messages[field] = "must lie between the years 1 and 9999 in UTC"
        return None
