"""Reads runs."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, TableValuedAlias, Uuid, column, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.connection import is_timeout, look_up_rows
from db.models import ResultCount, Run, Task
from db.reads import keyset, large_values
from db.reads.keyset import Condition, Order, Slice
from db.reads.tasks import calls_host, has_tags
from db.states import UNFINISHED, UNSUCCESSFUL, RunCause, RunState

NEWEST_FIRST = Order(value=col(Run.scheduled_for), id=col(Run.id), descending=True)


FEW_TASKS = 100
"""Up to this number of tasks, the newest runs of each are found by its index; with more, they are picked from a list of
all runs."""
SEARCHES_WITHIN = timedelta(seconds=5)
"""How long one statement may search the history by what no index has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Selects runs. Empty members select all; `scheduled_after` is inclusive, `scheduled_before` exclusive.

    `tags` and `host` are those of the runs' tasks, which `task_ids` names once they are known to be few.
    """

    task_id: UUID | None = None
    task_ids: tuple[UUID, ...] | None = None
    tags: tuple[str, ...] = ()
    host: str | None = None
    status_code: int | None = None
    error_contains: str | None = None
    states: Collection[RunState] = ()
    causes: Collection[RunCause] = ()
    success: bool | None = None
    scheduled_after: datetime | None = None
    scheduled_before: datetime | None = None

    @property
    def is_search(self) -> bool:
        """Whether the filter has a member that no index of runs serves, so that a list may have to read many."""
        return bool(self.tags) or any(
            each is not None for each in (self.task_ids, self.host, self.status_code, self.error_contains)
        )


def conditions(filters: RunFilter) -> list[Condition]:
    """Return the filter as SQL."""
    found = [not_deleted()]
    if filters.task_id is not None:
        found.append(col(Run.task_id) == filters.task_id)
    if filters.task_ids is not None:
        found.append(col(Run.task_id).in_(filters.task_ids))
    if filters.tags or filters.host is not None:
        # Within another expression the tasks are read once and hashed, and do not become a join.
        found.append(col(Run.task_id).in_(tasks_of(filters)).is_(other=True))
    if filters.status_code is not None:
        found.append(col(Run.status_code) == filters.status_code)
    found += keyset.containing(cast("Any", Run.error_message), filters.error_contains)
    if filters.states:
        found.append(col(Run.state).in_(filters.states))
    if filters.causes:
        found.append(col(Run.cause).in_(filters.causes))
    if filters.success is not None:
        found.append(col(Run.success).is_(filters.success))
        if not filters.success:
            # Repeats the condition in the words of the index on unsuccessful runs.
            found.append(col(Run.state).in_(UNSUCCESSFUL))
    if filters.scheduled_after is not None:
        found.append(col(Run.scheduled_for) >= filters.scheduled_after)
    if filters.scheduled_before is not None:
        found.append(col(Run.scheduled_for) < filters.scheduled_before)
    return found


def tasks_of(filters: RunFilter) -> Select[Any]:
    """Return a query for the ids of the tasks whose runs the filter selects by tags and host."""
    found = select(col(Task.id)).where(col(Task.deleted_at).is_(None))
    if filters.tags:
        found = found.where(has_tags(Task, filters.tags))
    if filters.host is not None:
        found = found.where(calls_host(Task, filters.host))
    return found


async def with_few_tasks(session: AsyncSession, filters: RunFilter) -> RunFilter:
    """Return the filter with the ids of its tasks in place of their tags and host, if they are few."""
    if not filters.tags and filters.host is None:
        return filters
    ids = (await session.scalars(tasks_of(filters).limit(FEW_TASKS + 1))).all()
    return filters if len(ids) > FEW_TASKS else replace(filters, tags=(), host=None, task_ids=tuple(ids))


@asynccontextmanager
async def searching(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Yield a session for a filter that is a search. Raises `SearchTooLong` when a statement takes longer than that."""
    milliseconds = str(int(SEARCHES_WITHIN.total_seconds() * 1000))
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await session.execute(select(func.set_config("statement_timeout", milliseconds, literal(value=True))))
        try:
            yield session
        except DBAPIError as error:
            if is_timeout(error):
                raise SearchTooLong from error
            raise


class SearchTooLong(Exception):
    """The history has too many runs to search them all for what a filter selects."""


