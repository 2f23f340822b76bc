"""The statements of trace contexts: which request created a task or asked for a run. Used only where tracing is on."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

KEPT = timedelta(days=7)
"""About as long as traces are kept where they are stored."""

ADD = text("""
INSERT INTO trace_contexts (id, traceparent)
SELECT id, :traceparent FROM unnest(CAST(:ids AS uuid[])) AS one (id)
ON CONFLICT (id) DO NOTHING
""")

OF = text("SELECT id, traceparent FROM trace_contexts WHERE id = ANY(CAST(:ids AS uuid[]))")

FORGET = text("DELETE FROM trace_contexts WHERE created_at < now() - CAST(:kept AS interval)")


async def add(session: AsyncSession, ids: Sequence[UUID], *, traceparent: str) -> None:
    """Store the trace that tasks or runs were created in."""
    await session.execute(ADD, {"ids": list(ids), "traceparent": traceparent})


async def of(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the traces of tasks and runs, as far as they are known."""
    return {row.id: row.traceparent for row in await connection.execute(OF, {"ids": list(ids)})}


async def forget_old(connection: AsyncConnection) -> None:
    """Remove what is older than traces usually are."""
    await connection.execute(FORGET, {"kept": KEPT})
