"""The contents of the database by kind and day, and the next removals by the retention. Pure, apart from `read`."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import DEFAULT_PARTITION
from db.reads import storage
from db.reads.storage import Day, Table
from jobs.notifications.duties import KEPT as NOTIFICATIONS_KEPT
from jobs.settings import JobsSettings

DAY = timedelta(days=1)
OF_DAY = re.compile(r"task_results_(\d{8})")
KINDS = {
    "unfinished_runs": "runs",
    DEFAULT_PARTITION: "runs",
    "run_events": "events",
    "audit_log": "audit",
    "tasks": "tasks",
    "task_versions": "versions",
    "task_definitions": "versions",
    "notifications": "notifications",
    "notification_deliveries": "notifications",
    "notification_alerts": "notifications",
    "run_rollups": "statistics",
    "run_summaries": "statistics",
    "result_counts": "statistics",
    "run_statistics": "statistics",
    "load_forecast": "statistics",
}
"""The kind of each table. Further tables are `other`."""


class Kind(NamedTuple):
    """All rows of a kind."""

    kind: str
    rows: int
    bytes: int
    retention_days: int | None


class KindOfDay(NamedTuple):
    """The rows of a kind of one day."""

    kind: str
    day: date
    rows: int
    bytes: int
    pruned_at: datetime | None


class Pruning(NamedTuple):
    """The next removal of a kind: at most this number of rows from before an instant."""

    kind: str
    before: datetime
    at: datetime
    rows: int
    bytes: int


class Storage(NamedTuple):
    """All of it."""

    kinds: Sequence[Kind]
    days: Sequence[KindOfDay]
    next_pruning: Sequence[Pruning]

    @property
    def total_bytes(self) -> int:
        """Return the bytes of all kinds."""
        return sum(kind.bytes for kind in self.kinds)


async def read(connection: AsyncConnection, settings: JobsSettings, *, now: datetime) -> Storage:
    """Return what the database holds."""
    tables = await storage.tables(connection)
    event_days = await storage.event_days(connection)
    audit_day = await storage.oldest_audit_day(connection)
    return storage_of(tables, event_days, audit_day, settings, now=now)


def storage_of(
    tables: Sequence[Table],
    event_days: Sequence[Day],
    audit_day: Day | None,
    settings: JobsSettings,
    *,
    now: datetime,
) -> Storage:
    """Return what tables and days amount to, and what the retention of the settings removes next."""
    kinds = list(kinds_of(tables, sum(day.rows for day in event_days), settings))
    by_name = {kind.kind: kind for kind in kinds}
    events = [
        KindOfDay(
            "events",
            day.day,
            day.rows,
            share(by_name["events"], day.rows),
            end(day.day, settings.retention_events_days),
        )
        for day in event_days
    ]
    runs = [
        KindOfDay("runs", day, table.rows, table.bytes, end(day, settings.retention_days))
        for table in tables
        if (match := OF_DAY.fullmatch(table.name))
        and ((day := datetime.strptime(match[1], "%Y%m%d").date()) <= now.date() or table.rows)  # noqa: DTZ007
    ]
    prunings = [*next_of_runs(runs, settings, now=now), *next_of_days(events)]
    if audit_day is not None and (at := end(audit_day.day, settings.retention_audit_days)) is not None:
        size = share(by_name["audit"], audit_day.rows)
        prunings.append(Pruning("audit", end_of(audit_day.day), at, audit_day.rows, size))
    days = sorted([*runs, *events], key=lambda each: (each.day, each.kind))
    return Storage(kinds, days, sorted(prunings, key=lambda pruning: pruning.at))


def kinds_of(tables: Sequence[Table], events: int, settings: JobsSettings) -> Iterator[Kind]:
    """Yield the kinds, the largest first."""
    kept = {
        "runs": settings.retention_days,
        "events": settings.retention_events_days,
        "audit": settings.retention_audit_days,
        "notifications": NOTIFICATIONS_KEPT.days,
    }
    rows: defaultdict[str, int] = defaultdict(int)
    size: defaultdict[str, int] = defaultdict(int)
    for table in tables:
        kind = "runs" if OF_DAY.fullmatch(table.name) else KINDS.get(table.name, "other")
        rows[kind] += table.rows
        size[kind] += table.bytes
    rows["events"] = events
    for kind in sorted(size, key=lambda each: (-size[each], each)):
        yield Kind(kind, rows[kind], size[kind], kept.get(kind) or None)


def next_of_runs(days: Sequence[KindOfDay], settings: JobsSettings, *, now: datetime) -> Iterator[Pruning]:
    """Yield the next removal of runs: those that succeeded, of one day, or the other ones of a day long before."""
    found = [
        Pruning("runs", end_of(day.day), at, day.rows, day.bytes)
        for day in days
        for kept in {settings.retention_days, settings.retention_failed_days}
        # Older runs were already removed, except those that their task keeps.
        if day.rows and (at := end(day.day, kept)) is not None and at > now
    ]
    if found:
        yield min(found, key=lambda pruning: pruning.at)


def next_of_days(days: Sequence[KindOfDay]) -> Iterator[Pruning]:
    """Yield the next removal of a kind whose rows are all kept equally long, unless they are kept forever."""
    for day in days[:1]:
        if day.pruned_at is not None:
            yield Pruning(day.kind, end_of(day.day), day.pruned_at, day.rows, day.bytes)


def share(kind: Kind, rows: int) -> int:
    """Return the bytes of some rows of a kind, if all of them are equally large."""
    return kind.bytes * rows // max(kind.rows, rows, 1)


def end_of(day: date) -> datetime:
    """Return the end of a day in UTC."""
    return datetime.combine(day, time(tzinfo=UTC)) + DAY


def end(day: date, days: int) -> datetime | None:
    """Return when the last rows of a day reach this age in days, or None where 0 days keep them forever."""
    return end_of(day) + timedelta(days=days) if days else None