def not_deleted() -> Condition:
    """Return the condition that the run's task was not deleted. Deleted tasks are few, and have an index of their own.

    They are read once and hashed. A NOT EXISTS becomes a join; with its estimate of one row, Postgres reads and sorts
    all runs of a task to find the newest.
    """
    return col(Run.task_id).not_in(select(col(Task.id)).where(col(Task.deleted_at).is_not(None)))


def each(task_ids: Sequence[UUID]) -> TableValuedAlias:
    """Return the tasks as a table of ids for a lateral join: an index look-up for each, all in one statement."""
    ids = func.unnest(literal(list(task_ids), ARRAY(Uuid)))
    return ids.table_valued(column("id", Uuid), name="asked").render_derived()


async def find(session: AsyncSession, *, ids: Sequence[UUID], again: bool = False) -> dict[UUID, Run]:
    """Return those of the runs that exist, without their large columns; with `again`, in their state after a change."""
    statement = select(Run).where(col(Run.id).in_(ids), not_deleted())
    statement = statement.options(*large_values.left_out(large_values.OF_RUNS))
    found = await session.scalars(statement.execution_options(populate_existing=again))
    return {run.id: run for run in found}


async def get(session: AsyncSession, run_id: UUID) -> Run | None:
    """Return a run with all its columns, or None if it does not exist."""
    found: Run | None = await session.scalar(select(Run).where(col(Run.id) == run_id, not_deleted()))
    return found


