"""The statements that store operations on many tasks or runs, and move them on chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, delete, func, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from db.models import BULK_CHUNKS, BulkOperation
from db.states import BulkState

CHUNK = 200
"""Few enough that a chunk's transaction holds its locks for some hundred milliseconds only."""
START_LOCK = 0x44_75_65_62_75_6C_6B
"""Makes those who start operations at the same time wait for each other, so that their number stays bounded."""
UNFINISHED_IDS = text("SELECT id FROM bulk_operations WHERE state = 'running' ORDER BY created_at")
LOCK = text("""
SELECT id FROM bulk_operations WHERE id = :id AND state = 'running' FOR UPDATE SKIP LOCKED
""")
TAKE_CHUNK = text("""
DELETE FROM bulk_chunks
WHERE operation_id = :id AND number = (SELECT min(number) FROM bulk_chunks WHERE operation_id = :id)
RETURNING ids
""")


async def lock_starts(session: AsyncSession) -> None:
    """Wait for others who start an operation, until the end of the transaction."""
    await session.execute(select(func.pg_advisory_xact_lock(START_LOCK)))


async def store_chunks(session: AsyncSession, operation_id: UUID, selected: Select[Any], *, most: int) -> int:
    """Store the ids that a query selects, in chunks, and return their number: at most one beyond a bound."""
    ids = selected.limit(most + 1).subquery()
    place = (func.row_number().over(order_by=ids.c.id) - 1).label("place")
    placed = select(ids.c.id, place).subquery()
    number = func.div(placed.c.place, CHUNK)
    chunks = select(literal(operation_id, Uuid), number, func.array_agg(placed.c.id)).group_by(number)
    stored = insert(BULK_CHUNKS).from_select(["operation_id", "number", "ids"], chunks)
    sizes = await session.scalars(stored.returning(func.cardinality(BULK_CHUNKS.c.ids)))
    return sum(sizes)


async def unfinished(connection: AsyncConnection) -> Sequence[UUID]:
    """Return the operations that are not finished, oldest first."""
    return (await connection.execute(UNFINISHED_IDS)).scalars().all()


async def lock(session: AsyncSession, operation_id: UUID) -> BulkOperation | None:
    """Return an unfinished operation, locked, or None if it has ended or another worker is at it."""
    if (await session.execute(LOCK, {"id": operation_id})).first() is None:
        return None
    return await session.get(BulkOperation, operation_id)


async def take_chunk(session: AsyncSession, operation_id: UUID) -> Sequence[UUID]:
    """Return the ids of the next chunk, which this transaction's commit removes; empty if nothing is left."""
    return (await session.execute(TAKE_CHUNK, {"id": operation_id})).scalar() or ()


async def end(session: AsyncSession, operation_id: UUID, state: BulkState, *, now: datetime) -> bool:
    """End an unfinished operation, with what is left of it. Return False if it had ended already."""
    its = col(BulkOperation.id) == operation_id
    ended = await session.execute(
        update(BulkOperation)
        .where(its, col(BulkOperation.state) == BulkState.RUNNING)
        .values(state=state, finished_at=now)
        .returning(col(BulkOperation.id))
    )
    if ended.first() is None:
        return False
    await session.execute(delete(BULK_CHUNKS).where(BULK_CHUNKS.c.operation_id == operation_id))
    return True


async def prune(connection: AsyncConnection, *, before: datetime) -> None:
    """Remove operations that finished before an instant."""
    await connection.execute(delete(BulkOperation).where(col(BulkOperation.finished_at) < before))
