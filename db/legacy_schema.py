"""The SQL that imports a database of the service before Duetime: its two tables, with every row and its id."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.attempts import ended_attempt
from db.engine.rollups import BUCKETS, NOBODY, OLD_MINUTES

COLUMNS = {
    "tasks": {
        *("id", "name", "trigger_type", "trigger_time", "cron_expr", "method", "url", "headers", "payload", "status"),
        *("created_at", "updated_at", "next_run"),
    },
    "task_results": {
        *("id", "task_id", "run_at", "status_code", "success", "response_headers", "response_body", "error_message"),
        *("duration_ms", "created_at"),
    },
}

PRESENT = text("""
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name IN ('tasks', 'task_results', 'alembic_version')
""")

# In a schema of their own, the names of the tables, indexes and constraints do not collide with Duetime's.
SET_ASIDE = (
    "CREATE SCHEMA duetime_old_service",
    "ALTER TABLE task_results SET SCHEMA duetime_old_service",
    "ALTER TABLE tasks SET SCHEMA duetime_old_service",
)
DROP = (
    "DROP TABLE duetime_old_service.task_results",
    "DROP TABLE duetime_old_service.tasks",
    "DROP SCHEMA duetime_old_service",
)

EARLIEST, LATEST = "timestamptz '0001-01-01 00:00:01Z'", "timestamptz '9999-12-31 23:59:59Z'"
"""Postgres has instants beyond these, which Python cannot represent or reads as infinities."""


def clamped(column: str) -> str:
    """Return an expression for an instant, moved into the range that Python can represent."""
    return f"CASE WHEN {column} IS NOT NULL THEN least(greatest({column}, {EARLIEST}), {LATEST}) END"


def is_out_of_range(*columns: str) -> str:
    """Return a condition for rows with an instant beyond that range."""
    return " OR ".join(f"COALESCE({column} NOT BETWEEN {EARLIEST} AND {LATEST}, false)" for column in columns)


TASK_INSTANTS = ("trigger_time", "created_at", "updated_at", "next_run")
RESULT_INSTANTS = ("run_at", "created_at")

TASKS = text(f"""
SELECT id, trigger_type, cron_expr, method, url, headers, status,
       {", ".join(f"{clamped(column)} AS {column}" for column in TASK_INSTANTS)},
       {is_out_of_range(*TASK_INSTANTS)} AS beyond,
       CASE WHEN CAST(payload AS text) ~ '[0-9]{{255}}' THEN CAST(payload AS text) END AS doubtful_payload
FROM duetime_old_service.tasks
WHERE CAST(:after AS uuid) IS NULL OR id > :after
ORDER BY id LIMIT :limit
""").columns(headers=JSONB)

ODD_RESULTS = text(f"""
SELECT id, {is_out_of_range(*RESULT_INSTANTS)} AS beyond
FROM duetime_old_service.task_results
WHERE {is_out_of_range(*RESULT_INSTANTS)} OR jsonb_typeof(response_headers) NOT IN ('object', 'null')
ORDER BY id
""")

# The payload stays in the database, which keeps each of its digits.
CARRY_TASK = text("""
INSERT INTO tasks (id, name, trigger_type, trigger_time, cron_expr, timezone, every_ms, start_at, method, url, host,
                   headers, payload, status, next_run, due_at, created_at, updated_at)
SELECT id, name, :trigger_type, :trigger_time, :cron_expr, :timezone, :every_ms, :start_at, :method, :url, :host,
       :headers, CASE WHEN :has_payload THEN NULLIF(payload, 'null') END, :status, :next_run, :next_run,
       :created_at, :updated_at
FROM duetime_old_service.tasks WHERE id = :id
""").bindparams(bindparam("headers", type_=JSONB(none_as_null=True)))
ONLY_ATTEMPT = ended_attempt(
    number="1",
    started_at="r.run_at",
    finished_at="e.ended_at",
    duration_ms="r.duration_ms",
    status_code="r.status_code",
    error_message="r.error_message",
)

CARRY_RESULTS = text(f"""
INSERT INTO task_results (id, task_id, host, state, scheduled_for, due_at, attempt, attempt_started_at, attempts,
                          run_at, finished_at, status_code, success, response_headers, response_body, error_message,
                          duration_ms, created_at)
