"""Reads the columns whose values can be large.

Lists leave these columns out. Who needs a value reads its size first, so that it can refuse before the memory is spent.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer
from sqlalchemy.orm.interfaces import ORMOption
from sqlmodel import col

from db.models import AuditEntry, Run, Task, TaskVersion

Key = Hashable
"""A row's id, or its ids where it has several."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LargeColumn:
    """A column, how its row is found, and the columns that have to be read at the same moment.

    `weight` is how many bytes of memory a byte of its text takes.
    """

    column: Any
    ids: tuple[Any, ...]
    beside: tuple[Any, ...] = ()
    weight: int = 1

    def rows_with(self, keys: Iterable[Key]) -> ColumnElement[bool]:
        """Return the condition that a row has one of the keys."""
        found: ColumnElement[bool] = (self.ids[0] if len(self.ids) == 1 else tuple_(*self.ids)).in_(keys)
        return found


JSON_WEIGHT = 4
"""An array of numbers takes two bytes for each of them as text, and eight in memory."""

RESPONSE_BODY = LargeColumn(
    column=col(Run.response_body), ids=(col(Run.id),), beside=(col(Run.body_encoding), col(Run.body_truncated))
)
RESPONSE_HEADERS = LargeColumn(column=col(Run.response_headers), ids=(col(Run.id),), weight=JSON_WEIGHT)
PAYLOAD = LargeColumn(column=col(Task.payload), ids=(col(Task.id),), beside=(col(Task.version),), weight=JSON_WEIGHT)
EARLIER_PAYLOAD = LargeColumn(
    column=col(TaskVersion.payload), ids=(col(TaskVersion.task_id), col(TaskVersion.version)), weight=JSON_WEIGHT
)
BODY = LargeColumn(column=col(Task.body), ids=(col(Task.id),), beside=(col(Task.version),), weight=JSON_WEIGHT)
EARLIER_BODY = LargeColumn(
    column=col(TaskVersion.body), ids=(col(TaskVersion.task_id), col(TaskVersion.version)), weight=JSON_WEIGHT
)
METADATA = LargeColumn(column=col(Task.user_metadata), ids=(col(Task.id),), weight=JSON_WEIGHT)
RUN_BODY = LargeColumn(column=col(Run.input_body), ids=(col(Run.id),), weight=JSON_WEIGHT)
RUN_HEADERS = LargeColumn(column=col(Run.input_headers), ids=(col(Run.id),), weight=JSON_WEIGHT)
AUDIT_BEFORE = LargeColumn(column=col(AuditEntry.before), ids=(col(AuditEntry.id),), weight=JSON_WEIGHT)
AUDIT_AFTER = LargeColumn(column=col(AuditEntry.after), ids=(col(AuditEntry.id),), weight=JSON_WEIGHT)

OF_RUNS = (RESPONSE_BODY, RESPONSE_HEADERS, RUN_BODY, RUN_HEADERS)
OF_TASKS = (PAYLOAD, BODY, METADATA)
OF_VERSIONS = (EARLIER_PAYLOAD, EARLIER_BODY)
OF_AUDIT = (AUDIT_BEFORE, AUDIT_AFTER)


def left_out(columns: Iterable[LargeColumn], *, of: Any = None) -> list[ORMOption]:
    """Return the options by which a statement leaves the columns out, also `of` an alias of their table."""
    attributes: list[InstrumentedAttribute[Any]] = [
        each.column if of is None else getattr(of, each.column.key) for each in columns
    ]
    return [defer(attribute, raiseload=True) for attribute in attributes]


async def sizes(session: AsyncSession, of: LargeColumn, keys: Sequence[Key]) -> dict[Key, int]:
    """Return the bytes that each value has as text; the value of a row that does not exist has none."""
    size = func.coalesce(func.octet_length(cast(of.column, Text)), 0)
    found = await session.execute(select(*of.ids, size).where(of.rows_with(keys)))
    return dict.fromkeys(keys, 0) | {key_of(tuple(row), of): row[-1] for row in found}


async def values(session: AsyncSession, of: LargeColumn, keys: Sequence[Key]) -> dict[Key, tuple[Any, ...]]:
    """Return the value of each row that exists, followed by the columns beside it."""
    found = await session.execute(select(*of.ids, of.column, *of.beside).where(of.rows_with(keys)))
    return {key_of(tuple(row), of): tuple(row)[len(of.ids) :] for row in found}


def key_of(row: tuple[Any, ...], of: LargeColumn) -> Key:
    """Return the key of a row whose first columns are its ids."""
    return row[0] if len(of.ids) == 1 else row[: len(of.ids)]
