"""API calls that several commands share: pages, references, results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from uuid import UUID

from duetime.client import documents, profiles
from duetime.client.api import Api
from duetime.client.errors import ClientError, one_line
from duetime.client.output import progress, tell

BATCH = 500
"""Number of items in one call that changes many. The API accepts 1,000; smaller calls show progress."""
PAGE = 100


@contextmanager
def connected(profile: str | None) -> Iterator[Api]:
    """Yield the API that a profile, the environment, or the default names."""
    with Api(profiles.chosen(profile)) as api:
        yield api


def pages(api: Api, document: str, *, size: int = PAGE, **variables: Any) -> Iterator[list[Any]]:
    """Yield the pages of a list."""
    after = None
    while True:
        page = api.field(document, first=size, after=after, **variables)
        yield page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def listed(api: Api, document: str, *, limit: int, **variables: Any) -> list[Any]:
    """Return the first items of a list; with a limit of 0, all."""
    size = min(limit, PAGE) if limit else PAGE
    nodes = (node for page in pages(api, document, size=size, **variables) for node in page)
    return list(islice(nodes, limit or None))


def is_id(reference: str) -> bool:
    """Return whether a reference is an id, a UUID, rather than an external id."""
    try:
        return str(UUID(reference)) == reference.lower()
    except ValueError:
        return False


def task_id(api: Api, reference: str) -> str:
    """Return the id of a task that is named by its id or external id. Raises `ClientError`."""
    if is_id(reference):
        return reference
    found = api.field(documents.ID_BY_EXTERNAL_ID, id=reference)
    if found is None:
        raise no_task(reference)
    identifier: str = found["id"]
    return identifier


def no_task(reference: str) -> ClientError:
    """Return the error for a task that does not exist."""
    return ClientError(f"there is no task with the {'id' if is_id(reference) else 'externalId'} {reference!r}")


def accepted(result: dict[str, Any], *, of: Sequence[str]) -> dict[str, Any]:
    """Return a mutation's result if it has one of these types. Raises `ClientError` for a refusal."""
    if result["__typename"] in of:
        return {name: value for name, value in result.items() if name != "__typename"}
    raise ClientError(refusal(result))


def refusal(result: dict[str, Any]) -> str:
    """Return why a mutation was refused, in one line."""
    problems = result.get("problems")
    if problems:
        return "; ".join(f"{'.'.join(problem['path'])}: {one_line(problem['message'])}" for problem in problems)
    return one_line(result["message"])


def in_batches(api: Api, document: str, ids: Sequence[str], *, what: str, **variables: Any) -> list[Any]:
    """Return the result for each id of a mutation that accepts several, and show progress."""
    results: list[Any] = []
    with progress(what, len(ids)) as shown:
        for start in range(0, len(ids), BATCH):
            results += api.field(document, ids=list(ids[start : start + BATCH]), **variables)
            shown.update(shown.task_ids[0], completed=len(results))
    return results


def tell_refused(references: Sequence[str], results: Sequence[dict[str, Any]], *, of: str) -> int:
    """Print why items were refused, and return their number."""
    refused = [
        (reference, result) for reference, result in zip(references, results, strict=True) if result["__typename"] != of
    ]
    for reference, result in refused:
        tell(f"duetime: {reference}: {refusal(result)}")
    return len(refused)
