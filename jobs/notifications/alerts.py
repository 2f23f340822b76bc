"""Evaluates rules, as a pure computation over run events in order.

An alert is open while a task has a problem by a rule. It is sent once, repeated at an interval, and closed when it is
over::

    FAILED   opens with a run that failed, is told at the n-th one after another, closes with SUCCEEDED
    LATE     opens with a run that began too late, closes with one that began in time
    ABSENT   opens when an instant has no finished run within the tolerance, closes with a run that ended in time
    PAUSED   opens when a task paused itself, closes when it is no longer paused
    NO_WORKERS  opens while no worker lives

RECOVERED is told when FAILED or ABSENT closes with a success after it was told, and WORKERS_BACK when NO_WORKERS
closes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.notifications.judging import NO_TASK
from db.states import NotificationEvent, RunCause, RunEventType
from jobs.datetimes import MILLISECOND

WORDS = {RunEventType.UNKNOWN: "the worker was lost during the attempt, and the task's policy forbids another one"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which events of which tasks to send, and when."""

    id: UUID
    name: str
    events: frozenset[str]
    task_ids: frozenset[UUID] = frozenset()
    tags: frozenset[str] = frozenset()
    after_failures: int = 1
    late: timedelta | None = None
    tolerance: timedelta = timedelta(minutes=1)
    remind_every: timedelta | None = None
    gather: timedelta = timedelta()
    after_seq: int = 0

    @classmethod
    def of(cls, row: Any) -> "Rule":
        """Return a rule from its row."""
        return cls(
            id=row.id,
            name=row.name,
            events=frozenset(row.events),
            task_ids=frozenset(row.task_ids),
            tags=frozenset(row.tags),
            after_failures=row.after_failures,
            late=None if row.late_ms is None else row.late_ms * MILLISECOND,
            tolerance=row.tolerance_ms * MILLISECOND,
            remind_every=None if row.remind_every_ms is None else row.remind_every_ms * MILLISECOND,
            gather=row.gather_ms * MILLISECOND,
            after_seq=row.after_seq,
        )

    def tells(self, *events: NotificationEvent) -> bool:
        """Return whether the rule covers one of the events."""
        return not self.events.isdisjoint(events)

    def matches(self, task: Any) -> bool:
        """Return whether the rule is about a task."""
        return (not self.task_ids or task.id in self.task_ids) and self.tags <= set(task.tags)

    @property
    def least_lateness(self) -> timedelta | None:
        """The minimum lateness that this rule reports, if it reports lateness."""
        found = [self.late] if self.late is not None and self.tells(NotificationEvent.LATE) else []
        found += [self.tolerance] if self.tells(NotificationEvent.ABSENT) else []
        return min(found, default=None)


