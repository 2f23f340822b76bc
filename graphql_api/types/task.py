"""A task: a trigger, an action, and policies."""

from datetime import datetime
from functools import partial
from typing import Annotated, cast

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import instances, models
from db.engine.statistics import HOURS_KEPT, MINUTES_KEPT
from db.models import utc_now
from db.reads import large_values, tasks
from db.reads.definitions import Definition
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, TaskStatus
from db.tasks.definitions import KEPT
from graphql_api import cursors
from graphql_api.context import Info
from graphql_api.errors import invalid_page
from graphql_api.types import connections
from graphql_api.types.action import HttpAction
from graphql_api.types.connections import MAX_SIZE, After, Before, First, Last
from graphql_api.types.node import Node
from graphql_api.types.retry import RetryPolicy
from graphql_api.types.run import Run, RunFilterInput, filter_of, run_page
from graphql_api.types.scalars import Milliseconds, given_or_none
from graphql_api.types.statistics import RunStatistics, task_statistics
from graphql_api.types.task_version import TaskVersion, version_page
from graphql_api.types.trigger import Trigger, trigger_type_of
from jobs.computation import off_loop
from jobs.tasks.upcoming import next_to_run, upcoming
from jobs.tasks.upsert import Upserted, UpsertOutcome

MAX_UPCOMING = 100


