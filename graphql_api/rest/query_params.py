"""The query string of a list: which page, and which filters."""

import re
from typing import NamedTuple
from uuid import UUID

from starlette.datastructures import QueryParams

from db.states import TaskStatus
from graphql_api import ids
from graphql_api.rest.form import BadRequest

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_INTEGER = 2**63 - 1
"""The largest integer of the old service."""

STATUSES = {
    "scheduled": (TaskStatus.SCHEDULED, TaskStatus.PAUSED),
    "completed": (TaskStatus.COMPLETED,),
    "cancelled": (TaskStatus.CANCELLED,),
}
BOOLEANS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class Page(NamedTuple):
    """A page by its number, from 1, and its size."""

    number: int
    limit: int

    @classmethod
    def of(cls, given: QueryParams) -> "Page":
        """Return the page from `page` and `limit`. Values that are not integers within bounds count as 1 and 10."""
        number, limit = integer(given.get("page")), integer(given.get("limit"))
        return cls(
            number if number is not None and number >= 1 else 1,
            limit if limit is not None and 1 <= limit <= MAX_LIMIT else DEFAULT_LIMIT,
        )


def integer(text: str | None) -> int | None:
    """Return a decimal integer of 64 bits, or None if the text is not one."""
    if text is None or not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return None
    found = int(text)
    return found if abs(found) <= MAX_INTEGER else None


def statuses(given: QueryParams) -> tuple[TaskStatus, ...]:
    """Return the states that `status` selects, or none if it is absent. Raises `BadRequest`."""
    status = given.get("status")
    if status and status not in STATUSES:
        raise BadRequest(f"invalid status {status[:50]!r}: use {', '.join(STATUSES)}")
    return STATUSES[status] if status else ()


def success(given: QueryParams) -> bool | None:
    """Return `success`, which is read in any case, or None if it is absent. Raises `BadRequest`."""
    text = given.get("success")
    if text and text.lower() not in BOOLEANS:
        raise BadRequest(f"invalid success {text[:50]!r}: use true or false (or {', '.join(BOOLEANS)})")
    return BOOLEANS[text.lower()] if text else None


def task_id(given: QueryParams) -> UUID | None:
    """Return `task_id`, or None if it is absent. Raises `BadRequest`."""
    text = given.get("task_id")
    found = ids.read(text) if text else None
    if text and found is None:
        raise BadRequest(f"invalid task_id {text[:50]!r}: use a task's id, which is a UUID")
    return found
