"""Reads tasks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, false, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from db import instances, prepared
from db.models import UNFINISHED_RUNS, ListedTask, RunSummary, Task, metadata
from db.postgres_text import is_postgres_text
from db.reads import keyset, large_values
from db.reads.keyset import Condition, Order, Slice
from db.states import RunState, TaskStatus


class TaskOrder(StrEnum):
    """The orders in which tasks can be listed. A null instant comes last."""

    CREATED_AT_DESC = "created_at_desc"
    CREATED_AT_ASC = "created_at_asc"
    NEXT_RUN_AT_ASC = "next_run_at_asc"
    NAME_ASC = "name_asc"


TABLE = metadata.tables[Task.__tablename__]
LISTED = metadata.tables[ListedTask.__tablename__].c
VALUES = {
    TaskOrder.CREATED_AT_DESC: "created_at",
    TaskOrder.CREATED_AT_ASC: "created_at",
    TaskOrder.NEXT_RUN_AT_ASC: "next_run",
    TaskOrder.NAME_ASC: "name",
}
"""The column by whose values each order sorts."""
ORDERS = {
    TaskOrder.CREATED_AT_DESC: Order(value=LISTED.created_at, id=LISTED.task_id, descending=True),
    TaskOrder.CREATED_AT_ASC: Order(value=LISTED.created_at, id=LISTED.task_id),
    TaskOrder.NEXT_RUN_AT_ASC: Order(value=TABLE.c.next_run, id=TABLE.c.id, nulls_last=True),
    TaskOrder.NAME_ASC: Order(value=LISTED.name, id=LISTED.task_id),
}
"""Each order in terms of the table that has an index of it."""

NAMES = tuple(column.name for column in TABLE.c)
LARGE_NAMES = tuple(each.column.key for each in large_values.OF_TASKS)
SMALL_NAMES = tuple(name for name in NAMES if name not in LARGE_NAMES)
COLUMNS = [TABLE.c[name] for name in SMALL_NAMES]

KEPT_STATEMENTS = 16
"""Number of statements that are kept of each kind. To make one takes as long as to read a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Selects tasks. Empty members select all; `tags` requires all of them; `…_contains` ignores case.

    `next_run_after` is inclusive, `next_run_before` exclusive.
    """

    external_ids: tuple[str, ...] = ()
    statuses: tuple[TaskStatus, ...] = ()
    name_contains: str | None = None
    url_contains: str | None = None
    tags: tuple[str, ...] = ()
    next_run_after: datetime | None = None
    next_run_before: datetime | None = None
    last_run_states: tuple[RunState, ...] = ()


def conditions(filters: TaskFilter, *, of: Any = Task) -> list[Condition]:
    """Return the filter as SQL, in terms of tasks or of an alias of them. No list contains deleted tasks."""
    found: list[Condition] = [
        of.deleted_at.is_(None),
        *keyset.containing(of.name, filters.name_contains),
        *keyset.containing(of.url, filters.url_contains),
    ]
    if filters.external_ids:
        found.append(of.external_id.in_([each for each in filters.external_ids if is_postgres_text(each)]))
    if filters.statuses:
        found.append(of.status.in_(filters.statuses))
    if filters.tags:
        found.append(has_tags(of, filters.tags))
    if filters.next_run_after is not None:
        found.append(of.next_run >= filters.next_run_after)
    if filters.next_run_before is not None:
        found.append(of.next_run < filters.next_run_before)
    if filters.last_run_states:
        found.append(last_state(of.id).in_(filters.last_run_states))
    return found


def has_tags(of: Any, tags: Sequence[str]) -> Condition:
    """Return the condition that a row has all of the tags."""
    condition: Condition = of.tags.contains(list(tags)) if all(map(is_postgres_text, tags)) else false()
    return condition


def calls_host(of: Any, host: str) -> Condition:
    """Return the condition that a row has a URL with that host, in any case, and with its port if that is given."""
    if not is_postgres_text(host):
        return false()
    return or_(of.host == host.lower(), func.regexp_replace(of.host, r":\d+$", "") == host.lower())


# The run with the newest instant is the newest one that has ended, unless one that is unfinished is newer.
RUN = UNFINISHED_RUNS.c
IS_NEWER_THAN_ENDED = ~exists().where(
    col(RunSummary.task_id) == RUN.task_id,
    tuple_(col(RunSummary.scheduled_for), col(RunSummary.run_id)) > tuple_(RUN.scheduled_for, RUN.id),
)


def last_state(task_id: Any) -> ColumnElement[Any]:
    """Return an expression for the state of the run with the newest instant of one task, which looks that run up."""
    unfinished = select(RUN.state).where(RUN.task_id == task_id, IS_NEWER_THAN_ENDED)
    newest = unfinished.order_by(RUN.scheduled_for.desc(), RUN.id.desc()).limit(1).scalar_subquery()
    ended = select(col(RunSummary.state)).where(col(RunSummary.task_id) == task_id).scalar_subquery()
    return func.coalesce(newest, ended)


async def find(session: AsyncSession, *, ids: Sequence[UUID], without_large: bool = False) -> dict[UUID, Task]:
    """Return those of the tasks that exist, without their large columns if requested."""
    statement = select(Task).where(col(Task.id).in_(ids), col(Task.deleted_at).is_(None))
    if without_large:
        statement = statement.options(*large_values.left_out(large_values.OF_TASKS))
    found = await session.scalars(statement)
    return {task.id: task for task in found}


async def find_by_external_ids(
    session: AsyncSession, *, external_ids: Collection[str], without_large: bool = False
) -> dict[str, Task]:
    """Return, by their external ids, those of the tasks that exist, without their large columns if requested."""
    if not external_ids:
        return {}
    statement = select(Task).where(*conditions(TaskFilter(external_ids=tuple(external_ids))))
    if without_large:
        statement = statement.options(*large_values.left_out(large_values.OF_TASKS))
    found = await session.scalars(statement)
    return {task.external_id: task for task in found if task.external_id is not None}


async def read_by_external_ids(connection: AsyncConnection, *, external_ids: Collection[str]) -> dict[str, Task]:
    """Return, by their external ids, those of the tasks that exist, belonging to no session."""
    if not external_ids:
        return {}
    statement = select(*TABLE.c).where(*conditions(TaskFilter(external_ids=tuple(external_ids))))
    found = [instances.new(Task, dict(zip(NAMES, row, strict=True))) for row in await connection.execute(statement)]
    return {task.external_id: task for task in found if task.external_id is not None}


async def get(session: AsyncSession, task_id: UUID) -> Task | None:
    """Return one task."""
    return (await find(session, ids=[task_id])).get(task_id)


async def page(connection: AsyncConnection, *, order: TaskOrder, rows: Slice) -> tuple[list[Task], bool]:
    """Return a slice of the tasks, without their large columns, and whether there are more in its direction."""
    found, more = await keyset.fetch(connection, statements(order, rows), page=rows)
    return cast("list[Task]", found), more


async def page_and_count(connection: AsyncConnection, *, order: TaskOrder, rows: Slice) -> tuple[list[Task], bool, int]:
    """Return what `page` and `count` return, in one round trip and at the same moment, unless the page is empty."""
    found, more = await keyset.fetch(connection, statements(order, rows, counted=True), page=rows)
    total = found[0].total if found else await count(connection)
    return cast("list[Task]", found), more, total


@lru_cache(maxsize=KEPT_STATEMENTS)
def statements(order: TaskOrder, rows: Slice, *, counted: bool = False) -> Sequence[Select[Any]]:
    """Return the statements of a slice, whose rows also have the `total` of all if it is `counted`."""
    totals = [COUNTING.scalar_subquery().label("total")] if counted else []
    return [
        first(order, zone, backward=rows.backward, limit=rows.limit + 1).add_columns(*totals)
        for zone in keyset.within(ORDERS[order], rows)
    ]


def first(order: TaskOrder, zone: Condition, *, backward: bool, limit: int) -> Select[Any]:
    """Return a query for the first tasks of a zone in an order, or in its reverse, without their large columns."""
    sorting = ORDERS[order].sorting(backward=backward)
    if order is TaskOrder.NEXT_RUN_AT_ASC:
        return select(*COLUMNS).where(TABLE.c.deleted_at.is_(None), zone).order_by(*sorting).limit(limit)
    found = listed(order).where(zone).order_by(*sorting).limit(limit)
    return with_rows(found, order, backward=backward, names=SMALL_NAMES)


def listed(order: TaskOrder) -> Select[Any]:
    """Return a query for the id of each task that is not deleted, and the value by which an order sorts it."""
    found = select(ORDERS[order].id.label("id"), ORDERS[order].value)
    return found.where(TABLE.c.deleted_at.is_(None)) if order is TaskOrder.NEXT_RUN_AT_ASC else found


def with_rows(found: Select[Any], order: TaskOrder, *, backward: bool, names: Sequence[str]) -> Select[Any]:
    """Return a query for columns of the tasks that a query of `listed_tasks` finds in an order.

    It looks up each of them: Postgres does not join what has an offset in any other way, whatever it knows of the size
    of the tables. The columns that are sorted by are those of the query, which Postgres knows to be sorted.
    """
    known = found.subquery("listed")
    row = select(TABLE).where(TABLE.c.id == known.c.id).offset(0).lateral("task")
    columns = [known.c[name] if name in known.c else row.c[name] for name in names]
    both = select(*columns).select_from(known.join(row, true()))
    return both.order_by(*order_of(known.c, order).sorting(backward=backward))


def order_of(task: Any, order: TaskOrder) -> Order:
    """Return an order in terms of tasks, or of a query for them."""
    return replace(ORDERS[order], value=task[VALUES[order]], id=task.id)


async def has_more(
    session: AsyncSession, *, order: TaskOrder, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any of the tasks follows (or, `backward`, precedes) the key."""
    return await keyset.has_rows_beyond(
        session, listed(order), order=ORDERS[order], key=key, backward=backward, inclusive=inclusive
    )