@strawberry.type(description="A definition: what to call, when, and with which policies.")
class Task(Node):
    """A task from its row. Fields that need a query run it only when they are selected."""

    external_id: str | None = strawberry.field(
        description="A name that the caller chooses, unique among tasks that are not deleted."
    )
    name: str = strawberry.field(description="The task's name, for people.")
    description: str = strawberry.field(description="A text about the task, for people.")
    status: TaskStatus = strawberry.field(description="The status of the schedule.")
    overlap: OverlapPolicy = strawberry.field(
        description="What happens when the task is due while an earlier run is unfinished."
    )
    misfire: MisfirePolicy = strawberry.field(description="What happens to missed instants.")
    on_lost: LostPolicy = strawberry.field(description="What happens to an attempt whose worker was lost.")
    tags: list[str] = strawberry.field(description="Labels for filtering.")
    delete_after_ms: Milliseconds | None = strawberry.field(
        description="The task is deleted this long after it completed or was cancelled, but not before its last run "
        "has ended; null means never."
    )
    pause_after_failures: int | None = strawberry.field(
        description="The task pauses itself after this number of consecutive failed runs; null means never."
    )
    paused_at: datetime | None = strawberry.field(description="While paused: since when; null if it was not recorded.")
    paused_by: str | None = strawberry.field(
        description="While paused: the name of the key that paused the task, `anybody` with authentication off, or "
        "`duetime` if it paused itself; null if it was not recorded."
    )
    pause_reason: str | None = strawberry.field(description="While paused: the reason, if one was given.")
    retention_days: int | None = strawberry.field(
        description="How many days the task's runs are kept; 0 means forever, null means the workers' settings."
    )
    flow_key: str | None = strawberry.field(
        description="A flow limit of this key applies to the task's calls; null for none."
    )
    version: int = strawberry.field(
        description="Increases with each change of the definition or status, but not when the task fires."
    )
    created_at: datetime = strawberry.field(description="When the task was created.")
    updated_at: datetime = strawberry.field(description="When the definition or status was last changed.")
    row: strawberry.Private[models.Task]
    is_past: strawberry.Private[bool] = False
    now: strawberry.Private[datetime | None] = None

    @staticmethod
    def as_of(row: models.Task, definition: Definition) -> "Task":
        """Return a task with a definition that it has had. A schedule that it does not have any more has no instant."""
        names = set(tasks.SMALL_NAMES) - set(models.DEFINED)
        columns = {name: getattr(row, name) for name in names} | vars(definition.task)
        columns |= {"version": definition.version, "updated_at": definition.at, "next_run": None, "due_at": None}
        past = instances.read(models.Task, columns, columns.values())
        task = Task.of(past)
        task.is_past = True
        return task

    @staticmethod
    def of(row: models.Task, *, now: datetime | None = None) -> "Task":
        """Return a task from its row. `now` is the present that the tasks of a page share."""
        return Task(
            id=strawberry.ID(str(row.id)),
            external_id=row.external_id,
            name=row.name,
            description=row.description,
            status=row.status,
            overlap=row.overlap,
            misfire=row.misfire,
            on_lost=row.on_lost,
            tags=row.tags,
            delete_after_ms=None if row.delete_after_ms is None else Milliseconds(row.delete_after_ms),
            pause_after_failures=row.pause_after_failures or None,
            paused_at=row.paused_at if row.status == TaskStatus.PAUSED else None,
            paused_by=row.paused_by if row.status == TaskStatus.PAUSED else None,
            pause_reason=row.pause_reason if row.status == TaskStatus.PAUSED else None,
            retention_days=row.retention_days,
            flow_key=row.flow_key or None,
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            now=now,
        )

    @strawberry.field(description="The request that the task makes.")
    def action(self) -> HttpAction:
        """Return the action, for which a page has no use unless it is selected."""
        return HttpAction.of_definition(self.row) if self.is_past else HttpAction.of(self.row)

    @strawberry.field(description="How failed attempts are retried.")
    def retry(self) -> RetryPolicy:
        """Return the retry policy."""
        return RetryPolicy.of(self.row)

    @strawberry.field(
        description="The instant of the next run, without jitter, which delays the call but does not move the instant. "
        "It is in the past while the call waits for its jitter, and when the misfire policy runs a missed instant: "
        "that one fires next, at once. Null while the task is paused and after the last instant."
    )
    def next_run_at(self) -> datetime | None:
        """Return the instant of the next run."""
        return next_to_run(self.row, now=self.now or utc_now())

    @strawberry.field(description="Any JSON that the caller keeps with the task.")
    async def metadata(self, info: Info) -> JSON | None:
        """Return the metadata, read only when it is selected."""
        if self.is_past:
            return cast("JSON | None", self.row.user_metadata)
        [value] = await info.context.large_value(large_values.METADATA, self.row.id) or [None]
        return cast("JSON | None", value)

    @strawberry.field(description="When the task is due.")
    def trigger(self) -> Trigger:
        """Return the trigger, which is of one of three kinds."""
        return trigger_type_of(self.row)

    @strawberry.field(
        description="The next `count` (at most 100) instants, without jitter; for a paused task, what they would be."
    )
    async def upcoming(
        self, count: Annotated[int, strawberry.argument(description="Number of instants; 0 to 100.")] = 5
    ) -> list[datetime]:
        """Return the next instants, computed from the trigger."""
        if not 0 <= count <= MAX_UPCOMING:
            raise invalid_page(f"count must be from 0 to {MAX_UPCOMING}, not {count}")
        return await off_loop(partial(upcoming, self.row, count=count, now=utc_now()))

    @strawberry.field(description="The run with the newest scheduledFor.")
    async def last_run(self, info: Info) -> Run | None:
        """Return the last run, read together with those of the other tasks."""
        rows = await info.context.newest_runs.load((self.row.id, 1))
        return Run.of(rows[0]) if rows else None

    @strawberry.field(
        description=f"The `last` (at most {MAX_SIZE}) runs with the newest scheduledFor, oldest first, finished or not."
    )
    async def recent_runs(
        self,
        info: Info,
        last: Annotated[int, strawberry.argument(description=f"Number of runs; 1 to {MAX_SIZE}.")] = 30,
    ) -> list[Run]:
        """Return the newest runs, read together with those of the other tasks."""
        if not 1 <= last <= MAX_SIZE:
            raise invalid_page(f"last must be from 1 to {MAX_SIZE}, not {last}")
        rows = await info.context.newest_runs.load((self.row.id, last))
        return [Run.of(row) for row in reversed(rows)]

    @strawberry.field(
        description="Counts of the runs that ended from `from` (default: 7 days before `to`) to `to` (default: now). "
        "The period is widened to whole buckets that are kept: "
        f"minutes for {MINUTES_KEPT.days} days, hours for {HOURS_KEPT.days}, then days."
    )
    async def statistics(
        self,
        info: Info,
        from_: Annotated[
            datetime | None, strawberry.argument(name="from", description="The beginning, inclusive.")
        ] = UNSET,
        to: Annotated[datetime | None, strawberry.argument(description="The end, exclusive.")] = UNSET,
    ) -> RunStatistics:
        """Return the statistics, read together with those of the other tasks."""
        return await task_statistics(info, self.row.id, given_or_none(from_), given_or_none(to))

    @strawberry.field(description="The task's runs, newest scheduledFor first.")
    async def runs(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002 (the argument's name in the contract)
            RunFilterInput | None, strawberry.argument(description="Selects runs; by default all.")
        ] = UNSET,
    ) -> connections.Connection[Run]:
        """Return a page of runs, read together with those of the other tasks."""
        rows = connections.slice_of(cursors.RUNS, first=first, after=after, last=last, before=before)
        return await run_page(info, filter_of(filter), rows=rows, task_id=self.row.id)

    @strawberry.field(
        description="The definitions that the task has had, newest first; the newest is the current one. Each begins "
        "at a version; versions that changed only the status, such as by a pause, are not listed. The newest "
        f"{KEPT} are kept as long as the task."
    )
    async def versions(
        self, info: Info, *, first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
    ) -> connections.Connection[TaskVersion]:
        """Return a page of definitions."""
        rows = connections.slice_of(cursors.VERSIONS, first=first, after=after, last=last, before=before)
        return await version_page(info, self.row.id, rows=rows)


@strawberry.type(description="The task of an upsert.")
class UpsertedTask:
    """A task with what an upsert has done to it."""

    row: strawberry.Private[models.Task]
    outcome: UpsertOutcome = strawberry.field(description="What was done, or what a dry run would have done.")
    before: JSON | None = strawberry.field(
        description="The changed members before the change, as in the audit log: without secrets. Null for a new "
        "task, and if nothing changed."
    )
    after: JSON | None = strawberry.field(
        description="The changed members after the change, or all members of a new task. Null if nothing changed."
    )

    @strawberry.field(
        description="The task after the upsert. After a dry run, it is the unchanged task, or a new one that cannot be "
        "found by its id."
    )
    def task(self) -> Task:
        """Return the task. Most who change many do not select it."""
        return Task.of(self.row)

    @staticmethod
    def of(result: Upserted) -> "UpsertedTask":
        """Return the task with what was done."""
        return UpsertedTask(
            row=result.task,
            outcome=result.outcome,
            before=cast("JSON | None", result.before),
            after=cast("JSON | None", result.after),
        )


@strawberry.type(description="A deleted task.")
class DeletedTask:
    """A task that was deleted."""

    task_id: strawberry.ID = strawberry.field(description="The id of the task.")
