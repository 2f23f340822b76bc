"""Reads tasks."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    cast,
    exists,
    false,
    func,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.connection import plan_for_values
from db.models import UNFINISHED_RUNS, RunSummary, Task, TaskWords
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


BY_CREATION = {TaskOrder.CREATED_AT_DESC: True, TaskOrder.CREATED_AT_ASC: False}
"""Whether each order by creation is descending."""


def order_of(order: TaskOrder, task: Any = Task) -> Order:
    """Return the order in terms of tasks, or of an alias of them."""
    if order in BY_CREATION:
        return Order(value=task.created_at, id=task.id, descending=BY_CREATION[order])
    if order is TaskOrder.NAME_ASC:
        return Order(value=task.name, id=task.id)
    return Order(value=task.next_run, id=task.id, nulls_last=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Selects tasks. Empty members select all; `tags` requires all of them; `…_contains` ignores case.

    `next_run_after` is inclusive, `next_run_before` exclusive.
    """

    external_ids: Collection[str] = ()
    statuses: Collection[TaskStatus] = ()
    name_contains: str | None = None
    url_contains: str | None = None
    tags: Sequence[str] = ()
    next_run_after: datetime | None = None
    next_run_before: datetime | None = None
    last_run_states: Collection[RunState] = ()


NEAR = 2_000
"""How many tasks in the order of the list are looked at before a filter's own indexes are used.

A common filter finds its page among them. Of a rare one, there are so few tasks that all of them can be sorted. By its
estimates, Postgres would choose one of both ways for the whole list, and reads half a million tasks if they are wrong.
"""


def conditions(filters: TaskFilter, *, of: Any = Task) -> list[Condition]:
    """Return the filter as SQL, in terms of a task's own columns, also `of` an alias. No list has deleted tasks."""
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


def indexed(filters: TaskFilter, *columns: Any) -> Select[Any]:
    """Return a query for columns of the same tasks, worded so that an index finds them."""
    others = replace(filters, name_contains=None, url_contains=None, tags=(), last_run_states=())
    statement = select(*columns).select_from(Task).where(*conditions(others))
    if filters.name_contains is not None or filters.url_contains is not None or filters.tags:
        words = [
            *keyset.like(col(TaskWords.name), filters.name_contains),
            *keyset.like(col(TaskWords.url), filters.url_contains),
        ]
        if filters.tags:
            # Repeats the condition of the index.
            words += [col(TaskWords.tags) != cast([], ARRAY(Text)), has_tags(TaskWords, filters.tags)]
        statement = statement.join(TaskWords, col(TaskWords.task_id) == col(Task.id)).where(*words)
    if filters.last_run_states:
        last = last_in(filters.last_run_states).subquery("last")
        statement = statement.join(last, last.c.task_id == col(Task.id))
    return statement


def has_tags(of: Any, tags: Sequence[str]) -> Condition:
    """Return the condition that a row has all of the tags."""
    condition: Condition = of.tags.contains(list(tags)) if all(map(is_postgres_text, tags)) else false()
    return condition


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


def last_in(states: Collection[RunState]) -> CompoundSelect[Any]:
    """Return a query for the ids of the tasks, each once, whose run with the newest instant is in one of the states.

    It finds those by the state. Unfinished runs are few.
    """
    newest = select(RUN.task_id, RUN.state).ext(distinct_on(RUN.task_id)).where(IS_NEWER_THAN_ENDED)
    unfinished = newest.order_by(RUN.task_id, RUN.scheduled_for.desc(), RUN.id.desc()).subquery("unfinished")
    ended = col(RunSummary.task_id)
    return union_all(
        select(ended).where(col(RunSummary.state).in_(states), ended.not_in(select(unfinished.c.task_id))),
        select(unfinished.c.task_id).where(unfinished.c.state.in_(states)),
    )


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
    filters = TaskFilter(external_ids=external_ids)
    statement = select(Task).where(*conditions(filters))
    if without_large:
        statement = statement.options(*large_values.left_out(large_values.OF_TASKS))
    found = await session.scalars(statement) if external_ids else ()
    return {task.external_id: task for task in found if task.external_id is not None}


async def get(session: AsyncSession, task_id: UUID) -> Task | None:
    """Return one task."""
    return (await find(session, ids=[task_id])).get(task_id)


async def page(session: AsyncSession, filters: TaskFilter, *, order: TaskOrder, rows: Slice) -> tuple[list[Task], bool]:
    """Return a slice of the tasks, without their large columns, and whether there are more in its direction."""
    zones = keyset.within(order_of(order), rows)
    found = await read(session, filters, order=order, zones=zones, backward=rows.backward, limit=rows.limit + 1)
    return keyset.trimmed(found, page=rows)


