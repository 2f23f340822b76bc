"""The statement that adds entries to the audit log."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import AuditEntry
from db.records import as_json

COLUMNS = tuple(name for name in AuditEntry.model_fields if name != "id")

ADD = f"""
INSERT INTO audit_log ({", ".join(COLUMNS)})
SELECT {", ".join(COLUMNS)} FROM json_populate_recordset(CAST(NULL AS audit_log), CAST(:entries AS json))
"""


async def add(session: AsyncSession, entries: Sequence[dict[str, Any]]) -> None:
    """Add entries in their order."""
    await session.execute(text(ADD), {"entries": as_json(entries, COLUMNS)})