@dataclass(slots=True, kw_only=True)
class Alert:
    """A problem of a task by a rule."""

    rule_id: UUID
    task_id: UUID
    event: NotificationEvent
    opened_at: datetime
    failures: int = 0
    instant: datetime | None = None
    told_at: datetime | None = None
    reminded_at: datetime | None = None

    @property
    def key(self) -> tuple[UUID, UUID, NotificationEvent]:
        """The rule, the task and the event, which occur once together."""
        return self.rule_id, self.task_id, self.event


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One notification of a rule. `item` is its part of the message, as JSON."""

    rule: Rule
    event: NotificationEvent
    host: str
    item: dict[str, Any]
    reminder: bool = False


@dataclass(slots=True)
class Judgement:
    """The open alerts, and the changes: alerts to store, alerts to close, and notifications to send."""

    now: datetime
    alerts: dict[tuple[UUID, UUID, NotificationEvent], Alert] = field(default_factory=dict)
    changed: set[tuple[UUID, UUID, NotificationEvent]] = field(default_factory=set)
    closed: set[tuple[UUID, UUID, NotificationEvent]] = field(default_factory=set)
    told: list[Telling] = field(default_factory=list)

    def add(self, alerts: Iterable[Alert]) -> None:
        """Add alerts that were open before."""
        self.alerts.update((alert.key, alert) for alert in alerts)

    def find(self, rule: Rule, task_id: UUID, event: NotificationEvent) -> Alert | None:
        """Return the open alert, if there is one."""
        return self.alerts.get((rule.id, task_id, event))

    def open(self, rule: Rule, task_id: UUID, event: NotificationEvent, *, at: datetime) -> Alert:
        """Return the alert, opened unless it is open, and store it."""
        key = rule.id, task_id, event
        alert = self.alerts.get(key) or Alert(rule_id=rule.id, task_id=task_id, event=event, opened_at=at)
        self.alerts[key] = alert
        self.changed.add(key)
        self.closed.discard(key)
        return alert

    def close(self, alert: Alert) -> None:
        """Close an alert."""
        del self.alerts[alert.key]
        self.changed.discard(alert.key)
        self.closed.add(alert.key)

    def tell(self, rule: Rule, event: NotificationEvent, task: Any, *, reminder: bool = False, **details: Any) -> None:
        """Add a notification of an event, if the rule covers it. `task` is None for events without a task."""
        selected = NotificationEvent.RECOVERED if event is NotificationEvent.WORKERS_BACK else event
        if rule.tells(selected):
            item = {name: shown(value) for name, value in details.items() if value is not None}
            if task is not None:
                item = {"taskId": str(task.id), "task": task.name, "host": task.host} | item
            host = "" if task is None else task.host
            self.told.append(Telling(rule=rule, event=event, host=host, item=item, reminder=reminder))


def shown(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return round(value / MILLISECOND)
    return str(value) if isinstance(value, UUID) else value


def judge_event(
    judgement: Judgement, rule: Rule, event: Any, *, task: Any, run: Any, pauses: Mapping[UUID, str]
) -> None:
    """Judge one run event of a task by a rule; `run` is None if it is no longer kept."""
    details = {
        "runId": event.run_id,
        "attempts": event.attempt or None,
        "statusCode": event.status_code,
        "at": event.at,
        "scheduledFor": None if run is None else run.scheduled_for,
    }
    scheduled = run if run is not None and run.cause == RunCause.SCHEDULE else None
    match event.type:
        case RunEventType.STARTED:
            if scheduled is not None and rule.late is not None:
                judge_start(judgement, rule, event, task=task, late_by=event.at - scheduled.due_at, details=details)
        case RunEventType.FAILED | RunEventType.UNKNOWN:
            details["error"] = event.error_message or WORDS.get(event.type)
            judge_failure(judgement, rule, event, task=task, details=details)
            if event.run_id in pauses and rule.tells(NotificationEvent.PAUSED):
                judgement.open(rule, task.id, NotificationEvent.PAUSED, at=event.at).told_at = judgement.now
                judgement.tell(rule, NotificationEvent.PAUSED, task, reason=pauses[event.run_id], **details)
            judge_end(judgement, rule, event, task=task, run=scheduled, details=details)
        case RunEventType.SUCCEEDED:
            failed = judgement.find(rule, task.id, NotificationEvent.FAILED)
            recovered = failed is not None and failed.told_at is not None
            if failed is not None:
                judgement.close(failed)
            recovered |= judge_end(judgement, rule, event, task=task, run=scheduled, details=details)
            if recovered:
                judgement.tell(rule, NotificationEvent.RECOVERED, task, **details)
        case RunEventType.MISSED:
            details["error"] = event.error_message or "the instant was missed, and the task's misfire policy skips it"
            judge_end(judgement, rule, event, task=task, run=scheduled, details=details)


def judge_start(
    judgement: Judgement, rule: Rule, event: Any, *, task: Any, late_by: timedelta, details: dict[str, Any]
) -> None:
    """Judge whether a run began too late."""
    if not rule.tells(NotificationEvent.LATE) or rule.late is None:
        return
    alert = judgement.find(rule, task.id, NotificationEvent.LATE)
    if late_by <= rule.late:
        if alert is not None:
            judgement.close(alert)
    elif alert is None:
        judgement.open(rule, task.id, NotificationEvent.LATE, at=event.at).told_at = judgement.now
        judgement.tell(rule, NotificationEvent.LATE, task, latenessMs=late_by, **details)


def judge_failure(judgement: Judgement, rule: Rule, event: Any, *, task: Any, details: dict[str, Any]) -> None:
    """Count a failure, and report it when it is the n-th consecutive one."""
    if not rule.tells(NotificationEvent.FAILED, NotificationEvent.RECOVERED):
        return
    alert = judgement.open(rule, task.id, NotificationEvent.FAILED, at=event.at)
    alert.failures += 1
    if alert.failures >= rule.after_failures and alert.told_at is None:
        alert.told_at = judgement.now
        judgement.tell(rule, NotificationEvent.FAILED, task, failures=alert.failures, **details)


def judge_end(judgement: Judgement, rule: Rule, event: Any, *, task: Any, run: Any, details: dict[str, Any]) -> bool:
    """Judge whether the instants of a run had no finished run in time. Return whether this closes an alert about that.
    `run` is None if the ended run has no instant of the schedule. A missed run counts as ended too late.
    """
    if run is None or not rule.tells(NotificationEvent.ABSENT):
        return False
    alert = judgement.find(rule, task.id, NotificationEvent.ABSENT)
    is_late = event.type == RunEventType.MISSED or event.at - run.due_at > rule.tolerance
    had_late = run.missed_since is not None and event.at - run.missed_since > rule.tolerance
    if (is_late or had_late) and alert is None:
        first = run.missed_since or run.scheduled_for
        judgement.tell(rule, NotificationEvent.ABSENT, task, **details | {"scheduledFor": first})
    if is_late:
        kept = judgement.open(rule, task.id, NotificationEvent.ABSENT, at=event.at)
        kept.instant, kept.told_at = kept.instant or run.scheduled_for, kept.told_at or judgement.now
        return False
    if alert is None or (alert.instant is not None and run.scheduled_for < alert.instant):
        return False
    judgement.close(alert)
    return True


def judge_absence(judgement: Judgement, rule: Rule, *, task: Any, instant: datetime) -> None:
    """Report an instant that has no finished run within the tolerance, unless an alert is open."""
    if judgement.find(rule, task.id, NotificationEvent.ABSENT) is None:
        alert = judgement.open(rule, task.id, NotificationEvent.ABSENT, at=judgement.now)
        alert.instant, alert.told_at = instant, judgement.now
        judgement.tell(rule, NotificationEvent.ABSENT, task, scheduledFor=instant, at=judgement.now)


def judge_workers(judgement: Judgement, rule: Rule, *, living: int) -> None:
    """Report when no worker has been alive for the tolerance, and when workers are alive again."""
    alert = judgement.find(rule, NO_TASK, NotificationEvent.NO_WORKERS)
    if living:
        if alert is not None:
            judgement.close(alert)
            if alert.told_at is not None:
                judgement.tell(rule, NotificationEvent.WORKERS_BACK, None, since=alert.opened_at, workers=living)
        return
    if not rule.tells(NotificationEvent.NO_WORKERS):
        return
    alert = alert or judgement.open(rule, NO_TASK, NotificationEvent.NO_WORKERS, at=judgement.now)
    if alert.told_at is None and judgement.now - alert.opened_at >= rule.tolerance:
        judgement.open(rule, NO_TASK, NotificationEvent.NO_WORKERS, at=judgement.now).told_at = judgement.now
        judgement.tell(rule, NotificationEvent.NO_WORKERS, None, since=alert.opened_at)


def remind(judgement: Judgement, rule: Rule, alert: Alert, *, task: Any) -> None:
    """Send a reminder of an open alert."""
    alert.reminded_at = judgement.now
    judgement.changed.add(alert.key)
    judgement.tell(
        rule,
        alert.event,
        task,
        reminder=True,
        since=alert.opened_at,
        failures=alert.failures or None,
        scheduledFor=alert.instant,
    )
