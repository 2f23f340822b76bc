"""What the database holds, and what is removed next."""

from datetime import date, datetime
from typing import Self

import strawberry

from db.models import utc_now
from graphql_api.context import Info
from graphql_api.types.scalars import Count
from jobs import storage


@strawberry.type(description="All rows of one kind.")
class StorageKind:
    """A kind."""

    kind: str = strawberry.field(
        description="runs, events, audit, notifications, tasks, versions (earlier definitions of tasks), statistics "
        "or other. Further kinds may be added."
    )
    rows: Count = strawberry.field(
        description="Number of rows: an estimate by Postgres's statistics, and exact for events."
    )
    bytes: Count = strawberry.field(description="Size on disk, including indexes and reusable space.")
    retention_days: int | None = strawberry.field(
        description="How many days they are kept by the settings of the responding API process; for runs, the "
        "successful ones. null if they are kept forever, or as long as their task."
    )


@strawberry.type(description="The rows of one kind on one day.")
class StorageDay:
    """A kind on a day."""

    kind: str = strawberry.field(description="runs or events. Other kinds are not stored by day.")
    day: date = strawberry.field(description="The day in UTC on which a run was due, or an event happened.")
    rows: Count = strawberry.field(description="Number of rows: an estimate for runs, and exact for events.")
    bytes: Count = strawberry.field(description="Size on disk; of events, their share, as if all were equally large.")
    pruned_at: datetime | None = strawberry.field(
        description="When the day is old enough to be removed; of runs, those that succeeded. It may be in the past if "
        "some runs are kept longer. null if the day is kept forever."
    )


@strawberry.type(description="The next removal of a kind by the retention. Workers check every ten minutes.")
class StoragePruning:
    """A removal to come."""

    kind: str = strawberry.field(description="runs, events or audit.")
    before: datetime = strawberry.field(description="Only rows from before this instant are removed.")
    at: datetime = strawberry.field(
        description="When all of them are old enough; single events and entries are removed earlier."
    )
    rows: Count = strawberry.field(
        description="The most rows that are removed, estimated as above; of the audit log, counted up to 10,000. Runs "
        "that are kept for longer, by their outcome or their task, stay."
    )
    bytes: Count = strawberry.field(
        description="The size of these rows. Only the space of a day of runs that is removed as a whole returns to the "
        "disk; other space is reused."
    )


@strawberry.type(description="The contents of the database, from statistics and sizes, without reading the rows.")
class Storage:
    """The root of storage."""

    total_bytes: Count = strawberry.field(description="Size of all tables of Duetime on disk, with their indexes.")
    kinds: list[StorageKind] = strawberry.field(description="All kinds, the largest first.")
    days: list[StorageDay] = strawberry.field(description="The days of runs and events, oldest first.")
    next_pruning: list[StoragePruning] = strawberry.field(
        description="The next removal of each kind that is removed by age, soonest first."
    )

    @classmethod
    def of(cls, found: storage.Storage) -> Self:
        """Return what was read as it is shown."""
        return cls(
            total_bytes=Count(found.total_bytes),
            kinds=[StorageKind(**each._asdict()) for each in found.kinds],
            days=[StorageDay(**each._asdict()) for each in found.days],
            next_pruning=[StoragePruning(**each._asdict()) for each in found.next_pruning],
        )


async def read(info: Info) -> Storage:
    """Return what the database holds now."""
    services = info.context.services
    async with services.engine.connect() as connection:
        return Storage.of(await storage.read(connection, services.settings, now=utc_now()))
