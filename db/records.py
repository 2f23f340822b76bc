"""Rows as JSON, in which they reach a statement that writes many of them at once.

JSON has room for arrays and for JSON of their own, of which Postgres stores each as it is written. A statement reads
rows with `json_populate_recordset`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from db import json_text

Columns = dict[str, Any]


def as_json(rows: Iterable[Columns], names: Sequence[str]) -> str:
    """Return the named columns of rows as JSON. None is left out, and becomes null in the database."""
    given = [{name: row[name] for name in names if row.get(name) is not None} for row in rows]
    return json_text.write(given, default=scalar, ensure_ascii=False)


def scalar(value: Any) -> str:
    """Return an instant or an id as Postgres reads it. Raises TypeError for other values."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
