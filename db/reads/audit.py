"""Reads the audit log."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import false, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from db.models import AuditEntry
from db.postgres_text import is_postgres_text
from db.reads import keyset, large_values
from db.reads.keyset import Condition, Order, Slice

NEWEST_FIRST = Order(value=col(AuditEntry.at), id=col(AuditEntry.id), descending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Selects entries. None selects all; `after` is inclusive, `before` exclusive."""

    task_id: UUID | None = None
    key_name: str | None = None
    action: str | None = None
    after: datetime | None = None
    before: datetime | None = None


def conditions(filters: AuditFilter) -> list[Condition]:
    """Return the filter as SQL."""
    found: list[Condition] = []
    if filters.task_id is not None:
        found.append(col(AuditEntry.task_id) == filters.task_id)
    for column, text in ((col(AuditEntry.key_name), filters.key_name), (col(AuditEntry.action), filters.action)):
        if text is not None:
            found.append(column == text if is_postgres_text(text) else false())
    if filters.after is not None:
        found.append(col(AuditEntry.at) >= filters.after)
    if filters.before is not None:
        found.append(col(AuditEntry.at) < filters.before)
    return found


async def page(session: AsyncSession, filters: AuditFilter, *, rows: Slice) -> tuple[list[AuditEntry], bool]:
    """Return a slice of the log, newest first, without its large columns, and whether there are more entries in its
    direction.
    """
    statement = select(AuditEntry).where(*conditions(filters)).options(*large_values.left_out(large_values.OF_AUDIT))
    found, more = await keyset.fetch(session, keyset.statements(statement, order=NEWEST_FIRST, page=rows), page=rows)
    return [entry for (entry,) in found], more


async def has_more(
    session: AsyncSession, filters: AuditFilter, *, key: keyset.Key, backward: bool, inclusive: bool
) -> bool:
    """Return whether any entry follows (or, `backward`, precedes) the key."""
    statement = select(AuditEntry).where(*conditions(filters))
    return await keyset.has_rows_beyond(
        session, statement, order=NEWEST_FIRST, key=key, backward=backward, inclusive=inclusive
    )


async def count(session: AsyncSession, filters: AuditFilter) -> int:
    """Return the number of entries, counted at most to one beyond `keyset.COUNT_CAP`."""
    return await keyset.count(session, conditions(filters), of=col(AuditEntry.id))