async def has_more(
    session: AsyncSession, filters: TaskFilter, *, order: TaskOrder, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any of the tasks follows (or, `backward`, precedes) the key."""
    zones = order_of(order).beyond(key, backward=backward, inclusive=inclusive)
    return bool(await read(session, filters, order=order, zones=zones, backward=backward, limit=1))


async def read(
    session: AsyncSession,
    filters: TaskFilter,
    *,
    order: TaskOrder,
    zones: Iterable[Condition],
    backward: bool,
    limit: int,
) -> list[Task]:
    """Return the first tasks in the order, or in its reverse, from one zone after another, without large columns."""
    found: list[Task] = []
    if filters != TaskFilter():
        await plan_for_values(session)
    for zone in zones:
        left = limit - len(found)
        task = aliased(Task, first(order, zone, statuses=filters.statuses, backward=backward, limit=NEAR).subquery())
        its = await rows_of(session, task, conditions(filters, of=task), order=order, backward=backward, limit=left)
        if len(its) < left and filters != TaskFilter():
            ids = sought(filters, order, zone, backward=backward, limit=left)
            its = await rows_of(session, Task, [col(Task.id).in_(ids)], order=order, backward=backward, limit=left)
        found += its
        if len(found) == limit:
            break
    return found


def first(
    order: TaskOrder, zone: Condition, *, statuses: Collection[TaskStatus], backward: bool, limit: int
) -> Select[Any]:
    """Return a query for the first tasks in the order. By creation, those in the statuses are found by their index."""
    sorting = order_of(order).sorting(backward=backward)
    tasks = select(Task).where(col(Task.deleted_at).is_(None), zone)
    if not statuses or order not in BY_CREATION:
        return tasks.order_by(*sorting).limit(limit)
    those = [tasks.where(col(Task.status) == status).order_by(*sorting).limit(limit) for status in {*statuses}]
    if len(those) == 1:
        return those[0]
    task = aliased(Task, union_all(*(each.subquery().select() for each in those)).subquery())
    return select(task).order_by(*order_of(order, task).sorting(backward=backward)).limit(limit)


def sought(
    filters: TaskFilter, order: TaskOrder, zone: Condition, *, backward: bool, limit: int
) -> Select[tuple[UUID]]:
    """Return a query for the ids of the first tasks in the order, which finds all of them before it sorts them."""
    every = indexed(filters, col(Task.id), order_of(order).value.label("value")).where(zone)
    # Postgres plans a query with an offset alone, and so not for the order of the one around it.
    found = every.offset(0).subquery()
    sorting = replace(order_of(order), value=found.c.value, id=found.c.id).sorting(backward=backward)
    return select(found.c.id).order_by(*sorting).limit(limit)


async def rows_of(
    session: AsyncSession, task: Any, conditions: Sequence[Condition], *, order: TaskOrder, backward: bool, limit: int
) -> list[Task]:
    """Return the first rows in the order of tasks, or of an alias of them, without large columns."""
    statement = select(task).where(*conditions).options(*large_values.left_out(large_values.OF_TASKS, of=task))
    sorting = order_of(order, task).sorting(backward=backward)
    return list(await session.scalars(statement.order_by(*sorting).limit(limit)))


async def count(session: AsyncSession, filters: TaskFilter) -> int:
    """Return the number of tasks, counted at most to one beyond `keyset.COUNT_CAP`."""
    if filters != TaskFilter():
        await plan_for_values(session)
    return await keyset.counted(session, indexed(filters, col(Task.id)))


async def page_by_number(
    session: AsyncSession, filters: TaskFilter, *, page: int, limit: int
) -> tuple[list[Task], int]:
    """Return a page, counted from 1, newest first, and the number of all tasks, both at the same moment."""
    order, skipped = TaskOrder.CREATED_AT_DESC, keyset.offset(page, limit)
    last = min(skipped + limit, keyset.MAX_OFFSET)
    tasks = first(order, true(), statuses=filters.statuses, backward=False, limit=last).subquery()
    task = aliased(Task, tasks)
    sorting = order_of(order, task).sorting(backward=False)
    found = await session.scalars(
        select(task).where(*conditions(filters, of=task)).order_by(*sorting).offset(skipped).limit(limit)
    )
    total = await session.scalar(select(func.count()).select_from(Task).where(*conditions(filters)))
    return list(found), total or 0