COUNTING = keyset.capped(select(LISTED.task_id))


async def count(connection: AsyncConnection) -> int:
    """Return the number of tasks, counted at most to one beyond `keyset.COUNT_CAP`."""
    [[total]] = await prepared.select(connection, COUNTING)
    return cast("int", total)


async def page_by_number(
    connection: AsyncConnection, statuses: tuple[TaskStatus, ...], *, page: int, limit: int
) -> tuple[list[Task], int]:
    """Return a page, counted from 1, newest first, and the number of all tasks, both at the same moment.

    With `statuses`, only tasks in one of them count.
    """
    found = await prepared.select(connection, numbered(statuses, page, limit))
    # A page beyond the end has one row, which has the number alone.
    return [row for row in found if row.id is not None], found[0].total


@lru_cache(maxsize=KEPT_STATEMENTS)
def numbered(statuses: tuple[TaskStatus, ...], page: int, limit: int) -> Select[Any]:
    """Return the statement of a page by its number."""
    order = TaskOrder.CREATED_AT_DESC
    wanted = [LISTED.status.in_(statuses)] if statuses else []
    newest_first = listed(order).where(*wanted).order_by(*ORDERS[order].sorting(backward=False))
    rows = newest_first.offset(keyset.offset(page, limit)).limit(limit)
    found = with_rows(rows, order, backward=False, names=NAMES).subquery()
    total = select(func.count().label("total")).select_from(LISTED.task_id.table).where(*wanted).subquery()
    both = select(*found.c, total.c.total).select_from(total.outerjoin(found, true()))
    return both.order_by(*order_of(found.c, order).sorting(backward=False))