SELECT r.id, r.task_id, t.host, CASE WHEN r.success THEN 'succeeded' ELSE 'failed' END, r.run_at, r.run_at, 1, r.run_at,
       jsonb_build_array({ONLY_ATTEMPT}),
       r.run_at, e.ended_at, r.status_code, COALESCE(r.success, false), r.response_headers,
       r.response_body, r.error_message, r.duration_ms, COALESCE(r.created_at, r.run_at)
FROM (
    SELECT id, task_id, status_code, success, response_body, error_message, duration_ms,
           {", ".join(f"{clamped(column)} AS {column}" for column in RESULT_INSTANTS)},
           CASE jsonb_typeof(response_headers) WHEN 'object' THEN response_headers END AS response_headers
    FROM duetime_old_service.task_results
) AS r
JOIN tasks t ON t.id = r.task_id
CROSS JOIN LATERAL (
    SELECT least(r.run_at + greatest(COALESCE(r.duration_ms, 0), 0) * interval '1 millisecond', {LATEST}) AS ended_at
) AS e
""")

# Their lateness is unknown, so they count in no bucket.
COUNT_RESULTS = text("""
INSERT INTO run_rollups (minute, worker_id, succeeded, failed, timed, duration_ms, lateness_us, lateness, per_second)
SELECT :old_minutes, :nobody, count(*) FILTER (WHERE success), count(*) FILTER (WHERE success IS NOT TRUE),
       count(duration_ms), COALESCE(sum(duration_ms), 0), 0, array_fill(0, ARRAY[CAST(:buckets AS int)]), '{}'
FROM duetime_old_service.task_results
HAVING count(*) > 0
""")


class Unknown(ValueError):
    """The database has tables of the same names that are neither Duetime's nor the old service's."""


async def is_there(connection: AsyncConnection) -> bool:
    """Return whether the database is the old service's and was not imported yet. Raises `Unknown`."""
    found: dict[str, set[str]] = {}
    for table, column in await connection.execute(PRESENT):
        found.setdefault(table, set()).add(column)
    if "alembic_version" in found or not found:
        return False
    missing = [
        f"{table}.{column}" for table, names in COLUMNS.items() for column in sorted(names - found.get(table, set()))
    ]
    if missing:
        raise Unknown(f"it has a table tasks or task_results of something else (without {', '.join(missing)})")
    return True


async def set_aside(connection: AsyncConnection) -> None:
    """Move the old tables out of the way of Duetime's own."""
    for statement in SET_ASIDE:
        await connection.execute(text(statement))


async def tasks(connection: AsyncConnection, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Return the next old tasks in the order of their ids. `beyond` marks instants out of range.

    `doubtful_payload` is a payload that may contain an integer with more digits than can be read.
    """
    return (await connection.execute(TASKS, {"after": after, "limit": limit})).all()


async def import_tasks(connection: AsyncConnection, columns: Sequence[Mapping[str, Any]]) -> None:
    """Create tasks from old ones; their names and payloads stay unchanged."""
    await connection.execute(CARRY_TASK, list(columns))


async def odd_results(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Return the ids of old results that cannot be shown unchanged; `beyond`: because of an instant, not of headers."""
    return (await connection.execute(ODD_RESULTS)).all()


async def import_results(connection: AsyncConnection) -> int:
    """Create runs from all results, count them for the metrics, and drop the old tables. Return their number."""
    carried = await connection.execute(CARRY_RESULTS)
    await connection.execute(COUNT_RESULTS, {"old_minutes": OLD_MINUTES, "nobody": NOBODY, "buckets": BUCKETS})
    for statement in DROP:
        await connection.execute(text(statement))
    return carried.rowcount
