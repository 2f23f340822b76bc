"""A task: a trigger, an action, and policies."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.reads import tasks
from db.reads.keyset import Key, Slice
from db.reads.runs import RunFilter
from db.reads.tasks import TaskFilter, TaskOrder
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, RunState, TaskStatus
from graphql_api import cursors
from graphql_api.context import Info
from graphql_api.errors import invalid_page
from graphql_api.types import connections
from graphql_api.types.action import HttpAction, HttpActionInput, UpdateHttpActionInput
from graphql_api.types.connections import After, Before, First, Last
from graphql_api.types.retry import RetryPolicy, RetryPolicyInput, UpdateRetryPolicyInput
from graphql_api.types.run import Run, RunFilterInput, filter_of, run_page
from graphql_api.types.scalars import given_or_none
from graphql_api.types.trigger import Trigger, TriggerInput, trigger_type_of
from jobs.tasks.changes import upcoming
from jobs.tasks.draft import RetryDraft, TaskDraft, TaskUpdate

MAX_UPCOMING = 100

NEWEST = Slice(limit=1)


@strawberry.type(description="A definition: when to call what, and with which policies.")
class Task:
    """A task's row; what costs something is worked out when it is asked for."""

    id: strawberry.ID = strawberry.field(description="A UUID.")
    name: str = strawberry.field(description="What people call it.")
    status: TaskStatus = strawberry.field(description="Whether it still fires.")
    action: HttpAction = strawberry.field(description="What it calls.")
    retry: RetryPolicy = strawberry.field(description="How failed attempts are repeated.")
    overlap: OverlapPolicy = strawberry.field(description="What it does while an earlier run is unfinished.")
    misfire: MisfirePolicy = strawberry.field(description="What becomes of instants that it missed.")
    on_lost: LostPolicy = strawberry.field(description="What becomes of an attempt whose worker was lost.")
    tags: list[str] = strawberry.field(description="Words to find it by.")
    next_run_at: datetime | None = strawberry.field(
        description="The next instant, jitter not included (jitter delays the call, it does not move the instant). "
        "Null while paused and once ended."
    )
    version: int = strawberry.field(
        description="Grows with each change of definition or status, never by firing; so does updatedAt."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When its definition or status was last changed.")
    row: strawberry.Private[models.Task]

    @staticmethod
    def of(row: models.Task) -> "Task":
        """A task from its row."""
        return Task(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            status=row.status,
            action=HttpAction.of(row),
            retry=RetryPolicy.of(row),
            overlap=row.overlap,
            misfire=row.misfire,
            on_lost=row.on_lost,
            tags=row.tags,
            next_run_at=row.next_run,
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )

    @strawberry.field(description="When it is due.")
    def trigger(self) -> Trigger:
        """One of three kinds."""
        return trigger_type_of(self.row)

    @strawberry.field(
        description="The next `count` (at most 100) instants, likewise; while paused, what they would be."
    )
    def upcoming(
        self, count: Annotated[int, strawberry.argument(description="How many; 0 to 100.")] = 5
    ) -> list[datetime]:
        """Worked out from the trigger."""
        if not 0 <= count <= MAX_UPCOMING:
            raise invalid_page(f"count must be from 0 to {MAX_UPCOMING}, not {count}")
        return upcoming(self.row, count=count, now=utc_now())

    @strawberry.field(description="The run with the newest scheduledFor.")
    async def last_run(self, info: Info) -> Run | None:
        """Read together with those of the page's other tasks."""
        rows, _ = await info.context.run_pages.load((self.row.id, RunFilter(), NEWEST))
        return Run.of(rows[0]) if rows else None

    @strawberry.field(description="Its runs, newest scheduledFor first.")
    async def runs(
        self,
        info: Info,
        *,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: Annotated[  # noqa: A002 (the argument's name in the contract)
            RunFilterInput | None, strawberry.argument(description="Which runs; all by default.")
        ] = UNSET,
    ) -> connections.Connection[Run]:
        """Read together with those of the page's other tasks."""
        rows = connections.slice_of(cursors.RUNS, first=first, after=after, last=last, before=before)
        return await run_page(info, filter_of(filter), rows=rows, task_id=self.row.id)


@strawberry.input(
    name="TaskFilter",
    description="Which tasks. An absent or null member and an empty list say nothing; …After is inclusive, …Before "
    "exclusive, tags means all of them, …Contains ignores case.",
)
class TaskFilterInput:
    """A filter as it is asked for."""

    statuses: list[TaskStatus] | None = strawberry.field(default=UNSET, description="In one of these statuses.")
    name_contains: str | None = strawberry.field(default=UNSET, description="Whose name contains this.")
    tags: list[str] | None = strawberry.field(default=UNSET, description="With all of these tags.")
    url_contains: str | None = strawberry.field(default=UNSET, description="Whose URL contains this.")
    next_run_after: datetime | None = strawberry.field(default=UNSET, description="Due at or after this.")
    next_run_before: datetime | None = strawberry.field(default=UNSET, description="Due before this.")
    last_run_states: list[RunState] | None = strawberry.field(
        default=UNSET, description="Whose run with the newest scheduledFor is in one of these states."
    )


@strawberry.input(description="A task to make.")
class CreateTaskInput:
    """A task as it is asked for."""

    name: str = strawberry.field(description="What people call it; 1 to 255 characters.")
    trigger: TriggerInput = strawberry.field(description="When it is to be due.")
    action: HttpActionInput = strawberry.field(description="What it is to call.")
    retry: RetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are repeated; by default up to three attempts."
    )
    overlap: OverlapPolicy = strawberry.field(
        default=OverlapPolicy.SKIP, description="What it is to do while an earlier run is unfinished."
    )
    misfire: MisfirePolicy = strawberry.field(
        default=MisfirePolicy.LATEST, description="What is to become of instants that it missed."
    )
    on_lost: LostPolicy = strawberry.field(
        default=LostPolicy.RETRY, description="What is to become of an attempt whose worker was lost."
    )
    tags: list[str] = strawberry.field(
        default_factory=list, description="Words to find it by; at most 20, each of 1 to 64 characters."
    )
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Any text. Sending the same key and input again returns the task that the first call made, "
        "whatever has happened since (the key is looked up before anything is validated against the clock); kept as "
        "long as the task.",
    )

    def draft(self) -> TaskDraft:
        """The same, for the use case."""
        return TaskDraft(
            name=self.name,
            trigger=self.trigger.draft(),
            action=self.action.draft(),
            retry=self.retry.draft() if self.retry else RetryDraft(),
            overlap=self.overlap,
            misfire=self.misfire,
            on_lost=self.on_lost,
            tags=self.tags,
        )


