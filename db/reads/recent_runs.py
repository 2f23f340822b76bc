"""Reads the newest runs of each of several tasks, whatever the length of the history.

A statement that looks for them in all of the history opens each of its days, and looks each task up in each of them. So
the statistics are asked first in which days they are. What these do not count is looked for everywhere: unfinished
runs, imported ones, which have random ids, and what ended before there were statistics.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import instances
from db.engine.days import LAST_ID, lower_bound, whole_days
from db.engine.statistics import ALL_TASKS, DAYS_PLACE, FINAL, LATENESS_PLACE
from db.models import DEFAULT_PARTITION, RUNS, Run
from db.reads import large_values

FIRST_ID = UUID(int=0)
LARGE = {each.column.key for each in large_values.OF_RUNS}
NAMES = [each.name for each in RUNS.c if each.name not in LARGE]
MOST_UNCOUNTED = 20_000
"""The most events after the cursor of the statistics that are read. There are more for minutes after an outage."""

# A row of the statistics counts one run at least, so as many rows as runs are wanted suffice. The day of the history is
# that of the runs' ids; `late` is how many days later the last one of a row has ended.
NEWEST_COUNTED = f"""
SELECT sum(n.runs) AS runs, min(n.start - n.late * interval '1 day') AS since
FROM (
    SELECT s.start, c.runs, c.late, sum(c.runs) OVER newest - c.runs AS newer
    FROM (
        SELECT o.start, o.places, o.numbers FROM run_statistics o
        WHERE o.task_id = t.id
          AND (COALESCE(t.retention_days, 0) = 0
               OR o.start >= date_trunc('day', now() - make_interval(days => t.retention_days), 'UTC'))
        ORDER BY o.start DESC LIMIT CAST(:limit AS int)
    ) AS s
    CROSS JOIN LATERAL (
        SELECT sum(number) FILTER (WHERE place < {LATENESS_PLACE}) AS runs,
               greatest(max(place) - {DAYS_PLACE}, 0) AS late
        FROM unnest(s.places, s.numbers) AS p (place, number)
    ) AS c
    WINDOW newest AS (ORDER BY s.start DESC ROWS UNBOUNDED PRECEDING)
) AS n
WHERE n.newer < CAST(:limit AS int)"""
OLDEST_DAY = """
SELECT CAST(min(to_date(right(c.relname, 8), 'YYYYMMDD')) AS timestamp) AT TIME ZONE 'UTC'
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'finished_runs'::regclass AND c.relname ~ '^task_results_[0-9]{8}$'"""
# The statistics, together with the events behind their cursor, know all runs of a task that is younger than they are,
# and of each task when they are older than the history. An unfinished run may end before the runs are read.
DAYS = text(f"""
WITH behind AS MATERIALIZED (
    SELECT c.seq, least(n.seq, c.seq + {MOST_UNCOUNTED}) AS until, n.seq - c.seq <= {MOST_UNCOUNTED} AS is_little
    FROM statistics_cursor c, run_event_counter n
),
uncounted AS MATERIALIZED (
    SELECT e.task_id, e.run_id FROM behind b JOIN run_events e ON e.seq > b.seq AND e.seq <= b.until
    WHERE e.task_id = ANY(CAST(:task_ids AS uuid[])) AND e.type IN ({FINAL})
),
counting AS MATERIALIZED (
    SELECT min(start) + interval '1 hour' AS began
    FROM (SELECT start FROM run_statistics WHERE task_id = '{ALL_TASKS}' ORDER BY start LIMIT 1) AS first
)
SELECT t.id, counted.since, counted.runs >= CAST(:limit AS int) AS are_enough,
       COALESCE(b.is_little AND (t.created_at > a.began OR ({OLDEST_DAY}) > a.began), false) AS are_all,
       CASE WHEN counted.runs >= CAST(:limit AS int) THEN NULL ELSE (
           SELECT CAST(min(CAST(o.id AS text) COLLATE "C") AS uuid) FROM (
               SELECT u.run_id FROM uncounted u WHERE u.task_id = t.id
               UNION ALL SELECT r.id FROM unfinished_runs r WHERE r.task_id = t.id
           ) AS o (id)
       ) END AS first_uncounted
FROM tasks t, behind b, counting a, LATERAL ({NEWEST_COUNTED}) AS counted
WHERE t.id = ANY(CAST(:task_ids AS uuid[])) AND t.deleted_at IS NULL
""")


def newest_since(least: UUID) -> str:
    """Return the statement that reads the newest runs of each task from its own least id on.

    None of these ids is below the given one, which stands in the text, so the days before it are not even opened.
    """

    def newest_of(table: str, condition: str) -> str:
        return f"""
        (SELECT {", ".join(f"r.{name}" for name in NAMES)} FROM {table} r
         WHERE r.task_id = asked.id AND {condition}
         ORDER BY r.scheduled_for DESC, r.id DESC LIMIT CAST(:limit AS int))"""

    return f"""
    SELECT newest.* FROM unnest(CAST(:task_ids AS uuid[]), CAST(:least AS uuid[])) AS asked (id, least)
    CROSS JOIN LATERAL (
        SELECT * FROM ({newest_of("finished_runs", f"r.id >= asked.least AND r.id >= '{least}'")}
        UNION ALL {newest_of(DEFAULT_PARTITION, "r.id < asked.least")}
        UNION ALL {newest_of("unfinished_runs", "true")}
        ) AS parts
        ORDER BY scheduled_for DESC, id DESC LIMIT CAST(:limit AS int)
    ) AS newest
    ORDER BY newest.scheduled_for DESC, newest.id DESC"""


async def newest_runs(connection: AsyncConnection, task_ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Run]]:
    """Return up to `limit` runs of each task, newest `scheduled_for` first, without their large columns.

    What has ended before this call is among them. Deleted tasks have none.
    """
    days = (await connection.execute(DAYS, {"task_ids": list(task_ids), "limit": limit})).all()
    found = await read(connection, {row.id: least_id(row) for row in days}, limit=limit)
    # What was counted may no longer be kept, while something older is.
    short = [row.id for row in days if row.are_enough and len(found[row.id]) < limit]
    if short:
        found |= await read(connection, dict.fromkeys(short, FIRST_ID), limit=limit)
    return {task_id: found.get(task_id, []) for task_id in task_ids}


def least_id(row: Row[Any]) -> UUID:
    """Return the least id that one of the newest runs of a task may have, by what is counted."""
    if not row.are_enough and not row.are_all:
        return FIRST_ID
    counted = LAST_ID if row.since is None else lower_bound(row.since)
    return counted if row.first_uncounted is None else min(counted, whole_days((row.first_uncounted,))[0])


async def read(connection: AsyncConnection, least: Mapping[UUID, UUID], *, limit: int) -> dict[UUID, list[Run]]:
    """Return up to `limit` runs of each task, from its least id on."""
    found: dict[UUID, list[Run]] = {task_id: [] for task_id in least}
    if not least:
        return found
    typed = [column(name, RUNS.c[name].type) for name in NAMES]
    statement = text(newest_since(min(least.values()))).columns(*typed)
    values = {"task_ids": list(least), "least": list(least.values()), "limit": limit}
    for row in await connection.execute(statement, values):
        run = instances.read(Run, NAMES, row)
        found[run.task_id].append(run)
    return found
