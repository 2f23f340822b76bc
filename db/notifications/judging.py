"""The statements by which rules judge run events and the state of tasks. One process at a time evaluates rules: it
holds the lock of the cursor. Only events that a rule may cover are read. A success matters to a task for which an alert
is open, and what is late can be
seen from the id of a run, which begins with the milliseconds of its instant. Only for rules about absence are the runs
that succeeded looked up, because they may stand for instants that were missed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.absences import absent
from db.engine.conditions import TASKS_BY_ID, few, is_looked_up
from db.prepared import fetch

NO_TASK = UUID(int=0)
"""The task of alerts that concern no task."""

HAS_RULES = text("SELECT EXISTS (SELECT FROM notification_rules)")

LOCK_CURSOR = text("""
SELECT c.seq, clock_timestamp() AS now FROM notification_cursor c FOR UPDATE SKIP LOCKED
""")

NEWEST = text("SELECT seq FROM run_event_counter")

RULES = text("""
SELECT id, name, channel_ids, events, task_ids, tags, after_failures, late_ms, tolerance_ms, remind_every_ms, gather_ms,
       after_seq
FROM notification_rules ORDER BY created_at, id
""")

AFTER_INSTANT = """
(CAST(extract(epoch FROM e.at) * 1000 AS bigint)
 - CAST(CAST('x' || left(replace(CAST(e.run_id AS text), '-', ''), 12) AS bit(48)) AS bigint))"""

# IS TRUE keeps a hashed subquery: the settings of a worker have no hash joins.
EVENTS = text(f"""
WITH batch AS MATERIALIZED (
    SELECT e.seq, e.at, e.type, e.task_id, e.run_id, e.attempt, e.status_code, e.error_message, {AFTER_INSTANT} AS late
    FROM run_events e WHERE e.seq > :seq AND e.seq <= :until
),
wanted AS MATERIALIZED (
    SELECT DISTINCT b.task_id FROM batch b
    WHERE b.type IN ('failed', 'unknown', 'missed')
       OR EXISTS (SELECT FROM notification_alerts a WHERE {is_looked_up("a.task_id", "b.task_id")})
       OR (b.late > CAST(:late_ms AS bigint) AND b.type IN ('started', 'succeeded'))
       OR (b.type = 'succeeded' AND CAST(:tolerance AS interval) IS NOT NULL AND EXISTS (
           SELECT FROM task_results r
           WHERE {is_looked_up("r.id", "b.run_id")} AND r.missed_since < b.at - CAST(:tolerance AS interval)
       ))
)
SELECT b.seq, b.at, b.type, b.task_id, b.run_id, b.attempt, b.status_code, b.error_message
FROM batch b
WHERE (b.task_id IN (SELECT task_id FROM wanted)) IS TRUE
  AND (b.type IN ('failed', 'unknown', 'succeeded', 'missed') OR (b.type = 'started' AND b.attempt = 1))
ORDER BY b.seq
""")

TASKS = text(f"""
SELECT t.id, t.name, t.host, t.tags, t.next_run, t.status, t.deleted_at IS NOT NULL AS deleted
FROM {TASKS_BY_ID} b JOIN tasks t ON {is_looked_up("t.id", "b.id")}
""")

RUNS = text(f"""
SELECT r.id, r.cause, r.scheduled_for, r.due_at, r.missed_since
FROM {
    few("unnest(CAST(:run_ids AS uuid[])) AS one (id)", number="cardinality(CAST(:run_ids AS uuid[]))")
} b JOIN task_results r ON {is_looked_up("r.id", "b.id")}
""")

# A pause and the event of the run that caused it were committed together.
PAUSES = text("""
SELECT a.run_id, CAST(a.after AS json) ->> 'pause_reason' AS reason FROM audit_log a
WHERE a.task_id = ANY(CAST(:task_ids AS uuid[])) AND a.run_id = ANY(CAST(:run_ids AS uuid[]))
  AND a.action = 'pauseTask'
