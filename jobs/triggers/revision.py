"""Applies an update to a trigger: its members, where an interval continues, and which instant is next.

An instant belongs to the trigger that the task had at the moment when the call was due, jitter included. So an update
judges what it finds by that moment:

- What was due before belongs to the old trigger. It is missed only if it is late, or if a later instant was due too;
  otherwise the next claim runs it.
- What has come, but waits for its jitter, stays if the new trigger has it, too, with the new jitter.
- Everything else follows the new trigger, from the update on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from jobs.datetimes import FIRST_INSTANT, INSTANT
from jobs.triggers import schedule
from jobs.triggers.due import LATE, latest_due, unsettled
from jobs.triggers.schedule import Delayed, Interval, OneOff, Requested, Trigger
from jobs.triggers.validation import MAX_EVERY_MS, MIN_EVERY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerUpdate:
    """A trigger as an update gives it: its kind, and those of its members that the update sets.

    None stands for a member's default.
    """

    kind: type[Requested]
    members: Mapping[str, Any]

    @classmethod
    def one_off(cls, *, at: datetime | None, delay_ms: int | None) -> Self:
        """Return an update to a one-off, which is acceptable with exactly one of both."""
        if at is not None and delay_ms is None:
            return cls(kind=OneOff, members={"at": at})
        return cls(kind=Delayed, members={"at": at, "delay_ms": delay_ms})

    def applied_to(self, old: Trigger | None) -> Requested:
        """Return the updated trigger. Members that are absent stay if the kind stays, and have defaults otherwise."""
        defaults = {each.name: each.default for each in fields(self.kind)}
        given: Any = {name: defaults[name] if value is None else value for name, value in self.members.items()}
        stay = asdict(old) if isinstance(old, self.kind) else {}
        return self.kind(**{**stay, **given})


class Standing(NamedTuple):
    """Where a schedule stands at the moment of a change."""

    settled: datetime
    """The last settled instant; before there was any, the moment from which the trigger applied."""
    missed: tuple[datetime, datetime] | None = None
    """The first and the last of the instants that were missed."""
    due: datetime | None = None
    """The instant that is due and not missed: a claim is about to take it."""
    pending: datetime | None = None
    """The instant that has come and is not due yet, because of its jitter."""


class ChangedTrigger(NamedTuple):
    """The trigger after an update, unchecked; whether its start was derived; and where its schedule stands."""

    trigger: Requested
    starts_anew: bool
    stands: Standing


class Revision(NamedTuple):
    """The schedule after an update: the first instant that has no run, and up to when everything else is settled."""

    first: datetime
    settled_until: datetime


def standing(
    trigger: Trigger,
    oldest: datetime | None,
    *,
    due_at: datetime | None,
    settled_until: datetime | None,
    now: datetime,
    task_id: UUID,
) -> Standing:
    """Return where the schedule of a task stands whose first unsettled instant is `oldest`, to be claimed at `due_at`.

    Without that, because the task is paused or catches up, everything that is due is missed.
    """
    settled = last_settled(trigger, oldest, settled_until=settled_until, now=now)
    if oldest is None or oldest > now:
        return Standing(settled)
    trigger = unsettled(trigger, oldest, settled_until=settled_until)
    newest = latest_due(trigger, oldest, due_at=due_at, now=now, task_id=task_id)
    if newest is None:
        return Standing(settled, pending=oldest)
    pending = schedule.next_instant(trigger, newest)
    if pending is not None and pending > now:
        pending = None
    if due_at is None or now - max(due_at, schedule.due_at(trigger, newest, task_id=task_id)) > LATE:
        return Standing(newest, missed=(oldest, newest), pending=pending)
    if newest == oldest:
        return Standing(settled, due=newest, pending=pending)
    last = schedule.latest_at_or_before(trigger, newest - INSTANT, after=oldest) or oldest
    return Standing(last, missed=(oldest, last), due=newest, pending=pending)


def last_settled(
    trigger: Trigger, oldest: datetime | None, *, settled_until: datetime | None, now: datetime
) -> datetime:
    """Return the last settled instant, or the moment from which the trigger applied.

    `settled_until` may be a moment between two instants.
    """
    began = settled_until or now
    if not isinstance(trigger, Interval):
        return began
    limit = began
    if oldest is not None and (settled_until is None or settled_until >= oldest):
        limit = oldest - INSTANT
        if settled_until is None or trigger.first_instant <= oldest:
            began = oldest - trigger.every
    return schedule.latest_at_or_before(trigger, limit, after=FIRST_INSTANT) or began


def changed_trigger(update: TriggerUpdate, old: Trigger, stands: Standing, *, now: datetime) -> ChangedTrigger:
    """Return the trigger after an update.

    An interval without a start of its own goes on from the last settled instant: with the same period, its instants
    stay as they are.
    """
    new = update.applied_to(old)
    if not isinstance(new, Interval):
        return ChangedTrigger(new, starts_anew=False, stands=stands)
    if not isinstance(old, Interval) or not MIN_EVERY_MS <= new.every_ms <= MAX_EVERY_MS:
        return ChangedTrigger(new, starts_anew=new.start_at is None, stands=stands)
    stays = "start_at" not in update.members
    waits = stays and old.first_instant > now and old.first_instant - old.every != stands.settled
    if new.start_at is not None and (not stays or waits or new.every_ms == old.every_ms):
        return ChangedTrigger(new, starts_anew=False, stands=stands)
    try:
        start_at = continued(new.every, stands, now=now)
    except OverflowError:
        return ChangedTrigger(replace(new, start_at=None), starts_anew=True, stands=stands)
    if new.every_ms == old.every_ms and has(old, start_at):
        return ChangedTrigger(replace(new, start_at=old.start_at), starts_anew=False, stands=stands)
    return ChangedTrigger(replace(new, start_at=start_at), starts_anew=True, stands=stands)


def continued(every: timedelta, stands: Standing, *, now: datetime) -> datetime:
    """Return the start of an interval that goes on from the last settled instant, one that is due, or a pending one."""
    base = stands.settled if stands.due is None else max(stands.due, stands.settled)
    if stands.pending is not None and not (stands.pending - base) % every:
        return stands.pending
    return base + max(1, (now - base) // every + 1) * every


def revised(trigger: Trigger, changed: ChangedTrigger, *, now: datetime) -> Revision | None:
    """Return the schedule after an update that made `trigger` of it; None if that has no instant left.

    A one-off replaces what was due.
    """
    stands = changed.stands
    pending = None if stands.pending is None or not has(trigger, stands.pending) else stands.pending
    kept = pending if isinstance(trigger, OneOff) or stands.due is None else stands.due
    first = kept or schedule.next_instant(trigger, max(now, stands.settled))
    if first is None:
        return None
    if isinstance(trigger, Interval) and changed.starts_anew and trigger.first_instant > now:
        return Revision(first, trigger.first_instant - trigger.every)
    applies = now if kept is pending or pending is None else pending - INSTANT
    following = schedule.next_instant(trigger, stands.settled)
    if following == first:
        following = schedule.next_instant(trigger, first)
    return Revision(first, stands.settled if following is None or following > applies else applies)


def has(trigger: Trigger, instant: datetime) -> bool:
    """Return whether an instant is one of the trigger's."""
    return schedule.next_instant(trigger, instant, inclusive=True) == instant
