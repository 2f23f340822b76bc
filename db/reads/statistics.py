"""Reads the statistics of runs: what maintenance has counted, and the runs that have ended since, at one moment.

The cost depends on the rows for the time and the tasks in question, and not on the history.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine.days import whole_days
from db.engine.rollups import BUCKETS
from db.engine.statistics import (
    ALL_TASKS,
    DAYS_PLACE,
    DURATION_PLACE,
    FINAL,
    LATENESS_PLACE,
    OUTCOMES,
    ended,
    places,
)
from db.postgres_text import is_postgres_text
from db.reads.metrics import percentile
from db.states import RunState, StatisticsWidth

LIVE_EVENTS = 20_000
"""The most events after the cursor that are read. There are more for minutes after an upgrade or an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFilter:
    """Selects tasks, none of them deleted. Empty members select all; `tags` requires all, `host` may lack its port."""

    task_id: UUID | None = None
    tags: tuple[str, ...] = ()
    host: str | None = None


@dataclass(slots=True)
class Statistics:
    """Counts of ended runs: by outcome, and by the buckets of `db.engine.rollups` for lateness and duration."""

    outcomes: dict[RunState, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    lateness: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    durations: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, place: int, number: int) -> None:
        """Add a count at one of the places of `db.engine.statistics`."""
        if place >= DURATION_PLACE:
            self.durations[place - DURATION_PLACE] += number
        elif place >= LATENESS_PLACE:
            self.lateness[place - LATENESS_PLACE] += number
        else:
            self.outcomes[OUTCOMES[place]] += number

    @property
    def runs(self) -> int:
        """The number of runs."""
        return sum(self.outcomes.values())

    @property
    def success_rate(self) -> float | None:
        """The share of runs that succeeded, of those that ended by themselves; None without any of them."""
        succeeded = self.outcomes[RunState.SUCCEEDED]
        total = succeeded + self.outcomes[RunState.FAILED] + self.outcomes[RunState.UNKNOWN]
        return succeeded / total if total else None

    def lateness_of(self, part: float) -> timedelta | None:
        """Return the lateness that a share of the runs did not exceed; None if no run had an attempt."""
        return percentile(self.lateness, part)

    def duration_of(self, part: float) -> timedelta | None:
        """Return the duration that a share of the runs did not exceed; None if no run had a response or an error."""
        return percentile(self.durations, part)


CURSOR = "(SELECT seq FROM statistics_cursor)"
UNCOUNTED = text(f"""
SELECT max(n.seq) AS newest,
       CAST(min(CAST(e.run_id AS text) COLLATE "C") AS uuid) AS least,
       CAST(max(CAST(e.run_id AS text) COLLATE "C") AS uuid) AS greatest
FROM statistics_cursor c CROSS JOIN run_event_counter n
LEFT JOIN run_events e ON e.seq > c.seq AND e.seq <= c.seq + {LIVE_EVENTS} AND e.seq <= n.seq AND e.type IN ({FINAL})
""")


class Totals(NamedTuple):
    """The statement that reads totals by a key, of the counts and of the runs that have ended after the cursor.

    `key` is an expression over `task_id` and `start`, `counted` and `live` are conditions that select rows `s` of the
    statistics and rows `e` of `ended`. All are constants, never input.
    """

    key: str
    counted: str
    live: str

    def within(self, days: tuple[UUID, UUID] | None) -> TextClause:
        """Return the statement for runs after the cursor of days with these ids; None means that there are no such
        runs.

        The ids stand in the text, so the statement opens these days and no others of the history.
        """
        parts = f"""
        SELECT s.task_id, s.start, c.place, c.number
        FROM run_statistics s CROSS JOIN LATERAL unnest(s.places, s.numbers) AS c (place, number)
        WHERE {self.counted} AND s.start >= :since AND s.start < :until AND c.place < {DAYS_PLACE}"""
        if days is not None:
            least, greatest = days
            live = ended(
                after=CURSOR,
                until=f"least(CAST(:newest AS bigint), {CURSOR} + {LIVE_EVENTS})",
                among=f"r.id >= '{least}' AND r.id <= '{greatest}'",
            )
            parts += f"""
        UNION ALL
        SELECT e.task_id, e.at, p.place, 1 FROM ({live}) AS e CROSS JOIN LATERAL {places("e")} AS p (place)
        WHERE {self.live} AND e.at >= :since AND e.at < :until AND p.place < {DAYS_PLACE}"""
        return text(f"""
    SELECT {self.key} AS key, place, CAST(sum(number) AS bigint) AS number
    FROM ({parts}
    ) AS counts
    GROUP BY 1, 2
    """)


