"""The counts of the run statistics, in SQL that maintenance and the API share.

A count belongs to a place: the outcome of a run, the bucket of its lateness, or the bucket of its duration. Rows of
`run_statistics` hold the places that occur, with their counts, and add up place by place.
"""

from datetime import timedelta
from uuid import UUID

from db.engine.conditions import is_looked_up
from db.engine.days import DAY_MS
from db.engine.rollups import LATENESS_BOUNDS_MS
from db.states import RunState

ALL_TASKS = UUID(int=0)
"""The task of rows about all tasks together, those that were deleted included."""

OUTCOMES = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SKIPPED,
    RunState.MISSED,
    RunState.UNKNOWN,
)
"""The final states; the index of each is its place."""
LATENESS_PLACE = 100
"""The place of the first bucket of lateness. The bounds are those of `db.engine.rollups`."""
DURATION_PLACE = 200
"""The place of the first bucket of the last attempt's duration, with the same bounds."""
DAYS_PLACE = 300
"""The base of places for how many days after the day of its id a run ended. A run that ended on the same day has no
such place. So the statistics show in which days of the history a task has runs.
"""

MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=8)
"""How long the rows of a task cover a minute, and then an hour; older ones cover a day."""
MINUTES_OF_ALL_KEPT = HOURS_KEPT
"""How long the rows of all tasks together cover a minute; older ones cover an hour."""
KEPT = timedelta(days=400)
MOST_DAYS = 32_000
"""Most days after that of its id on which a run can end: places are small integers."""

FINAL = ", ".join(f"'{state}'" for state in OUTCOMES)
PLACE_OF_OUTCOME = " ".join(f"WHEN '{state}' THEN {place}" for place, state in enumerate(OUTCOMES))


def ended(*, after: str, until: str, among: str = "true") -> str:
    """Return a query for the runs whose final events have these numbers.

    A run that was removed meanwhile, with its deleted task, has no lateness, and ended with its event. `among` is a
    condition that all of these runs `r` meet. The arguments are expressions, never input.
    """
    return f"""
    SELECT e.seq, e.task_id, e.run_id, e.type, COALESCE(r.finished_at, e.at) AS at, r.cause,
           r.run_at - r.due_at AS late, COALESCE(r.duration_ms, e.duration_ms) AS duration_ms
    FROM run_events e LEFT JOIN finished_runs r ON {is_looked_up("r.id", "e.run_id")} AND {among}
    WHERE e.seq > {after} AND e.seq <= {until} AND e.type IN ({FINAL})"""


def places(run: str) -> str:
    """Return the places in which a row of `ended` counts, as a table expression with the column `place`."""
    late_ms = f"CAST(extract(epoch FROM {run}.late) * 1000 AS float8)"
    return f"""(
        VALUES (CASE {run}.type {PLACE_OF_OUTCOME} END), ({LATENESS_PLACE} + {bucket(late_ms)}),
               ({DURATION_PLACE} + {bucket(f"CAST({run}.duration_ms AS float8)")}),
               ({DAYS_PLACE} + {days_after_its_id(run)})
    )"""


def days_after_its_id(run: str) -> str:
    """Return an expression for the days from that of a run's id to that on which it ended; null for none, and for an
    id of another kind, which lies in no day.
    """
    milliseconds = f"CAST(CAST('x' || left(replace(CAST({run}.run_id AS text), '-', ''), 12) AS bit(48)) AS bigint)"
    days = f"CAST(floor(extract(epoch FROM {run}.at) / 86400) AS bigint) - {milliseconds} / {DAY_MS}"
    return f"(SELECT days FROM (SELECT {days} AS days) AS d WHERE days BETWEEN 1 AND {MOST_DAYS})"


def bucket(milliseconds: str) -> str:
    """Return an expression for the bucket of a duration, which is null for null."""
    return f"width_bucket({milliseconds}, CAST(ARRAY{list(LATENESS_BOUNDS_MS)} AS float8[]))"
