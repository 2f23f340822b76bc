"""What a list is asked for by the query string: a page, and filters."""

import re
from uuid import UUID

from starlette.datastructures import QueryParams

from db.states import TaskStatus
from graphql_api import ids
from graphql_api.rest.requests import BadRequest

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_INTEGER = 2**63 - 1
"""What the old service's integers hold."""

STATUSES = {
    "scheduled": (TaskStatus.SCHEDULED, TaskStatus.PAUSED),
    "completed": (TaskStatus.COMPLETED,),
    "cancelled": (TaskStatus.CANCELLED,),
}
TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def place(given: QueryParams) -> tuple[int, int]:
    """`page` and `limit`: 1 and 10 when they are no integers of at least 1, and from 1 to 100."""
    number, limit = integer(given.get("page")), integer(given.get("limit"))
    return (
        number if number is not None and number >= 1 else 1,
        limit if limit is not None and 1 <= limit <= MAX_LIMIT else DEFAULT_LIMIT,
    )


def integer(text: str | None) -> int | None:
    """A decimal integer of 64 bits; nothing when the text is none."""
    if text is None or not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return None
    found = int(text)
    return found if abs(found) <= MAX_INTEGER else None


def statuses(given: QueryParams) -> tuple[TaskStatus, ...]:
    """`status`; nothing when it is not asked for. Raises `BadRequest`."""
    status = given.get("status")
    if status and status not in STATUSES:
        raise BadRequest(f"invalid status {status[:50]!r}: use {', '.join(STATUSES)}")
    return STATUSES[status] if status else ()


def success(given: QueryParams) -> bool | None:
    """`success`, in any case; nothing when it is not asked for. Raises `BadRequest`."""
    text = given.get("success")
    if text and text.lower() not in TRUTHS:
        raise BadRequest(f"invalid success {text[:50]!r}: use true or false (or {', '.join(TRUTHS)})")
    return TRUTHS[text.lower()] if text else None


def task_id(given: QueryParams) -> UUID | None:
    """`task_id`; nothing when it is not asked for. Raises `BadRequest`."""
    text = given.get("task_id")
    found = ids.read(text) if text else None
    if text and found is None:
        raise BadRequest(f"invalid task_id {text[:50]!r}: use a task's id, which is a UUID")
    return found
