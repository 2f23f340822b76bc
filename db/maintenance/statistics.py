"""The statements that count ended runs from their events, and add up old counts.

One worker counts at a time: it holds the lock of the cursor, which moves in the transaction that stores the counts. So
each run counts once, whatever happens to the worker.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connection import plan_for_values
from db.engine.conditions import few, is_looked_up
from db.engine.statistics import ALL_TASKS, ended, places
from db.states import StatisticsWidth

LATE = "interval '10 seconds'"
"""A run of a schedule that began later than this is late. Instants that are due for longer count as missed."""

IS_BEHIND = text("SELECT c.seq < n.seq FROM statistics_cursor c, run_event_counter n")
LOCK_CURSOR = text("SELECT seq FROM statistics_cursor FOR UPDATE SKIP LOCKED")
NEWEST = text("SELECT seq FROM run_event_counter")
MOVE_CURSOR = text("UPDATE statistics_cursor SET seq = :seq")


def is_row(key: str, width: str) -> str:
    """Return the condition of a join that a row `s` has the task and the start of a key, and a width.

    Only the primary key serves this wording. The other index would find all rows of the same minute.
    """
    its = f"({key}.task_id, {key}.start)"
    return f"""{is_looked_up("s.task_id", f"{key}.task_id")} AND (s.task_id, s.start) BETWEEN {its} AND {its}
      AND s.width IS NOT DISTINCT FROM {width}"""


RUNS = text("""
SELECT run_id FROM run_events WHERE seq > CAST(:seq AS bigint) AND seq <= CAST(:until AS bigint)
""")
# With the least and the greatest id known when it is planned, the statement opens the days in between and no others,
# so that it keeps nobody from removing old days.
ENDED = ended(
    after="CAST(:seq AS bigint)",
    until="CAST(:until AS bigint)",
    among="r.id >= CAST(:least AS uuid) AND r.id <= CAST(:greatest AS uuid)",
)


def added(new: str, *, width: str) -> str:
    """Return expressions of a WITH that add the rows of the query `new` to those of their task and start.

    `new` has a row for each task, start and place. Rows are replaced, because a count may need a new place. The last
    expression is `written`.
    """
    keys = few("(SELECT DISTINCT task_id, start FROM new) AS one", number="(SELECT count(*) FROM new)")
    return f"""
