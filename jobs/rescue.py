"""Ends attempts that nobody will finish: of lost workers, and of this one when it stops or lost track of a claim.

What becomes of the run is its task's `on_lost`: RETRY sends the attempt again, under the same Idempotency-Key; FAIL
ends the run as UNKNOWN, since the request may have arrived.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.statements import events, finishes, leases
from db.statements.events import NewEvent
from db.states import RunEventType, RunState

BATCH = 500


async def rescue_lost(engine: AsyncEngine, *, now: datetime) -> int:
    """Takes the attempts of workers whose lease has run out, and returns how many."""
    total = 0
    while True:
        async with engine.begin() as connection:
            rows = await leases.rescue(connection, now=now, limit=BATCH)
            await record(connection, rows, now=now)
        total += len(rows)
        if len(rows) < BATCH:
            return total


async def give_back(
    engine: AsyncEngine, *, worker_id: UUID, run_ids_kept: Collection[UUID], now: datetime, reason: str
) -> int:
    """Gives back the attempts that are this worker's in the database but not in its hands, and returns how many."""
    async with engine.begin() as connection:
        rows = await leases.give_back(
            connection, worker_id=worker_id, run_ids_kept=run_ids_kept, now=now, reason=reason
        )
        await record(connection, rows, now=now)
    return len(rows)


async def record(connection: AsyncConnection, rows: Sequence[Row[Any]], *, now: datetime) -> None:
    """Ends one-offs whose run ended as UNKNOWN, and writes the events. The last statements of a transaction."""
    completed = [row.task_id for row in rows if row.one_off and row.state == RunState.UNKNOWN]
    if completed:
        await finishes.complete_one_offs(connection, ids=completed)
    await events.append(
        connection,
        at=now,
        events=[
            NewEvent(
                type=RunEventType.UNKNOWN if row.state == RunState.UNKNOWN else RunEventType.ATTEMPT_LOST,
                task_id=row.task_id,
                run_id=row.id,
                state=RunState(row.state),
                attempt=row.attempt,
                error_message=row.error_message,
            )
            for row in rows
        ],
    )