async def inputs(session: AsyncSession, *, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return what each of the runs sends in place of its task's own, by the names of the columns."""
    if not ids:
        return {}
    found = await session.execute(
        select(col(Run.id), col(Run.input_body), col(Run.input_headers)).where(col(Run.id).in_(ids))
    )
    return {row.id: {"input_body": row.input_body, "input_headers": row.input_headers} for row in found}


async def page(session: AsyncSession, filters: RunFilter, *, rows: Slice) -> tuple[list[Run], bool]:
    """Return a slice of the runs, newest first, without their large columns, and whether there are more in its
    direction.
    """
    filters = await with_few_tasks(session, filters)
    await look_up_rows(session)
    if filters.task_ids is not None:
        statement = newest_of_each(filters, task_ids=filters.task_ids, rows=rows)
        return keyset.trimmed(list(await session.scalars(statement.limit(rows.limit + 1))), page=rows)
    [bound] = keyset.within(NEWEST_FIRST, rows)
    sorting = NEWEST_FIRST.sorting(backward=rows.backward)
    parts = [
        select(Run).where(*conditions(part), bound).order_by(*sorting).limit(rows.limit + 1)
        for part in by_state(filters)
    ]
    run: Any = aliased(Run, union_all(*(part.subquery().select() for part in parts)).subquery())
    order = replace(NEWEST_FIRST, value=run.scheduled_for, id=run.id)
    statement = select(run).options(*large_values.left_out(large_values.OF_RUNS, of=run))
    found = await session.scalars(statement.order_by(*order.sorting(backward=rows.backward)).limit(rows.limit + 1))
    return keyset.trimmed(list(found), page=rows)


def by_state(filters: RunFilter) -> list[RunFilter]:
    """Return filters that together select the same runs, each of which one index serves in the order of the list.

    The index of unsuccessful runs has them in this order for each state, so several states are read side by side. A
    run with an error is one of them, or unfinished.
    """
    asked = {*filters.states} or {*RunState}
    has_error = filters.error_contains is not None
    states = asked & {*UNSUCCESSFUL}
    if filters.task_id is not None or not (has_error or filters.success is False or states == asked):
        return [filters]
    parts = [replace(filters, states=(state,)) for state in sorted(states)]
    if has_error and filters.success is None and (unfinished := asked & {*UNFINISHED}):
        parts.append(replace(filters, states=tuple(sorted(unfinished))))
    return parts or [replace(filters, task_ids=())]


async def pages(
    session: AsyncSession, filters: RunFilter, *, task_ids: Sequence[UUID], rows: Slice
) -> dict[UUID, tuple[list[Run], bool]]:
    """Return the same slice of the runs of each of several tasks, in one statement, without their large columns."""
    await look_up_rows(session)
    found: dict[UUID, list[Run]] = {task_id: [] for task_id in task_ids}
    for its in await session.scalars(newest_of_each(filters, task_ids=task_ids, rows=rows)):
        found[its.task_id].append(its)
    return {task_id: keyset.trimmed(their, page=rows) for task_id, their in found.items()}


def newest_of_each(filters: RunFilter, *, task_ids: Sequence[UUID], rows: Slice) -> Select[Any]:
    """Return the statement that reads the same slice of the runs of each of several tasks, to one row beyond it.

    All of them come in the order of one list.
    """
    tasks = each(task_ids)
    sorting = NEWEST_FIRST.sorting(backward=rows.backward)
    [bound] = keyset.within(NEWEST_FIRST, rows)
    newest = (
        select(Run)
        .where(col(Run.task_id) == tasks.c.id, *conditions(replace(filters, task_ids=None)), bound)
        .order_by(*sorting)
        .limit(rows.limit + 1)
        .lateral("newest")
    )
    run = aliased(Run, newest)
    order = Order(value=col(run.scheduled_for), id=col(run.id), descending=True)
    without_large = large_values.left_out(large_values.OF_RUNS, of=run)
    statement = select(run).select_from(tasks.join(newest, true())).options(*without_large)
    return statement.order_by(*order.sorting(backward=rows.backward))


async def has_more(
    session: AsyncSession, filters: RunFilter, *, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any of the runs follows (or, `backward`, precedes) the key."""
    filters = await with_few_tasks(session, filters)
    await look_up_rows(session)
    statement = select(Run).where(*conditions(filters))
    return await keyset.has_rows_beyond(
        session, statement, order=NEWEST_FIRST, key=key, backward=backward, inclusive=inclusive
    )


async def count(session: AsyncSession, filters: RunFilter) -> int:
    """Return the number of runs, counted at most to one beyond `keyset.COUNT_CAP`."""
    filters = await with_few_tasks(session, filters)
    await look_up_rows(session)
    if filters.error_contains is None:
        return await keyset.count(session, conditions(filters), of=col(Run.id))
    parts = union_all(*(select(col(Run.id)).where(*conditions(part)) for part in by_state(filters))).subquery()
    return await keyset.counted(session, select(parts.c.id))


async def counts(session: AsyncSession, filters: RunFilter, *, task_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of runs of each of several tasks, capped in the same way, in one statement."""
    tasks = each(task_ids)
    its = (
        select(col(Run.id))
        .where(col(Run.task_id) == tasks.c.id, *conditions(filters))
        .limit(keyset.COUNT_CAP + 1)
        .lateral("its")
    )
    statement = select(tasks.c.id, func.count()).select_from(tasks.join(its, true())).group_by(tasks.c.id)
    counted = await session.execute(statement)
    return dict.fromkeys(task_ids, 0) | {row[0]: row[1] for row in counted}


async def results_by_number(
    session: AsyncSession, *, task_id: UUID | None = None, success: bool | None = None, page: int, limit: int
) -> tuple[list[Run], int]:
    """Return a page, counted from 1, of the finished runs with an attempt, newest start first, and their number."""
    filters = conditions(RunFilter(task_id=task_id, success=success))
    those = (*filters, col(Run.finished_at).is_not(None), col(Run.run_at).is_not(None))
    newest_first = select(Run).where(*those).order_by(col(Run.run_at).desc(), col(Run.id).desc())
    found = await session.scalars(newest_first.offset(keyset.offset(page, limit)).limit(limit))
    return list(found), await number_of_results(session, task_id=task_id, success=success)


async def number_of_results(session: AsyncSession, *, task_id: UUID | None, success: bool | None) -> int:
    """Return the exact number of ended runs with an attempt, of one task or of all, without counting all runs.

    The runs of a deleted task count no more from the moment of its deletion, although they are removed later.
    """
    those = [col(Run.finished_at).is_not(None), col(Run.run_at).is_not(None)]
    if success is not None:
        those.append(col(Run.success).is_(success))
    of_tasks = select(func.count()).select_from(Run).join(Task, col(Task.id) == col(Run.task_id)).where(*those)
    if task_id is not None:
        total = of_tasks.where(col(Task.id) == task_id, col(Task.deleted_at).is_(None))
    else:
        number = {None: "results", True: "succeeded", False: "unsuccessful"}[success]
        deleted = of_tasks.where(col(Task.deleted_at).is_not(None)).scalar_subquery()
        total = select(func.coalesce(func.sum(getattr(ResultCount, number)), 0) - deleted)
    return int(await session.scalar(total) or 0)
