"""Tasks and results as JSON, as the service before Duetime showed them: empty members are left out, never null."""

import base64
import codecs
from typing import Any

from db.models import Run, Task
from db.states import BodyEncoding, TaskStatus
from graphql_api import instants
from jobs import json_value
from jobs.legacy import cron_text
from jobs.security.secret_headers import MASK, in_order, is_sealed
from jobs.triggers.columns import trigger_of
from jobs.triggers.schedule import OneOff

SHOWN_BODY_BYTES = 10_000
CUT = "... (truncated)"

SHOWN_STATUS = {
    TaskStatus.SCHEDULED: "scheduled",
    TaskStatus.PAUSED: "scheduled",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.CANCELLED: "cancelled",
}


def task(row: Task) -> dict[str, Any]:
    """A task. `state` tells exactly what `status` tells in the old service's three words."""
    cron = shown_cron(row)
    optional = {
        "trigger_time": instants.write(row.trigger_time) if row.trigger_time else None,
        "cron_expr": cron or None,
        "headers": {name: MASK if is_sealed(value) else value for name, value in in_order(row).items()} or None,
        "payload": json_value.encode(row.payload) if row.payload is not None else None,
        "next_run": instants.write(row.next_run) if row.next_run else None,
    }
    return {
        "id": str(row.id),
        "name": row.name,
        "trigger_type": "one-off" if cron is None else "cron",
        "method": row.method,
        "url": row.url,
        "status": SHOWN_STATUS[row.status],
        "state": str(row.status),
        "created_at": instants.write(row.created_at),
        "updated_at": instants.write(row.updated_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def shown_cron(row: Task) -> str | None:
    """The trigger as the old service's cron text; nothing for a one-off."""
    trigger = trigger_of(row)
    return None if isinstance(trigger, OneOff) else cron_text.write(trigger)


def result(row: Run, of: dict[str, Any]) -> dict[str, Any]:
    """A finished run that began an attempt, with its task."""
    optional = {
        "response_headers": headers(row.response_headers) or None,
        "response_body": body(row) or None,
        "error_message": row.error_message or None,
    }
    return {
        "id": str(row.id),
        "task_id": str(row.task_id),
        "run_at": instants.write(row.run_at) if row.run_at else None,
        "status_code": row.status_code,
        "success": bool(row.success),
        "duration_ms": row.duration_ms,
        "created_at": instants.write(row.created_at),
        "task": of,
        **{name: value for name, value in optional.items() if value is not None},
    }


def headers(kept: Any) -> dict[str, Any]:
    """The answer's headers as an object; what a name has more than once is joined by commas (RFC 9110, 5.3).

    Names are spelt as the old service's language did, Content-Type. What was carried over from it is as it was.
    """
    if kept is None or isinstance(kept, dict):
        return kept or {}
    joined: dict[str, str] = {}
    for given, value in kept:
        name = "-".join(part.capitalize() for part in given.split("-"))
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def body(row: Run) -> str | None:
    """The answer's body as text, cut where the old service cut it."""
    text = row.response_body
    if text is None:
        return None
    whole = base64.b64decode(text) if row.body_encoding == BodyEncoding.BASE64 else text.encode()
    if len(whole) <= SHOWN_BODY_BYTES:
        return whole.decode(errors="replace")
    # A character that the cut went through is left out whole.
    return codecs.getincrementaldecoder("utf-8")("replace").decode(whole[:SHOWN_BODY_BYTES]) + CUT


def page(name: str, items: list[dict[str, Any]], *, number: int, limit: int, total: int) -> dict[str, Any]:
    """A page of a list, and where it lies in it."""
    pagination = {"page": number, "limit": limit, "total": total, "total_pages": -(-total // limit)}
    return {name: items, "pagination": pagination}
