"""Reads which tasks need attention, worst first, by indexes of what is wrong and not of what is well.

A task is paused by its failures, or an instant of it has no finished run, or its newest runs failed, or began late. It
is shown for the first of these.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.absences import absent
from db.engine.conditions import is_looked_up
from db.models import RUNS
from db.states import RunState, TaskStatus, TroubleKind

TOLERANCE = timedelta(minutes=1)
"""How long an instant may be without a finished run: the default of rules of notifications about absence."""
SHOWN_AFTER_END = timedelta(days=1)
"""How long a task is shown that failed and has no instant left."""


class AttentionReason(StrEnum):
    """Why a task needs attention, worst first."""

    PAUSED_BY_FAILURES = "paused_by_failures"
    ABSENT = "absent"
    FAILING = "failing"
    LATE = "late"


BEFORE = "(SELECT statement_timestamp() - CAST(:tolerance AS interval))"
ENDED_AFTER = "statement_timestamp() - CAST(:shown_after_end AS interval)"
PAUSED = f"""
SELECT 1 AS place, '{AttentionReason.PAUSED_BY_FAILURES}' AS reason, t.id AS task_id, t.paused_at AS since, t.failures,
       (SELECT o.run_id FROM task_troubles o WHERE o.task_id = t.id AND o.kind = '{TroubleKind.FAILING}') AS run_id
FROM listed_tasks l JOIN tasks t ON {is_looked_up("t.id", "l.task_id")}
WHERE l.status = '{TaskStatus.PAUSED}' AND t.paused_by = :paused_by"""
WITHOUT_RUN = f"""
SELECT 2, '{AttentionReason.ABSENT}', a.task_id, a.due_at, CAST(NULL AS int), a.run_id FROM ({absent(BEFORE)}) AS a"""
MISSED = f"""
SELECT 2, '{AttentionReason.ABSENT}', s.task_id, s.scheduled_for, CAST(NULL AS int), s.run_id
FROM run_summaries s JOIN tasks t ON {is_looked_up("t.id", "s.task_id")}
WHERE s.state = '{RunState.MISSED}' AND t.status = '{TaskStatus.SCHEDULED}' AND t.deleted_at IS NULL"""
FAILING = f"""
SELECT 3, '{AttentionReason.FAILING}', o.task_id, o.since, o.runs, o.run_id
FROM task_troubles o JOIN tasks t ON {is_looked_up("t.id", "o.task_id")}
WHERE o.kind = '{TroubleKind.FAILING}' AND t.deleted_at IS NULL
  AND (t.status IN ('{TaskStatus.SCHEDULED}', '{TaskStatus.PAUSED}') OR t.ended_at > {ENDED_AFTER})"""
LATE = f"""
SELECT 4, '{AttentionReason.LATE}', o.task_id, o.since, o.runs, o.run_id
FROM task_troubles o JOIN tasks t ON {is_looked_up("t.id", "o.task_id")}
WHERE o.kind = '{TroubleKind.LATE}' AND t.deleted_at IS NULL AND t.status = '{TaskStatus.SCHEDULED}'"""
PARTS = "\nUNION ALL\n".join(
    f"(SELECT * FROM ({part}) AS part (place, reason, task_id, since, failures, run_id) "
    "ORDER BY since, task_id LIMIT :limit)"
    for part in (PAUSED, WITHOUT_RUN, MISSED, FAILING, LATE)
)
ATTENTION = text(f"""
SELECT reason, task_id, since, failures, run_id FROM (
    SELECT DISTINCT ON (task_id) * FROM ({PARTS}) AS parts ORDER BY task_id, place, since
) AS worst
ORDER BY place, since, task_id LIMIT :limit
""")
# The ids stand in the text of the statement, so it opens their days of the history and no others.
RESULTS = select(RUNS.c.id, RUNS.c.state, RUNS.c.error_message, RUNS.c.status_code).where(
    RUNS.c.id.in_(bindparam("ids", expanding=True, literal_execute=True))
)


class Item(NamedTuple):
    """A task that needs attention, and what its run has come to, if it is kept."""

    reason: AttentionReason
    task_id: UUID
    since: datetime
    failures: int | None
    run_id: UUID | None
    state: RunState | None = None
    error_message: str | None = None
    status_code: int | None = None


async def attention(connection: AsyncConnection, *, limit: int, paused_by: str) -> list[Item]:
    """Return up to `limit` tasks that need attention, each once, by its worst reason and then the oldest first.

    `paused_by` is who a task names that has paused itself.
    """
    values = {"limit": limit, "paused_by": paused_by, "tolerance": TOLERANCE, "shown_after_end": SHOWN_AFTER_END}
    worst = (await connection.execute(ATTENTION, values)).all()
    ids = [row.run_id for row in worst if row.run_id is not None]
    results = {row[0]: row[1:] for row in await connection.execute(RESULTS, {"ids": ids})} if ids else {}
    return [Item(AttentionReason(row.reason), *row[1:], *results.get(row.run_id, ())) for row in worst]