OF_TASKS = "{}.task_id = ANY(CAST(:task_ids AS uuid[]))"
BUCKET = "date_trunc(CAST(:bucket AS text), start, 'UTC')"
OF_ALL_BY_BUCKET = Totals(BUCKET, counted=f"s.task_id = '{ALL_TASKS}'", live="true")
OF_TASKS_BY_BUCKET = Totals(BUCKET, counted=OF_TASKS.format("s"), live=OF_TASKS.format("e"))
OF_TASKS_BY_TASK = Totals("task_id", counted=OF_TASKS.format("s"), live=OF_TASKS.format("e"))

SELECTED = text("""
SELECT t.id FROM tasks t JOIN task_words w ON w.task_id = t.id
WHERE t.deleted_at IS NULL
  AND (CAST(:task_id AS uuid) IS NULL OR t.id = CAST(:task_id AS uuid))
  AND (CAST(:host AS text) IS NULL
       OR lower(CAST(:host AS text)) IN (lower(t.host), lower(regexp_replace(t.host, ':[0-9]+$', ''))))
  AND w.tags @> CAST(:tags AS text[]) AND (CAST(:tags AS text[]) = '{}' OR w.tags <> '{}')
""")


async def by_bucket(
    connection: AsyncConnection,
    filters: StatisticsFilter,
    *,
    since: datetime,
    until: datetime,
    bucket: StatisticsWidth,
) -> dict[datetime, Statistics]:
    """Return the statistics of the runs that ended in [since, until), by the start of their bucket, if it has any."""
    values: dict[str, Any] = {"since": since, "until": until, "bucket": str(bucket)}
    if filters == StatisticsFilter():
        return await read(connection, OF_ALL_BY_BUCKET, values)
    values["task_ids"] = await selected(connection, filters)
    return await read(connection, OF_TASKS_BY_BUCKET, values)


async def by_task(
    connection: AsyncConnection, *, task_ids: Collection[UUID], since: datetime, until: datetime
) -> dict[UUID, Statistics]:
    """Return the statistics of the runs that ended in [since, until), by their task, if it has any."""
    return await read(connection, OF_TASKS_BY_TASK, {"task_ids": list(task_ids), "since": since, "until": until})


async def read(connection: AsyncConnection, totals: Totals, values: dict[str, Any]) -> dict[Any, Statistics]:
    """Return totals by their keys. What has ended before this call is in them, and each run once."""
    newest, least, greatest = (await connection.execute(UNCOUNTED)).one()
    statement = totals.within(None)
    if least is not None:
        statement = totals.within(whole_days((least, greatest)))
        values = values | {"newest": newest}
    found: dict[Any, Statistics] = {}
    for key, place, number in await connection.execute(statement, values):
        found.setdefault(key, Statistics()).add(place, number)
    return found


async def selected(connection: AsyncConnection, filters: StatisticsFilter) -> list[UUID]:
    """Return the tasks that a filter selects."""
    if not all(map(is_postgres_text, (*filters.tags, filters.host or ""))):
        return []
    values = {"task_id": filters.task_id, "host": filters.host, "tags": list(filters.tags)}
    return list((await connection.execute(SELECTED, values)).scalars())
