"""Reads the definitions that tasks have had."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from db import instances
from db.definitions import ORIGIN
from db.models import DEFINED, TASK_DEFINITIONS, Task
from db.reads import keyset
from db.reads.keyset import Order, Slice
from db.reads.large_values import JSON_WEIGHT

TABLE = TASK_DEFINITIONS.c
NAMES = ("version", "at", "actor", *DEFINED)
NEWEST_FIRST = Order(value=TABLE.version, id=TABLE.version, descending=True)
# A payload is read as a text, as everywhere.
READ = ", ".join(f"CAST(t.{name} AS text) AS {name}" if name == "payload" else f"t.{name}" for name in DEFINED)
ORIGIN_OF = text(ORIGIN.format(columns=READ)).columns(*TABLE)


class Definition(NamedTuple):
    """A definition that a task has, or has had, since a version. `task` has nothing but the columns of a definition."""

    version: int
    at: datetime
    actor: str | None
    task: Task


def of_task(task_id: UUID) -> Select[Any]:
    """Return a query for the definitions of a task that was changed."""
    return select(*(TABLE[name] for name in NAMES)).where(TABLE.task_id == task_id)


async def page(session: AsyncSession, task_id: UUID, *, rows: Slice) -> tuple[list[Definition], bool]:
    """Return a slice of the definitions of a task, newest first, and whether there are more in its direction."""
    found, more = await keyset.fetch(
        session, keyset.statements(of_task(task_id), order=NEWEST_FIRST, page=rows), page=rows
    )
    definitions = [definition_of(row) for row in found]
    if not definitions and not await count(session, task_id):
        definitions = [each for each in await origin(session, task_id) if within(each.version, rows)]
    return definitions, more


async def before(session: AsyncSession, task_id: UUID, *, version: int) -> Definition | None:
    """Return the definition before a version, or None if it does not exist or is no longer kept."""
    return await newest(session, of_task(task_id).where(TABLE.version < version))


async def at_version(session: AsyncSession, task_id: UUID, *, version: int) -> Definition | None:
    """Return the definition that a task had at a version, or None if it is not kept."""
    found = await newest(session, of_task(task_id).where(TABLE.version <= version))
    if found is None and not await count(session, task_id):
        found = next((each for each in await origin(session, task_id) if each.version <= version), None)
    return found


async def at_instant(session: AsyncSession, task_id: UUID, *, instant: datetime) -> Definition | None:
    """Return the definition that a task had at an instant, or None if it is not kept."""
    found = await newest(session, of_task(task_id).where(TABLE.at <= instant))
    if found is None and not await count(session, task_id):
        found = next((each for each in await origin(session, task_id) if each.at <= instant), None)
    return found


async def count(session: AsyncSession, task_id: UUID) -> int:
    """Return the number of definitions that are kept of a task that was changed; 0 for one that was not."""
    return await session.scalar(select(func.count()).where(TABLE.task_id == task_id)) or 0


async def has_more(session: AsyncSession, task_id: UUID, *, key: keyset.Key, backward: bool, inclusive: bool) -> bool:
    """Return whether a definition of the task follows (or, `backward`, precedes) the key."""
    return await keyset.has_rows_beyond(
        session, of_task(task_id), order=NEWEST_FIRST, key=key, backward=backward, inclusive=inclusive
    )


async def size(session: AsyncSession, task_id: UUID, *, rows: Slice) -> int:
    """Return how much memory the large values of a slice take, and of the definition before it."""
    large = sum(
        (func.coalesce(func.octet_length(cast(TABLE[name], Text)), 0) for name in ("payload", "body", "user_metadata")),
        start=cast(0, TABLE.version.type),
    )
    [zone] = keyset.within(NEWEST_FIRST, rows)
    sizes = (
        select(large.label("bytes"))
        .where(TABLE.task_id == task_id, zone)
        .order_by(*NEWEST_FIRST.sorting(backward=rows.backward))
        .limit(rows.limit + 1)
        .subquery()
    )
    return JSON_WEIGHT * (await session.scalar(select(func.coalesce(func.sum(sizes.c.bytes), 0))) or 0)


async def newest(session: AsyncSession, statement: Select[Any]) -> Definition | None:
    """Return the newest of some definitions."""
    found = (await session.execute(statement.order_by(TABLE.version.desc()).limit(1))).first()
    return None if found is None else definition_of(found)


async def origin(session: AsyncSession, task_id: UUID) -> list[Definition]:
    """Return the definition of a task that was never changed."""
    return [definition_of(row[1:]) for row in await session.execute(ORIGIN_OF, {"task_ids": [task_id]})]


def definition_of(row: Iterable[Any]) -> Definition:
    """Return a definition from its row."""
    version, at, actor, *columns = row
    return Definition(version, at, actor, instances.read(Task, DEFINED, columns))


def within(version: int, rows: Slice) -> bool:
    """Return whether a version lies between the keys of a slice."""
    after = rows.after is None or version < rows.after[0]
    return after and (rows.before is None or version > rows.before[0])
