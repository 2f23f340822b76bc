"""A task: a trigger, an action, and policies."""

from datetime import datetime
from functools import partial
from typing import Annotated, cast
from uuid import UUID

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db import instances, models
from db.engine.statistics import HOURS_KEPT, MINUTES_KEPT
from db.models import utc_now
from db.reads import filtered_tasks, large_values, tasks
from db.reads.definitions import Definition
from db.reads.keyset import Key, Slice
from db.reads.tasks import TaskFilter, TaskOrder
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from db.tasks.definitions import KEPT
from graphql_api import cursors
from graphql_api.context import Info
from graphql_api.errors import invalid_page
from graphql_api.types import connections
from graphql_api.types.action import HttpAction, HttpActionInput, UpdateHttpActionInput
from graphql_api.types.connections import MAX_SIZE, After, Before, First, Last
from graphql_api.types.node import Node
from graphql_api.types.retry import RetryPolicy, RetryPolicyInput, UpdateRetryPolicyInput
from graphql_api.types.run import Run, RunFilterInput, filter_of, run_page
from graphql_api.types.scalars import Milliseconds, given_or_none
from graphql_api.types.statistics import RunStatistics, task_statistics
from graphql_api.types.task_version import TaskVersion, version_page
from graphql_api.types.trigger import Trigger, TriggerInput, trigger_type_of
from jobs.computation import off_loop
from jobs.tasks.draft import REMOVABLE, RetryDraft, TaskDraft, TaskUpdate
from jobs.tasks.upcoming import next_to_run, upcoming
from jobs.tasks.upsert import Upserted, UpsertOutcome
from jobs.tasks.validation import MAX_DELETE_AFTER_MS, MAX_PAUSE_AFTER_FAILURES, MAX_RETENTION_DAYS

MAX_UPCOMING = 100
EXTERNAL_ID = (
    "A name that the caller chooses, unique among tasks that are not deleted; 1 to 255 characters without control "
    "characters."
)
DESCRIPTION = "A text about the task, for people; at most 4,000 characters."
METADATA = "Any JSON to keep with the task; at most 4 KiB, without white space."
DELETE_AFTER = (
    "Deletes the task this long after it completed or was cancelled, but not before its last run has ended; at most "
    f"{MAX_DELETE_AFTER_MS:,}."
)
RETENTION = (
    "How many days all of the task's runs are kept, whatever the workers' settings say; 0 keeps them forever; at most "
    f"{MAX_RETENTION_DAYS:,}."
)
FLOW_KEY = (
    "Any text by which tasks share a flow limit, such as the name of an account; 1 to 255 characters without control "
    "characters. An empty text means no key."
)
PAUSE_AFTER_FAILURES = (
    "Pauses the task after this number of consecutive failed runs, each after its retries; at most "
    f"{MAX_PAUSE_AFTER_FAILURES:,}, and 0 means never. SUCCEEDED resets the count, and no other state counts."
)


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
    def of(row: models.Task) -> "Task":
        """Return a task from its row."""
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
        return next_to_run(self.row, now=utc_now())

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


@strawberry.input(
    name="TaskFilter",
    description="Selects tasks. An absent or null member, or an empty list, selects all. …After is inclusive, "
    "…Before exclusive, …Contains ignores case.",
)
class TaskFilterInput:
    """A filter of tasks."""

    external_ids: list[str] | None = strawberry.field(default=UNSET, description="With one of these external ids.")
    statuses: list[TaskStatus] | None = strawberry.field(default=UNSET, description="In one of these statuses.")
    name_contains: str | None = strawberry.field(default=UNSET, description="Whose name contains this text.")
    tags: list[str] | None = strawberry.field(default=UNSET, description="With all of these tags.")
    url_contains: str | None = strawberry.field(default=UNSET, description="Whose URL contains this text.")
    next_run_after: datetime | None = strawberry.field(default=UNSET, description="Due at or after this instant.")
    next_run_before: datetime | None = strawberry.field(default=UNSET, description="Due before this instant.")
    last_run_states: list[RunState] | None = strawberry.field(
        default=UNSET, description="Whose run with the newest scheduledFor is in one of these states."
    )