new AS MATERIALIZED ({new}),
replaced AS (
    DELETE FROM run_statistics s USING {keys} k
    WHERE {is_row("k", width)}
    RETURNING s.task_id, s.start, s.places, s.numbers
),
written AS (
    INSERT INTO run_statistics (task_id, start, width, places, numbers)
    SELECT task_id, start, {width}, array_agg(place ORDER BY place), array_agg(number ORDER BY place)
    FROM (
        SELECT task_id, start, place, CAST(sum(number) AS bigint) AS number
        FROM (
            SELECT task_id, start, place, number FROM new
            UNION ALL
            SELECT r.task_id, r.start, c.place, c.number
            FROM replaced r, unnest(r.places, r.numbers) AS c (place, number)
        ) AS both_kinds
        GROUP BY task_id, start, place
    ) AS sums
    GROUP BY task_id, start
    RETURNING task_id
)"""


# The rows of a deleted task are about to be removed, so they are skipped; otherwise both could wait for each other.
NEW = f"""
    SELECT k.task_id, date_trunc('minute', e.at, 'UTC') AS start, CAST(p.place AS smallint) AS place, count(*) AS number
    FROM ended e
    CROSS JOIN LATERAL (
        SELECT t.id FROM tasks t WHERE {is_looked_up("t.id", "e.task_id")} AND t.deleted_at IS NULL
        UNION ALL VALUES (CAST('{ALL_TASKS}' AS uuid))
    ) AS k (task_id)
    CROSS JOIN LATERAL {places("e")} AS p (place)
    WHERE p.place IS NOT NULL
    GROUP BY 1, 2, 3"""
TURNS = few("(SELECT DISTINCT task_id, kind, well_at FROM verdicts) AS one", number="(SELECT count(*) FROM verdicts)")
# One statement looks the runs up once. As for notifications, a run that failed or is unknown adds to the trouble of its
# task, and one that succeeded ends it.
COUNT = text(f"""
WITH ended AS MATERIALIZED ({ENDED}),
{added(NEW, width=f"'{StatisticsWidth.MINUTE}'")},
verdicts AS MATERIALIZED (
    SELECT v.*, max(v.seq) FILTER (WHERE NOT v.is_bad) OVER (PARTITION BY v.task_id, v.kind) AS well_at
    FROM (
        SELECT e.task_id, 'failing' AS kind, e.seq, e.at, e.run_id, e.type <> 'succeeded' AS is_bad
        FROM ended e WHERE e.type IN ('succeeded', 'failed', 'unknown')
        UNION ALL
        SELECT e.task_id, 'late', e.seq, e.at, e.run_id, e.late > {LATE}
        FROM ended e WHERE e.cause = 'schedule' AND e.late IS NOT NULL
    ) AS v
),
gone AS (
    DELETE FROM task_troubles o
    USING {TURNS} v
    WHERE {is_looked_up("o.task_id", "v.task_id")} AND o.kind = v.kind
    RETURNING o.task_id, o.kind, o.since, o.runs, o.run_id, v.well_at
)
INSERT INTO task_troubles (task_id, kind, since, runs, run_id)
SELECT b.task_id, b.kind, min(b.since), sum(b.runs), (array_agg(b.run_id ORDER BY b.seq DESC))[1]
FROM (
    SELECT task_id, kind, at AS since, 1 AS runs, run_id, seq
    FROM verdicts WHERE is_bad AND seq > COALESCE(well_at, 0)
    UNION ALL
    SELECT task_id, kind, since, runs, run_id, 0 FROM gone WHERE well_at IS NULL
) AS b
WHERE EXISTS (SELECT FROM tasks t WHERE {is_looked_up("t.id", "b.task_id")} AND t.deleted_at IS NULL)
GROUP BY b.task_id, b.kind
""")

OLD = few("old", number="(SELECT count(*) FROM old)")
WIDER = """
    SELECT r.task_id, date_trunc(CAST(:wider AS text), r.start, 'UTC') AS start, c.place,
           CAST(sum(c.number) AS bigint) AS number
    FROM removed r, unnest(r.places, r.numbers) AS c (place, number)
    GROUP BY 1, 2, 3"""
ADD_UP = text(f"""
WITH old AS MATERIALIZED (
    SELECT s.task_id, s.start, s.width FROM run_statistics s
    WHERE s.width = :width AND s.start < :before AND (s.task_id = '{ALL_TASKS}') = CAST(:of_all AS boolean)
    ORDER BY s.start LIMIT :limit
),
removed AS (
    DELETE FROM run_statistics s USING {OLD} o
    WHERE {is_row("o", "o.width")}
    RETURNING s.task_id, s.start, s.places, s.numbers
),
{added(WIDER, width="CAST(:wider AS text)")}
SELECT count(*) FROM written
""")

REMOVE = text(f"""
WITH old AS MATERIALIZED (
    SELECT s.task_id, s.start, s.width FROM run_statistics s
    WHERE s.width = :width AND s.start < :before
    ORDER BY s.start LIMIT :limit
)
DELETE FROM run_statistics s USING {OLD} o WHERE {is_row("o", "o.width")}
""")


class Step(NamedTuple):
    """Which rows to add up: those of one width that start before an instant, to rows of a greater width."""

    width: StatisticsWidth
    wider: StatisticsWidth
    before: datetime
    of_all: bool


async def is_behind(connection: AsyncConnection) -> bool:
    """Return whether there are events after the cursor."""
    found: bool = (await connection.execute(IS_BEHIND)).scalar_one()
    return found


async def count_some(connection: AsyncConnection, *, limit: int) -> bool:
    """Count the runs that ended with the next `limit` events. Return whether there are further events.

    The connection is in a transaction. While another worker counts, this does nothing.
    """
    seq: int | None = (await connection.execute(LOCK_CURSOR)).scalar_one_or_none()
    if seq is None:
        return False
    newest: int = (await connection.execute(NEWEST)).scalar_one()
    until = min(newest, seq + limit)
    if until > seq:
        batch: dict[str, Any] = {"seq": seq, "until": until}
        ids = (await connection.execute(RUNS, batch)).scalars().all()
        await plan_for_values(connection)
        bounds = {"least": min(ids, default=None), "greatest": max(ids, default=None)}
        await connection.execute(COUNT, batch | bounds)
        await connection.execute(MOVE_CURSOR, {"seq": until})
    return until < newest


async def add_up(connection: AsyncConnection, step: Step, *, limit: int) -> int:
    """Add up to `limit` old rows to wider ones. Return the number of wider rows that were written.

    The connection is in a transaction. While another worker counts, this does nothing.
    """
    if (await connection.execute(LOCK_CURSOR)).one_or_none() is None:
        return 0
    written: int = (await connection.execute(ADD_UP, step._asdict() | {"limit": limit})).scalar_one()
    return written


async def remove(connection: AsyncConnection, *, width: StatisticsWidth, before: datetime, limit: int) -> int:
    """Remove up to `limit` rows of a width that start before an instant. Return their number."""
    return (await connection.execute(REMOVE, {"width": width, "before": before, "limit": limit})).rowcount
