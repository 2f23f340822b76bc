"""Maps triggers to the columns of `tasks` that store them."""

from datetime import datetime
from typing import Any

from db.states import TriggerType
from jobs.triggers import schedule
from jobs.triggers.schedule import Cron, Interval, OneOff, Trigger

UNUSED: dict[str, Any] = {
    "trigger_time": None,
    "cron_expr": None,
    "timezone": "UTC",
    "every_ms": None,
    "start_at": None,
    "end_at": None,
    "jitter_ms": 0,
}
"""What the columns hold that a trigger has no use for."""

COLUMNS = {"trigger_type", *UNUSED}


def trigger_of(row: Any) -> Trigger:
    """Return the trigger of a `Task`, or of a row of any statement that selects the same columns.

    Raises `ValueError` when a column that the type needs is null, which Duetime never writes.
    """
    if row.trigger_type == TriggerType.ONE_OFF and row.trigger_time is not None:
        return OneOff(at=row.trigger_time)
    if row.trigger_type == TriggerType.CRON and row.cron_expr is not None:
        return Cron(
            expression=row.cron_expr,
            timezone=row.timezone,
            start_at=row.start_at,
            end_at=row.end_at,
            jitter_ms=row.jitter_ms,
        )
    if row.trigger_type == TriggerType.INTERVAL and row.every_ms is not None and row.start_at is not None:
        return Interval(every_ms=row.every_ms, start_at=row.start_at, end_at=row.end_at, jitter_ms=row.jitter_ms)
    raise ValueError(f"A {row.trigger_type} trigger lacks its columns")


def columns_of(trigger: Trigger) -> dict[str, Any]:
    """Return all trigger columns of a task with this trigger."""
    match trigger:
        case OneOff():
            return UNUSED | {"trigger_type": TriggerType.ONE_OFF, "trigger_time": trigger.at}
        case Cron():
            own: dict[str, Any] = {
                "trigger_type": TriggerType.CRON,
                "cron_expr": trigger.expression,
                "timezone": trigger.timezone,
            }
        case Interval():
            own = {"trigger_type": TriggerType.INTERVAL, "every_ms": trigger.every_ms}
    window = {"start_at": trigger.start_at, "end_at": trigger.end_at, "jitter_ms": trigger.jitter_ms}
    return UNUSED | own | window


def due_at(task: Any) -> datetime | None:
    """Return when the next instant of a `Task` is due, with its jitter; None when the task has no next instant."""
    return None if task.next_run is None else schedule.due_at(trigger_of(task), task.next_run, task_id=task.id)