@strawberry.input(description="A task to create. A null stands for a member's default.")
class CreateTaskInput:
    """A task to create."""

    name: str = strawberry.field(description="The task's name, for people; 1 to 255 characters.")
    trigger: TriggerInput = strawberry.field(description="When the task is due.")
    action: HttpActionInput = strawberry.field(description="The request that the task makes.")
    retry: RetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are retried; by default there are up to three attempts."
    )
    overlap: OverlapPolicy | None = strawberry.field(
        default=OverlapPolicy.SKIP, description="What happens when the task is due while an earlier run is unfinished."
    )
    misfire: MisfirePolicy | None = strawberry.field(
        default=MisfirePolicy.LATEST, description="What happens to missed instants."
    )
    on_lost: LostPolicy | None = strawberry.field(
        default=LostPolicy.RETRY, description="What happens to an attempt whose worker was lost."
    )
    tags: list[str] | None = strawberry.field(
        default_factory=list, description="Labels for filtering; at most 20, each of 1 to 64 characters."
    )
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    description: str | None = strawberry.field(default="", description=DESCRIPTION)
    metadata: JSON | None = strawberry.field(default=UNSET, description=METADATA)
    delete_after_ms: Milliseconds | None = strawberry.field(default=UNSET, description=DELETE_AFTER)
    pause_after_failures: int | None = strawberry.field(default=UNSET, description=PAUSE_AFTER_FAILURES)
    retention_days: int | None = strawberry.field(default=UNSET, description=RETENTION)
    flow_key: str | None = strawberry.field(default=UNSET, description=FLOW_KEY)
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Any text. Repeating a call with the same key and input returns the task that the first call "
        "created, in its current state. The key is looked up before anything is validated against the"
        " clock, and is kept as long as the task.",
    )

    def draft(self) -> TaskDraft:
        """Return the task as the use cases take it."""
        return TaskDraft(
            name=self.name,
            trigger=self.trigger.draft(),
            action=self.action.draft(),
            retry=self.retry.draft() if self.retry else RetryDraft(),
            overlap=self.overlap or OverlapPolicy.SKIP,
            misfire=self.misfire or MisfirePolicy.LATEST,
            on_lost=self.on_lost or LostPolicy.RETRY,
            tags=self.tags or (),
            external_id=given_or_none(self.external_id),
            description=self.description or None,
            metadata=given_or_none(self.metadata),
            delete_after_ms=given_or_none(self.delete_after_ms),
            pause_after_failures=given_or_none(self.pause_after_failures),
            retention_days=given_or_none(self.retention_days),
            flow_key=given_or_none(self.flow_key),
        )


