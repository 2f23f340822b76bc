"""Appends the events of runs, numbered in the order of commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.states import RunEventType, RunState


class NewEvent(NamedTuple):
    """A transition of a run, not yet numbered. `duration_ms` is of the attempt."""

    type: RunEventType
    task_id: UUID
    run_id: UUID
    state: RunState
    attempt: int
    status_code: int | None = None
    error_message: str | None = None
    duration_ms: int | None = None


APPEND = text("""
WITH counted AS (
    UPDATE run_event_counter SET seq = seq + CAST(:count AS bigint) RETURNING seq - CAST(:count AS bigint) AS base
)
INSERT INTO run_events (seq, at, type, task_id, run_id, state, attempt, status_code, error_message, duration_ms)
SELECT counted.base + e.place, :at, e.type, e.task_id, e.run_id, e.state, e.attempt, e.status_code, e.error_message,
       e.duration_ms
FROM counted, unnest(
    CAST(:types AS text[]), CAST(:task_ids AS uuid[]), CAST(:run_ids AS uuid[]), CAST(:states AS text[]),
    CAST(:attempts AS int[]), CAST(:status_codes AS int[]), CAST(:error_messages AS text[]),
    CAST(:durations_ms AS bigint[])
) WITH ORDINALITY AS e (type, task_id, run_id, state, attempt, status_code, error_message, duration_ms, place)
""")


async def append(connection: AsyncConnection, *, at: datetime, events: Sequence[NewEvent]) -> None:
    """Writes the events of this transaction. It must be its last statement before the commit.

    The counter's row stays locked until then, so that numbers follow the order of commits, without gaps: a reader that
    has seen number n has seen all below it. A sequence could not promise that.
    """
    if not events:
        return
    await connection.execute(
        APPEND,
        {
            "at": at,
            "count": len(events),
            "types": [event.type for event in events],
            "task_ids": [event.task_id for event in events],
            "run_ids": [event.run_id for event in events],
            "states": [event.state for event in events],
            "attempts": [event.attempt for event in events],
            "status_codes": [event.status_code for event in events],
            "error_messages": [event.error_message for event in events],
            "durations_ms": [event.duration_ms for event in events],
        },
    )
