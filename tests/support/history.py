"""Runs and events of the past, as rows: what an engine would have left behind."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Run, Task, utc_now
from db.statements import events
from db.statements.events import NewEvent
from db.states import UNFINISHED, RunEventType, RunState
from jobs.run_ids import scheduled_run_id

HOUR = timedelta(hours=1)


def run_of(task: Task, *, scheduled_for: datetime, state: RunState = RunState.SUCCEEDED, **columns: Any) -> Run:
    """A run of a task that began in time and took 40 ms."""
    finished = None if state in UNFINISHED else scheduled_for + timedelta(milliseconds=40)
    begun = state not in {RunState.QUEUED, RunState.SKIPPED, RunState.MISSED}
    defaults: dict[str, Any] = {
        "id": scheduled_run_id(task.id, scheduled_for),
        "task_id": task.id,
        "state": state,
        "scheduled_for": scheduled_for,
        "due_at": scheduled_for,
        "attempt": int(begun),
        "run_at": scheduled_for if begun else None,
        "attempt_started_at": scheduled_for if begun else None,
        "finished_at": finished,
        "success": state == RunState.SUCCEEDED if begun and finished else None,
        "worker_id": uuid4() if state == RunState.RUNNING else None,
        "next_attempt_at": scheduled_for + HOUR if state == RunState.RETRYING else None,
    }
    return Run(**(defaults | columns))


def ago(hours: float) -> datetime:
    """So many hours before now, to the second."""
    return (utc_now() - hours * HOUR).replace(microsecond=0)


async def append_events(
    engine: AsyncEngine, number: int, *, task_id: UUID, run_id: UUID, at: datetime | None = None
) -> Sequence[NewEvent]:
    """So many events in one transaction; their attempts count from 1."""
    made = [
        NewEvent(type=RunEventType.STARTED, task_id=task_id, run_id=run_id, state=RunState.RUNNING, attempt=place + 1)
        for place in range(number)
    ]
    async with engine.begin() as connection:
        await events.append(connection, at=at or utc_now(), events=made)
    return made