@strawberry.input(
    description="What is absent or null stays as it is. A trigger is replaced whole; of an action or a retry policy "
    "only the members given change."
)
class UpdateTaskInput:
    """What is to change in a task."""

    name: str | None = strawberry.field(default=UNSET, description="What people call it; 1 to 255 characters.")
    trigger: TriggerInput | None = strawberry.field(
        default=UNSET, description="When it is to be due from now on; instants up to now are the old trigger's."
    )
    action: UpdateHttpActionInput | None = strawberry.field(default=UNSET, description="What it is to call.")
    retry: UpdateRetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are to be repeated."
    )
    overlap: OverlapPolicy | None = strawberry.field(
        default=UNSET, description="What it is to do while an earlier run is unfinished."
    )
    misfire: MisfirePolicy | None = strawberry.field(
        default=UNSET, description="What is to become of instants that it missed."
    )
    on_lost: LostPolicy | None = strawberry.field(
        default=UNSET, description="What is to become of an attempt whose worker was lost."
    )
    tags: list[str] | None = strawberry.field(
        default=UNSET, description="All words to find it by; at most 20, each of 1 to 64 characters."
    )
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuse the change unless the task has this version."
    )

    def changes(self) -> TaskUpdate:
        """The same, for the use case."""
        return TaskUpdate(
            name=given_or_none(self.name),
            trigger=self.trigger.draft() if self.trigger else None,
            action=self.action.members() if self.action else {},
            retry=self.retry.members() if self.retry else {},
            overlap=given_or_none(self.overlap),
            misfire=given_or_none(self.misfire),
            on_lost=given_or_none(self.on_lost),
            tags=given_or_none(self.tags),
        )


@strawberry.type(description="A task that was deleted.")
class DeletedTask:
    """What is left of it."""

    id: strawberry.ID = strawberry.field(description="The id that it had.")


def filter_of_tasks(given: TaskFilterInput | None) -> TaskFilter:
    """The filter for the query."""
    if not given:
        return TaskFilter()
    return TaskFilter(
        statuses=given.statuses or (),
        name_contains=given_or_none(given.name_contains),
        url_contains=given_or_none(given.url_contains),
        tags=given.tags or (),
        next_run_after=given_or_none(given.next_run_after),
        next_run_before=given_or_none(given.next_run_before),
        last_run_states=given.last_run_states or (),
    )


def key_in(order: TaskOrder, row: models.Task) -> tuple[datetime | str | None, UUID]:
    """Where a task stands in an order."""
    match order:
        case TaskOrder.NAME_ASC:
            return row.name, row.id
        case TaskOrder.NEXT_RUN_AT_ASC:
            return row.next_run, row.id
        case _:
            return row.created_at, row.id


async def task_page(info: Info, wanted: TaskFilter, *, order: TaskOrder, rows: Slice) -> connections.Connection[Task]:
    """A page of the tasks."""
    services = info.context.services
    async with services.session() as session:
        found, more = await tasks.page(session, wanted, order=order, rows=rows)

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        async with services.session() as session:
            return await tasks.has_more(session, wanted, order=order, key=at, backward=backward, inclusive=inclusive)

    async def count() -> int:
        async with services.session() as session:
            return await tasks.count(session, wanted)

    return connections.connection(
        found,
        listing=order,
        key=lambda row: key_in(order, row),
        node=Task.of,
        wanted=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
