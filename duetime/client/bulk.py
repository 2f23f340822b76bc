"""Operations on all tasks or runs that a filter selects. Workers carry them out."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from duetime.client import calls, documents, events
from duetime.client.api import Api
from duetime.client.output import progress, tell

Operation = dict[str, Any]


def counted(api: Api, document: str, action: str, chosen: Mapping[str, Any]) -> int:
    """Return how many tasks or runs an operation would act on. Raises `ClientError`."""
    found = api.field(document, action=action, filter=chosen, dryRun=True)
    total: int = calls.accepted(found, of=("BulkOperation",))["total"]
    return total


def carried_out(api: Api, document: str, action: str, chosen: Mapping[str, Any], *, what: str) -> Operation:
    """Start an operation, and return it when it has ended. Show its progress; Ctrl-C cancels the rest. Raises
    `ClientError`.
    """
    found = api.field(document, action=action, filter=chosen, dryRun=False)
    operation = calls.accepted(found, of=("BulkOperation",))
    try:
        return ended(api, operation, what=what)
    except KeyboardInterrupt:
        result = api.field(documents.CANCEL_BULK, id=operation["id"])
        if result["__typename"] == "BulkOperation":
            tell(f"duetime: cancelled after {result['done']:,} of {result['total']:,}")
        raise


def ended(api: Api, operation: Operation, *, what: str) -> Operation:
    """Return an operation when it has ended."""
    with (
        progress(what, operation["total"]) as shown,
        closing(events.lasting(lambda: api.subscribe(documents.BULK_PROGRESS, id=operation["id"]))) as states,
    ):
        while operation["state"] == "RUNNING":
            operation = next(states)
            shown.update(shown.task_ids[0], completed=operation["done"])
    return operation
