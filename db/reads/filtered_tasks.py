"""Reads lists of tasks that a filter narrows, whether it selects few tasks or many.

A list first looks at some tasks near its start, among which a common filter finds its page. A rare one selects so few
tasks that all of them can be found by an index, and sorted.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, Text, cast, func, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.connection import plan_for_values
from db.models import RunSummary, Task, TaskWords
from db.reads import keyset, large_values
from db.reads.keyset import Condition, Order, Slice
from db.reads.tasks import IS_NEWER_THAN_ENDED, ORDERS, RUN, TaskFilter, TaskOrder, conditions, has_tags
from db.states import RunState, TaskStatus

NEAR = 1_000
"""How many tasks in the order of the list are looked at before the indexes of a filter are used.

By its estimates, Postgres would choose one of both ways for the whole list, and read half a million tasks if they are
wrong.
"""
FEW = 2_000
"""How many tasks are sorted before the start of the list is looked at, where an index yields them one by one."""
BY_CREATION = {TaskOrder.CREATED_AT_DESC, TaskOrder.CREATED_AT_ASC}


async def page(session: AsyncSession, filters: TaskFilter, *, order: TaskOrder, rows: Slice) -> tuple[list[Task], bool]:
    """Return a slice of the tasks, without their large columns, and whether there are more in its direction."""
    zones = keyset.within(ORDERS[order], rows)
    found = await read(session, filters, order=order, zones=zones, backward=rows.backward, limit=rows.limit + 1)
    return keyset.trimmed(found, page=rows)


async def has_more(
    session: AsyncSession, filters: TaskFilter, *, order: TaskOrder, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any of the tasks follows (or, `backward`, precedes) the key."""
    zones = ORDERS[order].beyond(key, backward=backward, inclusive=inclusive)
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
    await plan_for_values(session)
    for zone in zones:
        left = limit - len(found)
        its = (
            await few(session, filters, order, zone, backward=backward, limit=left) if filters.last_run_states else None
        )
        if its is None:
            near = first(order, zone, statuses=filters.statuses, backward=backward, limit=NEAR)
            task = aliased(Task, near.subquery())
            its = await rows_of(session, task, conditions(filters, of=task), order=order, backward=backward, limit=left)
            if len(its) < left:
                ids = sought(filters, order, zone, backward=backward, limit=left)
                its = await rows_of(session, Task, [col(Task.id).in_(ids)], order=order, backward=backward, limit=left)
        found += its
        if len(found) == limit:
            break
    return found


async def few(
    session: AsyncSession, filters: TaskFilter, order: TaskOrder, zone: Condition, *, backward: bool, limit: int
) -> list[Task] | None:
    """Return the first tasks in the order if a filter selects only a few, or None if there are more.

    The index of last states yields them one by one, so this costs little if there are more.
    """
    some = indexed(filters, col(Task.id), ORDERS[order].value.label("value")).where(zone).limit(FEW + 1).cte("some")
    number = select(func.count()).select_from(some).scalar_subquery()
    sorting = replace(ORDERS[order], value=some.c.value, id=some.c.id).sorting(backward=backward)
    found = (await session.execute(select(some.c.id, number).order_by(*sorting).limit(limit))).all()
    if found and found[0][1] > FEW:
        return None
    ids = [task_id for task_id, _ in found]
    return await rows_of(session, Task, [col(Task.id).in_(ids)], order=order, backward=backward, limit=limit)


def first(
    order: TaskOrder, zone: Condition, *, statuses: Collection[TaskStatus], backward: bool, limit: int
) -> Select[Any]:
    """Return a query for the first tasks in the order. By creation, those in the statuses are found by their index."""
    sorting = ORDERS[order].sorting(backward=backward)
    tasks = select(Task).where(col(Task.deleted_at).is_(None), zone)
    if not statuses or order not in BY_CREATION:
        return tasks.order_by(*sorting).limit(limit)
    those = [tasks.where(col(Task.status) == status).order_by(*sorting).limit(limit) for status in {*statuses}]
    if len(those) == 1:
        return those[0]
    task = aliased(Task, union_all(*(each.subquery().select() for each in those)).subquery())
    return select(task).order_by(*order_of(task, order).sorting(backward=backward)).limit(limit)


def sought(
    filters: TaskFilter, order: TaskOrder, zone: Condition, *, backward: bool, limit: int
) -> Select[tuple[UUID]]:
    """Return a query for the ids of the first tasks in the order, which finds all of them before it sorts them."""
    every = indexed(filters, col(Task.id), ORDERS[order].value.label("value")).where(zone)
    # Postgres plans a query with an offset alone, and so not for the order of the one around it.
    found = every.offset(0).subquery()
    sorting = replace(ORDERS[order], value=found.c.value, id=found.c.id).sorting(backward=backward)
    return select(found.c.id).order_by(*sorting).limit(limit)


async def rows_of(
    session: AsyncSession, task: Any, conditions: Sequence[Condition], *, order: TaskOrder, backward: bool, limit: int
) -> list[Task]:
    """Return the first rows in the order of tasks, or of an alias of them, without large columns."""
    statement = select(task).where(*conditions).options(*large_values.left_out(large_values.OF_TASKS, of=task))
    sorting = order_of(task, order).sorting(backward=backward)
    return list(await session.scalars(statement.order_by(*sorting).limit(limit)))


def order_of(task: Any, order: TaskOrder) -> Order:
    """Return the order in terms of an alias of tasks."""
    value = {TaskOrder.NEXT_RUN_AT_ASC: task.next_run, TaskOrder.NAME_ASC: task.name}.get(order, task.created_at)
    return replace(ORDERS[order], value=value, id=task.id)


async def count(session: AsyncSession, filters: TaskFilter) -> int:
    """Return the number of tasks, counted at most to one beyond `keyset.COUNT_CAP`."""
    await plan_for_values(session)
    return await keyset.counted(session, indexed(filters, col(Task.id)))


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
            words.append(col(TaskWords.tags) != cast([], ARRAY(Text)))
            words.append(has_tags(TaskWords, filters.tags))
        statement = statement.join(TaskWords, col(TaskWords.task_id) == col(Task.id)).where(*words)
    if filters.last_run_states:
        last = last_in(filters.last_run_states).subquery("last")
        statement = statement.join(last, last.c.task_id == col(Task.id))
    return statement


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
