"""Lists of tasks: the filter, the orders, a page."""

from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.reads import filtered_tasks, tasks
from db.reads.keyset import Key, Slice
from db.reads.tasks import TaskFilter, TaskOrder
from db.states import RunState, TaskStatus
from graphql_api.context import Info
from graphql_api.types import connections
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import Task


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
    selects_all, counted = filters == TaskFilter(), connections.selects_count(info)
    total: int | None = None
    async with services.reading() as connection:
        if not selects_all:
            found, more, total = await filtered_tasks.page(connection, filters, order=order, rows=rows, counted=counted)
        elif counted:
            found, more, total = await tasks.page_and_count(connection, order=order, rows=rows)
        else:
            found, more = await tasks.page(connection, order=order, rows=rows)

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        if selects_all:
            async with services.session() as session:
                return await tasks.has_more(session, order=order, key=at, backward=backward, inclusive=inclusive)
        async with services.reading() as connection:
            return await filtered_tasks.has_more(
                connection, filters, order=order, key=at, backward=backward, inclusive=inclusive
            )

    async def count() -> int:
        async with services.reading() as connection:
            return await (tasks.count(connection) if selects_all else filtered_tasks.count(connection, filters))

    return connections.connection(
        found,
        listing=order,
        key=lambda row: key_in(order, row),
        node=partial(Task.of, now=utc_now()),
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
        total=total,
    )
