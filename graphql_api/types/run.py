"""One firing of a task."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.reads import runs
from db.reads.keyset import Key, Slice
from db.reads.runs import RunFilter
from db.states import BodyEncoding, RunCause, RunState
from graphql_api import cursors, ids
from graphql_api.context import Info
from graphql_api.types import pages
from graphql_api.types.action import Header, HttpAction
from graphql_api.types.scalars import Milliseconds, given_or_none
from jobs.datetimes import MILLISECOND

if TYPE_CHECKING:
    from graphql_api.types.task import Task


@strawberry.type(description="One HTTP call of a run.")
class Attempt:
    """One try."""

    number: int = strawberry.field(description="1 for the first.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(default=None, description="When it ended; null while on its way.")
    duration_ms: Milliseconds | None = strawberry.field(default=None, description="How long it took.")
    status_code: int | None = strawberry.field(default=None, description="The answer's status; null without answer.")
    error_message: str | None = strawberry.field(default=None, description="Why there was no answer.")
    next_attempt_at: datetime | None = strawberry.field(
        default=None, description="When the next one is due, if this one left that to a further one."
    )

    @staticmethod
    def of(ended: dict[str, Any]) -> "Attempt":
        """An ended attempt, as its run keeps it."""
        next_attempt_at = ended.get("next_attempt_at")
        return Attempt(
            number=ended["number"],
            started_at=datetime.fromisoformat(ended["started_at"]),
            finished_at=datetime.fromisoformat(ended["finished_at"]),
            duration_ms=ended.get("duration_ms"),
            status_code=ended.get("status_code"),
            error_message=ended.get("error_message"),
            next_attempt_at=datetime.fromisoformat(next_attempt_at) if next_attempt_at else None,
        )


@strawberry.type(
    description="One firing of a task. Every instant at which a task was due has exactly one run or is counted in one "
    "(see missedCount)."
)
class Run:
    """A run's row; what costs something is worked out when it is asked for."""

    id: strawberry.ID = strawberry.field(description="A UUID; the Idempotency-Key of its calls.")
    task_version: int = strawberry.field(
        description="The version of the task that this run carries out, and its request as it is or was sent."
    )
    cause: RunCause = strawberry.field(description="Why there is this run.")
    state: RunState = strawberry.field(description="How far it has come.")
    scheduled_for: datetime = strawberry.field(description="The instant for which it fires.")
    started_at: datetime | None = strawberry.field(description="When its first attempt began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    success: bool | None = strawberry.field(
        description="Null until finished, and for runs that never began an attempt."
    )
    status_code: int | None = strawberry.field(description="The status of the last answer.")
    response_body: str | None = strawberry.field(description="The body of the last answer, or its beginning.")
    response_body_encoding: BodyEncoding = strawberry.field(description="How responseBody is to be read.")
    response_truncated: bool = strawberry.field(description="Whether responseBody is only the beginning.")
    error_message: str | None = strawberry.field(description="Why the last attempt had no answer, or the run failed.")
    duration_ms: Milliseconds | None = strawberry.field(description="Of the last attempt.")
    missed_count: int = strawberry.field(description="How many earlier instants this run stands for (misfire).")
    missed_since: datetime | None = strawberry.field(description="The first of the instants it stands for.")
    row: strawberry.Private[models.Run]

    @staticmethod
    def of(row: models.Run) -> "Run":
        """A run from its row."""
        return Run(
            id=strawberry.ID(str(row.id)),
            task_version=row.task_version,
            cause=row.cause,
            state=row.state,
            scheduled_for=row.scheduled_for,
            started_at=row.run_at,
            finished_at=row.finished_at,
            success=row.success,
            status_code=row.status_code,
            response_body=row.response_body,
            response_body_encoding=row.body_encoding,
            response_truncated=row.body_truncated,
            error_message=row.error_message,
            duration_ms=None if row.duration_ms is None else Milliseconds(row.duration_ms),
            missed_count=row.missed_count,
            missed_since=row.missed_since,
            row=row,
        )

    @strawberry.field(description="The task that fired.")
    async def task(self, info: Info) -> Annotated["Task", strawberry.lazy("graphql_api.types.task")]:
        """Read together with the tasks of the page's other runs."""
        from graphql_api.types.task import Task  # noqa: PLC0415 (tasks know of runs, too)

        return Task.of(await task_of(self.row, info))

    @strawberry.field(description="The request that its attempts send.")
    async def action(self, info: Info) -> HttpAction:
        """That of the version which the run carries out.

        The task is read first: if it is changed thereafter, the version that it had is kept, and is found then.
        """
        task = await task_of(self.row, info)
        if task.version == self.row.task_version:
            return HttpAction.of(task)
        return HttpAction.of(await info.context.versions.load((task.id, self.row.task_version)) or task)

    @strawberry.field(description="The finished run that this one repeats; null for others, and once that is gone.")
    async def retry_of(self, info: Info) -> Annotated["Run", strawberry.lazy("graphql_api.types.run")] | None:
        """Read together with those of the page's other runs."""
        if self.row.retry_of is None:
            return None
        row = await info.context.runs.load(self.row.retry_of)
        return Run.of(row) if row else None

    @strawberry.field(description="From scheduledFor (plus jitter) to the start of the first attempt.")
    def lateness_ms(self) -> Milliseconds | None:
        """Whole milliseconds; nothing fires early."""
        if self.row.run_at is None:
            return None
        return Milliseconds(max(self.row.run_at - self.row.due_at, timedelta()) // MILLISECOND)

    @strawberry.field(description="Its attempts, oldest first, with the one that is on its way.")
    def attempts(self) -> list[Attempt]:
        """The ended ones, and the one going on."""
        found = [Attempt.of(ended) for ended in self.row.attempts]
        if self.row.state == RunState.RUNNING and self.row.attempt_started_at is not None:
            found.append(Attempt(number=self.row.attempt, started_at=self.row.attempt_started_at))
        return found

    @strawberry.field(description="The headers of the last answer, in its order; a name may come more than once.")
    def response_headers(self) -> list[Header] | None:
        """Pairs; rows from elsewhere have an object, whose values may be lists."""
        kept = self.row.response_headers
        if kept is None:
            return None
        pairs: Sequence[tuple[str, Any]] = list(kept.items()) if isinstance(kept, dict) else kept
        return [
            Header(name=name, value=each if isinstance(each, str) else str(each))
            for name, value in pairs
            for each in (value if isinstance(value, list) else [value])
        ]


async def task_of(row: models.Run, info: Info) -> models.Task:
    """The run's task, which cannot be gone while the run is there, but for a deletion between two reads."""
    task = await info.context.tasks.load(row.task_id)
    if task is None:
        raise LookupError(f"The task {row.task_id} was deleted while its run was read")
    return task


@strawberry.input(
    name="RunFilter",
    description="Which runs. An absent or null member and an empty list say nothing; …After is inclusive, …Before "
    "exclusive.",
)
class RunFilterInput:
    """A filter as it is asked for."""

    task_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Of this task.")
    states: list[RunState] | None = strawberry.field(default=UNSET, description="In one of these states.")
    causes: list[RunCause] | None = strawberry.field(default=UNSET, description="For one of these causes.")
    success: bool | None = strawberry.field(default=UNSET, description="That succeeded, or did not.")
    scheduled_after: datetime | None = strawberry.field(default=UNSET, description="Scheduled at or after this.")
    scheduled_before: datetime | None = strawberry.field(default=UNSET, description="Scheduled before this.")


def filter_of(given: RunFilterInput | None) -> RunFilter:
    """The filter for the query. Raises GraphQL's INVALID_ID."""
    if not given:
        return RunFilter()
    return RunFilter(
        task_id=ids.parse(task_id) if (task_id := given_or_none(given.task_id)) is not None else None,
        states=tuple(given.states or ()),
        causes=tuple(given.causes or ()),
        success=given_or_none(given.success),
        scheduled_after=given_or_none(given.scheduled_after),
        scheduled_before=given_or_none(given.scheduled_before),
    )


def key(row: models.Run) -> Key:
    """Where a run stands among runs."""
    return row.scheduled_for, row.id


async def run_page(info: Info, wanted: RunFilter, *, rows: Slice, task_id: UUID | None) -> pages.Connection[Run]:
    """A page of all runs, or of a task's, which is then read together with the pages of the list's other tasks."""
    context = info.context
    if task_id is None:
        async with context.services.session() as session:
            found, more = await runs.page(session, wanted, rows=rows)
    else:
        found, more = await context.run_pages.load((task_id, wanted, rows))

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        if task_id is not None and wanted.task_id not in {None, task_id}:
            return False  # no run is of two tasks
        its = wanted if task_id is None else replace(wanted, task_id=task_id)
        async with context.services.session() as session:
            return await runs.has_more(session, its, key=at, backward=backward, inclusive=inclusive)

    async def count() -> int:
        if task_id is not None:
            return await context.run_counts.load((task_id, wanted))
        async with context.services.session() as session:
            return await runs.count(session, wanted)

    return pages.connection(
        found,
        listing=cursors.RUNS,
        key=key,
        node=Run.of,
        wanted=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