""")

ALERTS = text("""
SELECT rule_id, task_id, event, failures, instant, opened_at, told_at, reminded_at
FROM notification_alerts WHERE task_id = ANY(CAST(:task_ids AS uuid[]))
""")

KEEP_ALERTS = text("""
INSERT INTO notification_alerts (rule_id, task_id, event, failures, instant, opened_at, told_at, reminded_at)
SELECT * FROM unnest(
    CAST(:rule_ids AS uuid[]), CAST(:task_ids AS uuid[]), CAST(:events AS text[]), CAST(:failures AS int[]),
    CAST(:instants AS timestamptz[]), CAST(:opened_ats AS timestamptz[]), CAST(:told_ats AS timestamptz[]),
    CAST(:reminded_ats AS timestamptz[])
)
ON CONFLICT (rule_id, task_id, event) DO UPDATE
SET failures = excluded.failures, instant = excluded.instant, opened_at = excluded.opened_at,
    told_at = excluded.told_at, reminded_at = excluded.reminded_at
""")

CLOSE_ALERTS = text("""
DELETE FROM notification_alerts a
USING unnest(CAST(:rule_ids AS uuid[]), CAST(:task_ids AS uuid[]), CAST(:events AS text[]))
    AS c (rule_id, task_id, event)
WHERE a.rule_id = c.rule_id AND a.task_id = c.task_id AND a.event = c.event
""")

# A task that was paused, or has ended, owes no instant; one that was resumed is not paused.
FORGET_ALERTS = text("""
DELETE FROM notification_alerts a
WHERE a.task_id <> CAST('00000000-0000-0000-0000-000000000000' AS uuid) AND NOT EXISTS (
    SELECT FROM tasks t WHERE t.id = a.task_id AND t.deleted_at IS NULL AND CASE a.event
        WHEN 'absent' THEN t.status = 'scheduled'
        WHEN 'paused' THEN t.status = 'paused'
        ELSE true END
)
""")

DUE_REMINDERS = text("""
SELECT a.rule_id, a.task_id, a.event, a.failures, a.instant, a.opened_at, a.told_at, a.reminded_at
FROM notification_alerts a JOIN notification_rules r ON r.id = a.rule_id
WHERE r.remind_every_ms IS NOT NULL AND a.event = ANY(r.events)
  AND COALESCE(a.reminded_at, a.told_at) + r.remind_every_ms * interval '1 millisecond' <= :now
  AND (
      a.task_id = CAST('00000000-0000-0000-0000-000000000000' AS uuid)
      OR EXISTS (SELECT FROM tasks t WHERE t.id = a.task_id AND t.status IN ('scheduled', 'paused'))
  )
ORDER BY a.opened_at
LIMIT :limit
""")

ABSENT = text(f"""
SELECT a.task_id, a.instant, a.due_at FROM ({absent("CAST(:before AS timestamptz)")}) AS a
ORDER BY a.due_at LIMIT :limit
""")

LIVING_WORKERS = text("""
SELECT count(*) FILTER (WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)) FROM workers
""")

ATTENDANCE = text("""
SELECT EXISTS (SELECT FROM notification_rules)
       OR EXISTS (SELECT FROM notification_deliveries WHERE state = 'pending') AS wanted,
       EXISTS (SELECT FROM workers WHERE renewed_at > clock_timestamp() - CAST(:late_after AS interval)) AS has_workers
""")

MOVE_CURSOR = text("UPDATE notification_cursor SET seq = :seq")
WAIT_FOR_CURSOR = text("SELECT seq FROM notification_cursor FOR UPDATE")


class Attendance(NamedTuple):
    """Whether there are rules to evaluate or messages to deliver, and whether any worker is alive, which does that."""

    wanted: bool
    has_workers: bool

    @property
    def is_lacking(self) -> bool:
        """Whether there is work and no worker."""
        return self.wanted and not self.has_workers


class Position(NamedTuple):
    """The last event that was judged, and the present by the database's clock."""

    seq: int
    now: datetime


async def has_rules(connection: AsyncConnection) -> bool:
    """Return whether there is a rule."""
    found: bool = (await connection.execute(HAS_RULES)).scalar_one()
    return found


async def lock_cursor(connection: AsyncConnection) -> Position | None:
    """Return the position, locked until the transaction ends, or None while another process judges."""
    row = (await connection.execute(LOCK_CURSOR)).one_or_none()
    return None if row is None else Position(row.seq, row.now)


