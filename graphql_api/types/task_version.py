"""The versions of a task: the definitions that it has had, who made them, and what they changed."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from db import models
from db.reads import definitions
from db.reads.definitions import Definition
from db.reads.keyset import Key, Slice
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from graphql_api import answer_size, cursors, instants
from graphql_api.context import Info
from graphql_api.errors import not_kept
from graphql_api.types import connections
from graphql_api.types.action import HttpAction
from graphql_api.types.retry import RetryPolicy
from graphql_api.types.trigger import Trigger, trigger_type_of
from jobs.tasks.versions import differences


@strawberry.type(description="One member in which a definition differs from the previous one.")
class TaskVersionChange:
    """A member before and after."""

    field: str = strawberry.field(description='The path of the member in CreateTaskInput, such as "action.url".')
    before: JSON | None = strawberry.field(
        description="The value before; null if it was not set. A secret is shown as a mark that changes with it."
    )
    after: JSON | None = strawberry.field(description="The value after; null if it is not set.")


@strawberry.type(description="A definition that a task has had since a version.")
class TaskVersion:
    """A definition of a task."""

    version: int = strawberry.field(description="The version that began the definition.")
    at: datetime = strawberry.field(description="When it began.")
    actor: str | None = strawberry.field(
        description="The name of the key that made it, as in the audit log; null where the audit log does not reach "
        "back that far."
    )
    name: str = strawberry.field(description="The task's name.")
    description: str = strawberry.field(description="A text about the task, for people.")
    action: HttpAction = strawberry.field(description="The request that the task made.")
    retry: RetryPolicy = strawberry.field(description="How failed attempts were retried.")
    overlap: OverlapPolicy = strawberry.field(
        description="What happened when the task was due while an earlier run was unfinished."
    )
    misfire: MisfirePolicy = strawberry.field(description="What happened to missed instants.")
    on_lost: LostPolicy = strawberry.field(description="What happened to an attempt whose worker was lost.")
    tags: list[str] = strawberry.field(description="Labels for filtering.")
    row: strawberry.Private[models.Task]
    previous: strawberry.Private[Callable[[], Awaitable[Definition | None]]]

    @staticmethod
    def of(definition: Definition, previous: Callable[[], Awaitable[Definition | None]]) -> "TaskVersion":
        """Return a version from a definition; `previous` returns the one before, if that is kept."""
        row = definition.task
        return TaskVersion(
            version=definition.version,
            at=definition.at,
            actor=definition.actor,
            name=row.name,
            description=row.description,
            action=HttpAction.of_definition(row),
            retry=RetryPolicy.of(row),
            overlap=row.overlap,
            misfire=row.misfire,
            on_lost=row.on_lost,
            tags=row.tags,
            row=row,
            previous=previous,
        )

    @strawberry.field(description="When the task was due.")
    def trigger(self) -> Trigger:
        """Return the trigger, which is of one of three kinds."""
        return trigger_type_of(self.row)

    @strawberry.field(
        description="What differs from the previous definition. Empty for the first definition, and for the oldest "
        "that "
        "is kept."
    )
    async def changes(self) -> list[TaskVersionChange]:
        """Return the members in which two definitions differ."""
        before = await self.previous()
        if before is None:
            return []
        return [
            TaskVersionChange(field=name, before=old, after=new)
            for name, old, new in differences(before.task, self.row)
        ]


async def version_page(info: Info, task_id: UUID, *, rows: Slice) -> connections.Connection[TaskVersion]:
    """Return a page of the definitions of a task."""
    services = info.context.services
    async with services.session() as session:
        answer_size.add(await definitions.size(session, task_id, rows=rows))
        found, more = await definitions.page(session, task_id, rows=rows)

    async def before(version: int) -> Definition | None:
        async with services.session() as session:
            return await definitions.before(session, task_id, version=version)

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        async with services.session() as session:
            return await definitions.has_more(session, task_id, key=at, backward=backward, inclusive=inclusive)

    async def count() -> int:
        async with services.session() as session:
            return await definitions.count(session, task_id) or 1

    return connections.connection(
        found,
        listing=cursors.VERSIONS,
        key=lambda definition: (definition.version, definition.version),
        node=lambda definition: TaskVersion.of(definition, partial(before, definition.version)),
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )


async def definition_at(info: Info, task_id: UUID, instant: datetime) -> Definition:
    """Return the definition that a task had at an instant. Raises GraphQL's NOT_KEPT."""
    async with info.context.services.session() as session:
        found = await definitions.at_instant(session, task_id, instant=instant)
    if found is None:
        raise not_kept(f"The definition that the task had at {instants.write(instant)} is no longer kept")
    return found