@strawberry.input(
    description="What to change in a task. An absent or null member leaves the old value. Of a trigger of the same "
    "kind, an action or a retry policy, only the given members change."
)
class UpdateTaskInput:
    """What to change in a task."""

    name: str | None = strawberry.field(default=UNSET, description="The task's name, for people; 1 to 255 characters.")
    trigger: TriggerInput | None = strawberry.field(
        default=UNSET,
        description="The new trigger, which takes effect at once; a call that was already due belongs to the old one. "
        "If the kind stays, absent members keep their values and null sets the default; if the kind changes, absent "
        "members have their defaults. An interval without startAt keeps its instants while everyMs stays; a new "
        "everyMs counts from the last instant that was settled.",
    )
    action: UpdateHttpActionInput | None = strawberry.field(
        default=UNSET, description="The request that the task makes."
    )
    retry: UpdateRetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are retried."
    )
    overlap: OverlapPolicy | None = strawberry.field(
        default=UNSET, description="What happens when the task is due while an earlier run is unfinished."
    )
    misfire: MisfirePolicy | None = strawberry.field(default=UNSET, description="What happens to missed instants.")
    on_lost: LostPolicy | None = strawberry.field(
        default=UNSET, description="What happens to an attempt whose worker was lost."
    )
    tags: list[str] | None = strawberry.field(
        default=UNSET, description="The labels that replace the old ones; at most 20, each of 1 to 64 characters."
    )
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    clear_external_id: bool | None = strawberry.field(
        default=False, description="Whether the external id is removed; another task can then use it."
    )
    description: str | None = strawberry.field(default=UNSET, description=DESCRIPTION)
    metadata: JSON | None = strawberry.field(default=UNSET, description=METADATA)
    clear_metadata: bool | None = strawberry.field(default=False, description="Whether the metadata is removed.")
    delete_after_ms: Milliseconds | None = strawberry.field(default=UNSET, description=DELETE_AFTER)
    clear_delete_after_ms: bool | None = strawberry.field(
        default=False, description="Whether the task is no longer deleted automatically."
    )
    pause_after_failures: int | None = strawberry.field(default=UNSET, description=PAUSE_AFTER_FAILURES)
    retention_days: int | None = strawberry.field(default=UNSET, description=RETENTION)
    clear_retention_days: bool | None = strawberry.field(
        default=False, description="Whether the workers' settings apply to the task's runs again."
    )
    flow_key: str | None = strawberry.field(default=UNSET, description=FLOW_KEY)
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuses the change unless the task has this version."
    )

    def changes(self) -> TaskUpdate:
        """Return the update as the use cases take it."""
        return TaskUpdate(
            name=given_or_none(self.name),
            trigger=self.trigger.update() if self.trigger else None,
            action=self.action.members() if self.action else {},
            retry=self.retry.members() if self.retry else {},
            overlap=given_or_none(self.overlap),
            misfire=given_or_none(self.misfire),
            on_lost=given_or_none(self.on_lost),
            tags=given_or_none(self.tags),
            external_id=given_or_none(self.external_id),
            description=given_or_none(self.description),
            metadata=given_or_none(self.metadata),
            delete_after_ms=given_or_none(self.delete_after_ms),
            pause_after_failures=given_or_none(self.pause_after_failures),
            retention_days=given_or_none(self.retention_days),
            flow_key=given_or_none(self.flow_key),
            cleared=[name for name in REMOVABLE if getattr(self, f"clear_{name}")],
        )


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


def filter_of_tasks(given: TaskFilterInput | None) -> TaskFilter:
    """Return the filter for the query."""
    if not given:
        return TaskFilter()
    return TaskFilter(
        external_ids=tuple(given.external_ids or ()),
        statuses=tuple(given.statuses or ()),
        name_contains=given_or_none(given.name_contains),
        url_contains=given_or_none(given.url_contains),
        tags=tuple(given.tags or ()),
        next_run_after=given_or_none(given.next_run_after),
        next_run_before=given_or_none(given.next_run_before),
        last_run_states=tuple(given.last_run_states or ()),
    )


def key_in(order: TaskOrder, row: models.Task) -> tuple[datetime | str | None, UUID]:
    """Return the place of a task in an order."""
    match order:
        case TaskOrder.NAME_ASC:
            return row.name, row.id
        case TaskOrder.NEXT_RUN_AT_ASC:
            return row.next_run, row.id
        case _:
            return row.created_at, row.id


async def task_page(info: Info, filters: TaskFilter, *, order: TaskOrder, rows: Slice) -> connections.Connection[Task]:
    """Return a page of tasks."""
    services = info.context.services
    if filters == TaskFilter():
        async with services.reading() as connection:
            found, more = await tasks.page(connection, filters, order=order, rows=rows)
    else:
        async with services.session() as session:
            found, more = await filtered_tasks.page(session, filters, order=order, rows=rows)

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        async with services.session() as session:
            has_more = tasks.has_more if filters == TaskFilter() else filtered_tasks.has_more
            return await has_more(session, filters, order=order, key=at, backward=backward, inclusive=inclusive)

    async def count() -> int:
        if filters == TaskFilter():
            async with services.reading() as connection:
                return await tasks.count(connection, filters)
        async with services.session() as session:
            return await filtered_tasks.count(session, filters)

    return connections.connection(
        found,
        listing=order,
        key=lambda row: key_in(order, row),
        node=Task.of,
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
