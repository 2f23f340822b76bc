"""Reads tasks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, false, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from db import instances, prepared
from db.models import UNFINISHED_RUNS, RunSummary, Task, metadata
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


ORDERS = {
    TaskOrder.CREATED_AT_DESC: Order(value=col(Task.created_at), id=col(Task.id), descending=True),
    TaskOrder.CREATED_AT_ASC: Order(value=col(Task.created_at), id=col(Task.id)),
    TaskOrder.NEXT_RUN_AT_ASC: Order(value=col(Task.next_run), id=col(Task.id), nulls_last=True),
    TaskOrder.NAME_ASC: Order(value=col(Task.name), id=col(Task.id)),
}


TABLE = metadata.tables[Task.__tablename__]
NAMES = tuple(column.name for column in TABLE.c)
LARGE_NAMES = tuple(each.column.key for each in large_values.OF_TASKS)
SMALL_NAMES = tuple(name for name in NAMES if name not in LARGE_NAMES)

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


async def page(
    connection: AsyncConnection, filters: TaskFilter, *, order: TaskOrder, rows: Slice
) -> tuple[list[Task], bool]:
    """Return a slice of the tasks, without their large columns, and whether there are more in its direction."""
    found, more = await keyset.fetch(connection, statements(filters, order, rows), page=rows)
    return cast("list[Task]", found), more


async def page_and_count(
    connection: AsyncConnection, filters: TaskFilter, *, order: TaskOrder, rows: Slice
) -> tuple[list[Task], bool, int]:
    """Return what `page` and `count` return, in one round trip and at the same moment, unless the page is empty."""
    found, more = await keyset.fetch(connection, statements(filters, order, rows, counted=True), page=rows)
    total = found[0].total if found else await count(connection, filters)
    return cast("list[Task]", found), more, total


@lru_cache(maxsize=KEPT_STATEMENTS)
def statements(filters: TaskFilter, order: TaskOrder, rows: Slice, *, counted: bool = False) -> Sequence[Select[Any]]:
    """Return the statements of a slice, whose rows also have the `total` of all if it is `counted`."""
    columns: list[ColumnElement[Any]] = [TABLE.c[name] for name in SMALL_NAMES]
    if counted:
        columns.append(counting(filters).scalar_subquery().label("total"))
    return keyset.statements(select(*columns).where(*conditions(filters)), order=ORDERS[order], page=rows)


async def has_more(
    session: AsyncSession, filters: TaskFilter, *, order: TaskOrder, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any of the tasks follows (or, `backward`, precedes) the key."""
    statement = select(Task).where(*conditions(filters))
    return await keyset.has_rows_beyond(
        session, statement, order=ORDERS[order], key=key, backward=backward, inclusive=inclusive
    )


async def count(connection: AsyncConnection, filters: TaskFilter) -> int:
    """Return the number of tasks, counted at most to one beyond `keyset.COUNT_CAP`."""
    [[total]] = await prepared.select(connection, counting(filters))
    return cast("int", total)


@lru_cache(maxsize=KEPT_STATEMENTS)
def counting(filters: TaskFilter) -> Select[Any]:
    """Return the statement that counts tasks."""
    return keyset.counting(conditions(filters), of=col(Task.id))


async def page_by_number(
    connection: AsyncConnection, filters: TaskFilter, *, page: int, limit: int
) -> tuple[list[Task], int]:
    """Return a page, counted from 1, newest first, and the number of all tasks, both at the same moment."""
    found = await prepared.select(connection, numbered(filters, page, limit))
    # A page beyond the end has one row, which has the number alone.
    return [row for row in found if row.id is not None], found[0].total


@lru_cache(maxsize=KEPT_STATEMENTS)
def numbered(filters: TaskFilter, page: int, limit: int) -> Select[Any]:
    """Return the statement of a page by its number."""
    order = ORDERS[TaskOrder.CREATED_AT_DESC].sorting(backward=False)
    rows = select(*TABLE.c).where(*conditions(filters)).order_by(*order)
    found = rows.offset(keyset.offset(page, limit)).limit(limit).subquery()
    total = select(func.count().label("total")).select_from(Task).where(*conditions(filters)).subquery()
    newest_first = (found.c.created_at.desc(), found.c.id.desc())
    return select(*found.c, total.c.total).select_from(total.outerjoin(found, true())).order_by(*newest_first)
