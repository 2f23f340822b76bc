"""Lists: which page and which filters a query string asks for, and how a page is shown."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

from pydantic import Field
from starlette.datastructures import QueryParams

from db.states import TaskStatus
from graphql_api import ids
from graphql_api.responses import ResponseBody
from graphql_api.rest import examples
from graphql_api.rest.form import BadRequest
from graphql_api.rest.operations import Schema, answered, parameter, ref
from graphql_api.rest.outputs import SHOWN_STATUS, Result, Status, Task

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_INTEGER = 2**63 - 1
"""The largest integer of the old service."""

STATUSES = {str(status): tuple(state for state, shown in SHOWN_STATUS.items() if shown == status) for status in Status}
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


class Pagination(ResponseBody):
    """The place of a page in its list."""

    page: int = Field(description="The page's number.", ge=1)
    limit: int = Field(description="Number of items on a page.", ge=1, le=MAX_LIMIT)
    total: int = Field(description="Number of items in the list.", ge=0)
    total_pages: int = Field(description="Number of pages; 0 for an empty list.", ge=0)

    @classmethod
    def of(cls, page: Page, total: int) -> Self:
        """Return the place of a page in a list of `total` items."""
        return cls(page=page.number, limit=page.limit, total=total, total_pages=-(-total // page.limit))


class TaskList(ResponseBody):
    """A page of tasks."""

    tasks: Sequence[Task]
    pagination: Pagination


class ResultList(ResponseBody):
    """A page of results."""

    results: Sequence[Result]
    pagination: Pagination


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


def lenient(default: int, **bounds: int) -> Schema:
    """Return the schema of a number from 1; any other value counts as the default."""
    return {"anyOf": [{"type": "integer", "minimum": 1, **bounds}, {"type": "string"}], "default": default}


def page_of(shape: type[ResponseBody], **items: Any) -> dict[str, Any]:
    """Return a response with a page of a list."""
    example = items | {"pagination": {"page": 1, "limit": DEFAULT_LIMIT, "total": 1, "total_pages": 1}}
    return answered("A page of the list.", shape, example)


def or_empty(schema: Schema) -> Schema:
    """Return the schema of a filter, which an empty text leaves out."""
    return {"anyOf": [schema, {"type": "string", "maxLength": 0}]}


PAGING = [
    parameter("page", "The page's number, from 1. Any other value counts as 1.", lenient(1)),
    parameter(
        "limit",
        f"Items on a page, from 1 to {MAX_LIMIT}. Any other value counts as {DEFAULT_LIMIT}.",
        lenient(DEFAULT_LIMIT, maximum=MAX_LIMIT),
    ),
]
STATUS = parameter("status", "Only tasks with this status.", or_empty(ref(Status)), example="scheduled")
SUCCESS = parameter(
    "success",
    "Only results that succeeded, or that did not. Upper and lower case are the same.",
    {"type": "string", "pattern": f"^$|^(?:{'|'.join(BOOLEANS)}|T|F|TRUE|FALSE|True|False)$"},
    example="true",
)
RESULTS_TASK = parameter(
    "task_id", "Only results of this task.", or_empty({"type": "string", "format": "uuid"}), example=examples.TASK_ID
)
