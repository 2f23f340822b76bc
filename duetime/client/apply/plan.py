"""Compares the tasks in files with the stored ones: which to create, change and delete."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from duetime.client import calls, digits, documents
from duetime.client.api import Api, GraphQLErrors, message_of
from duetime.client.apply.files import OWNER_TAG, Wanted
from duetime.client.errors import ClientError
from duetime.client.output import progress

CHUNK = 250
"""Tasks in one call: enough to be fast, few enough to show progress and to lose little on a failure."""
CHUNK_BYTES = 300_000
"""Bytes in one call, unless a single task is larger. The API reads at most 200,000 values."""
AT_ONCE = 3
"""Concurrent calls. More would only queue in the API process."""
OF_ONE_TASK = re.compile(r"Variable '\$inputs' has invalid value at \[(\d+)\]\.?([^:]*): (.*)")
"""GraphQL's error for an unknown member or one of the wrong type: index, path and reason."""

Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task to create, change or delete, and the members of its definition that differ."""

    reference: str
    name: str
    wanted: Wanted | None = None
    id: str | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes to make, and the number of unchanged tasks."""

    creates: list[Step]
    updates: list[Step]
    deletes: list[Step]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether the stored tasks match the files."""
        return not (self.creates or self.updates or self.deletes)


class Refused(ClientError):
    """Some tasks of the files were refused. `reasons` has a line for each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        tasks = "1 task is" if len(reasons) == 1 else f"{len(reasons):,} tasks are"
        super().__init__(f"{tasks} refused; nothing was changed")
        self.reasons = reasons


def plan(api: Api, wanted: Sequence[Wanted], *, owners: set[str], prunes: bool) -> Plan:
    """Return the changes to make, without making them. Raises `ClientError`."""
    creates: list[Step] = []
    updates: list[Step] = []
    reasons: list[str] = []
    with progress("Comparing", len(wanted)) as shown:
        for chunk, results in upserted(api, wanted, dry_run=True):
            for task, result in zip(chunk, results, strict=True):
                if reason := refusal(task, result):
                    reasons.append(f"{task.place}: {task.external_id}: {reason}")
                elif result["outcome"] != "UNCHANGED":
                    steps = creates if result["outcome"] == "CREATED" else updates
                    steps.append(step(task, result))
            shown.advance(shown.task_ids[0], len(chunk))
    if reasons:
        raise Refused(reasons)
    deletes = list(abandoned(api, wanted, owners=owners)) if prunes else []
    unchanged = len(wanted) - len(creates) - len(updates)
    return Plan(creates=creates, updates=updates, deletes=deletes, unchanged=unchanged)


def step(task: Wanted, result: Result) -> Step:
    """Return the creation or change of a task."""
    before, after = result["before"] or {}, result["after"] or {}
    return Step(reference=task.external_id, name=str(task.input.get("name")), wanted=task, before=before, after=after)


def refusal(task: Wanted, result: Result) -> str | None:
    """Return why a task of a file is refused, or None if it is not."""
    if result["__typename"] != "UpsertedTask":
        return calls.refusal(result)
    tags = (result["before"] or {}).get("tags") or []
    others = [tag for tag in tags if tag.startswith(OWNER_TAG) and tag not in task.input.get("tags", ())]
    if others:
        return f"it belongs to another owner, by its tag {others[0]}; delete it there, or give that owner"
    return None


def abandoned(api: Api, wanted: Sequence[Wanted], *, owners: set[str]) -> Iterator[Step]:
    """Yield the tasks of the owners that are no longer in any file."""
    kept = {task.external_id for task in wanted}
    for owner in sorted(owners):
        for page in calls.pages(api, documents.TASK_IDS, filter={"tags": [OWNER_TAG + owner]}):
            for task in page:
                if task["externalId"] not in kept:
                    yield Step(reference=task["externalId"] or task["id"], name=task["name"], id=task["id"])


def upserted(
    api: Api, wanted: Sequence[Wanted], *, dry_run: bool
) -> Generator[tuple[Sequence[Wanted], list[Result]], None, None]:
    """Yield batches of tasks with their results as they arrive, from several concurrent calls.

    After a failure, and when it is closed, no further call begins, and those that have begun are awaited.
    """

    def call(chunk: Sequence[Wanted]) -> list[Result]:
        document = documents.PLAN_TASKS if dry_run else documents.UPSERT_TASKS
        try:
            found: list[Result] = api.field(document, inputs=[task.input for task in chunk])
        except GraphQLErrors as error:
            return of_the_wrong_type(chunk, error)
        return found

    yield from in_parallel(call, list(chunks(wanted)))


def in_parallel(
    call: Callable[[Sequence[Wanted]], list[Result]], parts: Sequence[Sequence[Wanted]]
) -> Generator[tuple[Sequence[Wanted], list[Result]], None, None]:
    """Yield the batches with the results of their calls, in order."""
    waiting: list[tuple[Sequence[Wanted], Future[list[Result]]]] = []
    rest = iter(parts)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for part in rest:
            waiting.append((part, threads.submit(call, part)))
            if len(waiting) >= AT_ONCE:
                first, future = waiting.pop(0)
                yield first, future.result()
        for part, future in waiting:
            yield part, future.result()


def of_the_wrong_type(chunk: Sequence[Wanted], error: GraphQLErrors) -> list[Result]:
    """Return results of a call that was refused because members do not exist or do not have their types.

    The other tasks of the call count as unchanged, because nothing is changed in this case. Raises the error if it
    concerns no task.
    """
    results: list[Result] = [{"__typename": "UpsertedTask", "outcome": "UNCHANGED", "before": None} for _ in chunk]
    for each in error.errors:
        found = OF_ONE_TASK.fullmatch(message_of(each))
        if found is None:
            raise error
        index, path, reason = found.groups()
        results[int(index)] = {"__typename": "InvalidInput", "message": f"{path}: {reason}" if path else reason}
    return results


def chunks(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """Yield the tasks in batches that one call accepts."""
    part: list[Wanted] = []
    size = 0
    for task in wanted:
        length = len(digits.written(task.input))
        if part and (len(part) == CHUNK or size + length > CHUNK_BYTES):
            yield part
            part, size = [], 0
        part.append(task)
        size += length
    if part:
        yield part
