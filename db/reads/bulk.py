"""Selects what an operation on many tasks or runs acts on, and reads operations."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import BulkOperation, Run
from db.reads import filtered_tasks, runs
from db.reads.runs import RunFilter
from db.reads.tasks import TaskFilter
from db.states import UNFINISHED, BulkAction, BulkState, RunState


def selected_tasks(filters: TaskFilter) -> Select[Any]:
    """Return a query for the ids of the tasks that a filter selects."""
    return filtered_tasks.indexed(filters)


async def selected_runs(session: AsyncSession, filters: RunFilter, *, action: BulkAction) -> Select[Any]:
    """Return a query for the ids of the runs that a filter selects and to which the action can apply."""
    concerned = {*UNFINISHED} if action is BulkAction.CANCEL_RUNS else {*RunState} - {*UNFINISHED}
    states = ({*filters.states} or {*RunState}) & concerned
    if not states:
        return select(col(Run.id).label("id")).where(false())
    few = await runs.with_few_tasks(session, replace(filters, states=tuple(sorted(states))))
    parts: list[Select[Any]] = [
        select(col(Run.id).label("id")).where(*runs.conditions(part)) for part in runs.by_state(few)
    ]
    found = union_all(*parts).subquery()
    return select(found.c.id)


async def count(session: AsyncSession, selected: Select[Any], *, most: int) -> int:
    """Return the number of rows that a query selects, counted at most to one beyond a bound."""
    return await session.scalar(select(func.count()).select_from(selected.limit(most + 1).subquery())) or 0


async def find(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, BulkOperation]:
    """Return those of the operations that exist."""
    found = await session.scalars(select(BulkOperation).where(col(BulkOperation.id).in_(ids)))
    return {operation.id: operation for operation in found}


async def newest(session: AsyncSession, *, limit: int) -> Sequence[BulkOperation]:
    """Return the newest operations, newest first."""
    newest_first = (col(BulkOperation.created_at).desc(), col(BulkOperation.id).desc())
    return (await session.scalars(select(BulkOperation).order_by(*newest_first).limit(limit))).all()


async def running(session: AsyncSession) -> int:
    """Return the number of operations that are not finished."""
    unfinished = select(func.count()).where(col(BulkOperation.state) == BulkState.RUNNING)
    return await session.scalar(unfinished) or 0
