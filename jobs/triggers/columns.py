"""A task's trigger: as it is requested, as `schedule` computes with it, and in the columns that store it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from db.models import Task
from db.states import TriggerType
from jobs.triggers import schedule
from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOffDraft:
    """Once, at an instant; unchecked."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CronDraft:
    """By a cron expression; unchecked."""

    expression: str
    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalDraft:
    """Every so often; unchecked."""

    every_ms: int
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_ms: int = 0


TriggerDraft = OneOffDraft | CronDraft | IntervalDraft


def accept(draft: TriggerDraft, *, now: datetime) -> Trigger:
    """The trigger that was asked for. Raises `jobs.triggers.schedule.InvalidTrigger` with every problem at once."""
    match draft:
        case OneOffDraft():
            return schedule.one_off(draft.at, now=now)
        case CronDraft():
            return schedule.cron(
                draft.expression,
                timezone=draft.timezone,
                start_at=draft.start_at,
                end_at=draft.end_at,
                jitter=draft.jitter_ms * MILLISECOND,
                now=now,
            )
        case IntervalDraft():
            return schedule.interval(
                draft.every_ms * MILLISECOND,
                start_at=draft.start_at,
                end_at=draft.end_at,
                jitter=draft.jitter_ms * MILLISECOND,
                now=now,
            )


class TriggerColumns(Protocol):
    """Whatever carries a task's trigger columns: a `Task`, or a row of a statement that selected them."""

    @property
    def trigger_type(self) -> str: ...
    @property
    def trigger_time(self) -> datetime | None: ...
    @property
    def cron_expr(self) -> str | None: ...
    @property
    def timezone(self) -> str: ...
    @property
    def every_ms(self) -> int | None: ...
    @property
    def start_at(self) -> datetime | None: ...
    @property
    def end_at(self) -> datetime | None: ...
    @property
    def jitter_ms(self) -> int: ...


def trigger_of(row: TriggerColumns | Any) -> Trigger:
    """The trigger that the columns hold. A row of plain SQL types it as `Any`; its `trigger_type` may be text.

    Raises `ValueError` when a column that the type needs is null, which no row that Duetime wrote has.
    """
    if row.trigger_type == TriggerType.ONE_OFF and row.trigger_time is not None:
        return OneOff(at=row.trigger_time)
    jitter = row.jitter_ms * MILLISECOND
    if row.trigger_type == TriggerType.CRON and row.cron_expr is not None:
        return Cron(
            expression=row.cron_expr, timezone=row.timezone, start_at=row.start_at, end_at=row.end_at, jitter=jitter
        )
    if row.trigger_type == TriggerType.INTERVAL and row.every_ms is not None and row.start_at is not None:
        return Interval(every=row.every_ms * MILLISECOND, start_at=row.start_at, end_at=row.end_at, jitter=jitter)
    raise ValueError(f"A {row.trigger_type} trigger lacks its columns")


UNUSED: dict[str, Any] = {
    "trigger_time": None,
    "cron_expr": None,
    "timezone": "UTC",
    "every_ms": None,
    "start_at": None,
    "end_at": None,
    "jitter_ms": 0,
}
COLUMNS = {"trigger_type", *UNUSED}


def columns_of(trigger: Trigger) -> dict[str, Any]:
    """All trigger columns of a task, those of the other types empty."""
    columns = UNUSED
    match trigger:
        case OneOff():
            return columns | {"trigger_type": TriggerType.ONE_OFF, "trigger_time": trigger.at}
        case Cron():
            own: dict[str, Any] = {
                "trigger_type": TriggerType.CRON,
                "cron_expr": trigger.expression,
                "timezone": trigger.timezone,
            }
        case Interval():
            own = {"trigger_type": TriggerType.INTERVAL, "every_ms": trigger.every // MILLISECOND}
    return (
        columns
        | own
        | {"start_at": trigger.start_at, "end_at": trigger.end_at, "jitter_ms": trigger.jitter // MILLISECOND}
    )


def due_at(row: Task) -> datetime | None:
    """When a task's next instant is due, its jitter included."""
    return None if row.next_run is None else schedule.due_at(trigger_of(row), row.next_run, task_id=row.id)