async def start_cursor(connection: AsyncConnection) -> int:
    """Wait for the lock of the cursor, and return the number of the newest event.

    Without a rule the cursor has not moved, so this moves it.
    """
    await connection.execute(WAIT_FOR_CURSOR)
    newest: int = (await connection.execute(NEWEST)).scalar_one()
    if not await has_rules(connection):
        await move_cursor(connection, newest)
    return newest


async def move_cursor(connection: AsyncConnection, seq: int) -> None:
    """Note that all events up to a number were judged."""
    await connection.execute(MOVE_CURSOR, {"seq": seq})


async def newest(connection: AsyncConnection) -> int:
    """Return the number of the newest event."""
    seq: int = (await connection.execute(NEWEST)).scalar_one()
    return seq


async def rules(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return all rules, oldest first."""
    return (await connection.execute(RULES)).all()


async def events(
    connection: AsyncConnection, *, seq: int, until: int, late: timedelta | None, tolerance: timedelta | None
) -> Sequence[Row[Any]]:
    """Return what may matter to a rule of the events after `seq`, up to `until`.

    `late` is the least lateness that does, and `tolerance` the least one of the rules about absence.
    """
    late_ms = None if late is None else late // timedelta(milliseconds=1)
    found = await connection.execute(EVENTS, {"seq": seq, "until": until, "late_ms": late_ms, "tolerance": tolerance})
    return found.all()


async def tasks(connection: AsyncConnection, task_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Return those of the tasks whose rows exist."""
    found = await connection.execute(TASKS, {"task_ids": list(task_ids)})
    return {row.id: row for row in found}


async def runs(connection: AsyncConnection, run_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Return those of the runs that exist."""
    found = await connection.execute(RUNS, {"run_ids": list(run_ids)})
    return {row.id: row for row in found}


async def pauses(
    connection: AsyncConnection, *, task_ids: Collection[UUID], run_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return the reasons of the pauses that runs have caused, by run."""
    found = await connection.execute(PAUSES, {"task_ids": list(task_ids), "run_ids": list(run_ids)})
    return {row.run_id: row.reason for row in found}


async def alerts(connection: AsyncConnection, task_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """Return the open alerts of tasks."""
    return (await connection.execute(ALERTS, {"task_ids": list(task_ids)})).all()


async def keep_alerts(connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
    """Store alerts; each row has the columns of `notification_alerts`, in their order."""
    names = (
        "rule_ids", "task_ids", "events", "failures", "instants", "opened_ats", "told_ats", "reminded_ats",
    )  # fmt: skip
    if rows:
        await connection.execute(KEEP_ALERTS, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


async def close_alerts(connection: AsyncConnection, keys: Sequence[tuple[UUID, UUID, str]]) -> None:
    """Remove alerts; each key has the ids of the rule and of the task, and the event."""
    if keys:
        names = ("rule_ids", "task_ids", "events")
        await connection.execute(CLOSE_ALERTS, dict(zip(names, map(list, zip(*keys, strict=True)), strict=True)))


async def forget_alerts(connection: AsyncConnection) -> None:
    """Remove the alerts that are over because of a change of their task."""
    await connection.execute(FORGET_ALERTS)


async def due_reminders(connection: AsyncConnection, *, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return the alerts of which a reminder is due, oldest first."""
    return (await connection.execute(DUE_REMINDERS, {"now": now, "limit": limit})).all()


async def absences(connection: AsyncConnection, *, before: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return the instants that were due before a moment and have no finished run, oldest first."""
    return (await connection.execute(ABSENT, {"before": before, "limit": limit})).all()


async def living_workers(connection: AsyncConnection, *, late_after: timedelta) -> int:
    """Return the number of workers that have renewed their lease within a time."""
    found: int = (await connection.execute(LIVING_WORKERS, {"late_after": late_after})).scalar_one()
    return found


async def attendance(connection: AsyncConnection, *, late_after: timedelta) -> Attendance:
    """Return who attends to notifications. A worker is alive that has renewed its lease within a time."""
    [row] = await fetch(connection, ATTENDANCE, {"late_after": late_after})
    return Attendance(*row)
