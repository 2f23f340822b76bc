"""A run: one firing of a task."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.reads import large_values, runs
from db.reads.keyset import Key, Slice
from db.reads.runs import FEW_TASKS, SEARCHES_WITHIN, RunFilter
from db.states import BodyEncoding, RunCause, RunState
from graphql_api import cursors, ids, instants
from graphql_api.context import Info
from graphql_api.types import connections
from graphql_api.types.action import Header, HttpAction
from graphql_api.types.node import Node
from graphql_api.types.scalars import Milliseconds, given_or_none
from jobs.datetimes import MILLISECOND
from jobs.http.request import HttpMethod
from jobs.tasks.flow_limits import in_words

if TYPE_CHECKING:
    from graphql_api.types.task import Task


@strawberry.type(description="A redirect that an attempt followed.")
class Redirect:
    """One redirect."""

    status: int = strawberry.field(description="The status of the response that redirected.")
    url: str = strawberry.field(
        description="The URL to which it led, with secrets masked; of a longer one, the first 2,000 characters."
    )
    method: HttpMethod = strawberry.field(
        description="The method of the request to that URL. A POST may have become a GET, without its body."
    )


@strawberry.type(description="One HTTP call of a run.")
class Attempt:
    """One attempt."""

    number: int = strawberry.field(description="Number of the attempt, from 1.")
    started_at: datetime = strawberry.field(description="When the attempt started.")
    finished_at: datetime | None = strawberry.field(
        default=None, description="When the attempt ended; null while it is running."
    )
    duration_ms: Milliseconds | None = strawberry.field(default=None, description="Duration of the attempt.")
    status_code: int | None = strawberry.field(
        default=None, description="The status of the response; null if there was none."
    )
    error_message: str | None = strawberry.field(default=None, description="Why the attempt failed; null otherwise.")
    response_error: str | None = strawberry.field(
        default=None,
        description="What was wrong with the response, apart from its status, such as a body that ended early; null if "
        "nothing was. A successful attempt may have one.",
    )
    redirects: list[Redirect] = strawberry.field(
        default_factory=list, description="The redirects that the attempt followed, in their order."
    )
    resent: bool = strawberry.field(
        default=False,
        description="Whether the request was sent a second time, over a new connection, because the first one had been "
        "used before and ended without any byte of a response. Only requests that are safe to repeat are.",
    )
    next_attempt_at: datetime | None = strawberry.field(
        default=None, description="When the retry is due, if there will be one."
    )

    @staticmethod
    def of(ended: dict[str, Any]) -> "Attempt":
        """Return an ended attempt, as its run stores it."""
        next_attempt_at = ended.get("next_attempt_at")
        return Attempt(
            number=ended["number"],
            started_at=datetime.fromisoformat(ended["started_at"]),
            finished_at=datetime.fromisoformat(ended["finished_at"]),
            duration_ms=ended.get("duration_ms"),
            status_code=ended.get("status_code"),
            error_message=ended.get("error_message"),
            response_error=ended.get("response_error"),
            redirects=[
                Redirect(status=status, url=url, method=HttpMethod(method))
                for status, url, method in ended.get("redirects", ())
            ],
            resent=ended.get("resent", False),
            next_attempt_at=datetime.fromisoformat(next_attempt_at) if next_attempt_at else None,
        )


@strawberry.type(
    description="One firing of a task. Every instant at which a task was due has exactly one run, or is counted "
    "in one (see missedCount)."
)
class Run(Node):
    """A run from its row. Fields that need a query run it only when they are selected."""

    id: strawberry.ID = strawberry.field(description="A UUID, which is also the Idempotency-Key of the run's calls.")
    task_version: int = strawberry.field(description="The version of the task that this run carries out.")
    cause: RunCause = strawberry.field(description="Why the run was created.")
    state: RunState = strawberry.field(description="The state of the run.")
    scheduled_for: datetime = strawberry.field(description="The instant for which the run was scheduled.")
    started_at: datetime | None = strawberry.field(description="When the first attempt started.")
    finished_at: datetime | None = strawberry.field(description="When the run ended.")
    success: bool | None = strawberry.field(
        description="Whether the run succeeded; null until it is finished, and for runs without an attempt."
    )
    status_code: int | None = strawberry.field(description="The status of the last response.")
    error_message: str | None = strawberry.field(
        description="Why the last attempt had no response, or why the run failed."
    )
    duration_ms: Milliseconds | None = strawberry.field(description="Duration of the last attempt.")
    missed_count: int = strawberry.field(description="Number of earlier, missed instants for which this run stands.")
    missed_since: datetime | None = strawberry.field(
        description="The first of the missed instants for which this run stands."
    )
    row: strawberry.Private[models.Run]

    @staticmethod
    def of(row: models.Run) -> "Run":
        """Return a run from its row."""
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
            error_message=row.error_message,
            duration_ms=None if row.duration_ms is None else Milliseconds(row.duration_ms),
            missed_count=row.missed_count,
            missed_since=row.missed_since,
            row=row,
        )

    @strawberry.field(description="The task of the run.")
    async def task(self, info: Info) -> Annotated["Task", strawberry.lazy("graphql_api.types.task")]:
        """Return the task, read together with the tasks of the other runs."""
        from graphql_api.types.task import Task  # noqa: PLC0415 (tasks know of runs, too)

        return Task.of(await task_of(self.row, info))

    @strawberry.field(description="The request that the run's attempts send.")
    async def action(self, info: Info) -> HttpAction:
        """Return the request of the version that the run carries out, with the run's own input.

        The task is read first: if it is changed afterwards, its earlier version is stored, and found then.
        """
        task: models.Task | models.TaskVersion = await task_of(self.row, info)
        if task.version != self.row.task_version:
            task = await info.context.versions.load((self.row.task_id, self.row.task_version)) or task
        if self.row.cause == RunCause.SCHEDULE:
            return HttpAction.of(task)
        [headers] = await info.context.large_value(large_values.RUN_HEADERS, self.row.id) or [None]
        return HttpAction.of(task, run_id=self.row.id, run_headers=headers or ())

    @strawberry.field(
        description="The finished run that this one repeats; null for other runs, and once that run is deleted."
    )
    async def retry_of(self, info: Info) -> Annotated["Run", strawberry.lazy("graphql_api.types.run")] | None:
        """Return the run that this one retries, read together with those of the other runs."""
        if self.row.retry_of is None:
            return None
        row = await info.context.runs.load(self.row.retry_of)
        return Run.of(row) if row else None

    @strawberry.field(description="Time from scheduledFor (plus jitter) to the start of the first attempt.")
    def lateness_ms(self) -> Milliseconds | None:
        """Return the lateness in whole milliseconds. No run starts early."""
        if self.row.run_at is None:
            return None
        return Milliseconds(max(self.row.run_at - self.row.due_at, timedelta()) // MILLISECOND)

    @strawberry.field(
        description="What a due run waits for, for people: a flow limit, or a pause that its host asked for; null for "
        "other runs."
    )
    async def waiting_for(self, info: Info) -> str | None:
        """Return the limit or the pause, read together with those of the other runs."""
        if self.row.flow_limit_id is not None:
            limit = await info.context.flow_limits.load(self.row.flow_limit_id)
            return None if limit is None else in_words(limit)
        if not waits_for_pause(self.row):
            return None
        pause = await info.context.host_pauses.load(self.row.host)
        if pause is None:
            return None
        return f"pause of {pause.host} until {instants.write(pause.until)}, which it asked for with {pause.status_code}"

    @strawberry.field(description="The attempts, oldest first, including one that is in progress.")
    def attempts(self) -> list[Attempt]:
        """Return the attempts that have ended, and the one in progress."""
        found = [Attempt.of(ended) for ended in self.row.attempts]
        if self.row.state == RunState.RUNNING and self.row.attempt_started_at is not None:
            found.append(Attempt(number=self.row.attempt, started_at=self.row.attempt_started_at))
        return found

    @strawberry.field(description="The body of the last response, or its beginning.")
    async def response_body(self, info: Info) -> str | None:
        """Return the body, read only when it is selected."""
        info.context.shows_responses = True
        body, _, _ = await self._response(info)
        return body

    @strawberry.field(description="The encoding of responseBody.")
    async def response_body_encoding(self, info: Info) -> BodyEncoding:
        """Return the encoding, which belongs to the body: that of an unfinished run may have changed since."""
        if self.row.finished_at is not None:
            return self.row.body_encoding
        _, encoding, _ = await self._response(info)
        return encoding

    @strawberry.field(description="Whether responseBody is only the beginning of the body.")
    async def response_truncated(self, info: Info) -> bool:
        """Return what belongs to the body, as for the encoding."""
        if self.row.finished_at is not None:
            return self.row.body_truncated
        _, _, truncated = await self._response(info)
        return truncated

    async def _response(self, info: Info) -> tuple[str | None, BodyEncoding, bool]:
        found = await info.context.large_value(large_values.RESPONSE_BODY, self.row.id)
        return (
            (None, self.row.body_encoding, self.row.body_truncated) if found is None else (found[0], found[1], found[2])
        )

    @strawberry.field(description="Whether the last response had further headers, which did not fit into 32 KiB.")
    def response_headers_truncated(self) -> bool:
        """Return what the last ended attempt says."""
        return bool(self.row.attempts and self.row.attempts[-1].get("headers_truncated"))

    @strawberry.field(description="The headers of the last response, in its order; a name may occur more than once.")
    async def response_headers(self, info: Info) -> list[Header] | None:
        """Return the headers as pairs. Imported rows have an object, whose values may be lists."""
        info.context.shows_responses = True
        [kept] = await info.context.large_value(large_values.RESPONSE_HEADERS, self.row.id) or [None]
        if kept is None:
            return None
        pairs: Sequence[tuple[str, Any]] = list(kept.items()) if isinstance(kept, dict) else kept
        return [
            Header(name=name, value=each if isinstance(each, str) else str(each))
            for name, value in pairs
            for each in (value if isinstance(value, list) else [value])
        ]


def waits_for_pause(row: models.Run) -> bool:
    """Return whether a run may wait for the end of a pause of its host: it is due later than its own retry has it."""
    if row.next_attempt_at is None or row.next_attempt_at <= utc_now():
        return False
    if row.state != RunState.RETRYING or not row.attempts:
        return True
    own = row.attempts[-1].get("next_attempt_at")
    return own is None or datetime.fromisoformat(own) < row.next_attempt_at


async def task_of(row: models.Run, info: Info) -> models.Task:
    """Return the run's task, which exists as long as the run does, except when it is deleted between two reads."""
    task = await info.context.tasks.load(row.task_id)
    if task is None:
        raise LookupError(f"The task {row.task_id} was deleted while its run was read")
    return task


@strawberry.input(
    name="RunFilter",
    description="Selects runs. An absent or null member, or an empty list, selects all. …After is inclusive, "
    "…Before exclusive. Runs with a statusCode or errorContains, or of many tasks by tags or host, are searched for "
    "from the newest backwards. If matches are rare in a long history, this is slow, and after "
    f"{SEARCHES_WITHIN.total_seconds():g} s it is LIMIT_EXCEEDED; narrow it by taskId, scheduledAfter or states.",
)
class RunFilterInput:
    """A filter of runs."""

    task_id: strawberry.ID | None = strawberry.field(default=UNSET, description="Of this task.")
    states: list[RunState] | None = strawberry.field(default=UNSET, description="In one of these states.")
    causes: list[RunCause] | None = strawberry.field(default=UNSET, description="With one of these causes.")
    success: bool | None = strawberry.field(default=UNSET, description="That succeeded, or that did not.")
    scheduled_after: datetime | None = strawberry.field(
        default=UNSET, description="Scheduled at or after this instant."
    )
    scheduled_before: datetime | None = strawberry.field(default=UNSET, description="Scheduled before this instant.")
    tags: list[str] | None = strawberry.field(
        default=UNSET, description=f"Of tasks that have all of these tags now; fast for up to {FEW_TASKS} tasks."
    )
    host: str | None = strawberry.field(
        default=UNSET,
        description="Of tasks that call this host now, ignoring case, with any port unless it has one, such as "
        f"api.example.com or api.example.com:8443; fast for up to {FEW_TASKS} tasks.",
    )
    status_code: int | None = strawberry.field(
        default=UNSET, description="Whose last response had this status. It is slow for a status that is rare."
    )
    error_contains: str | None = strawberry.field(
        default=UNSET,
        description="Whose errorMessage contains this text, in any case. It reads unsuccessful and unfinished runs "
        "only, and is slow where many of them do not match.",
    )


def filter_of(given: RunFilterInput | None) -> RunFilter:
    """Return the filter for the query. Raises GraphQL's INVALID_ID."""
    if not given:
        return RunFilter()
    return RunFilter(
        task_id=ids.parse(task_id) if (task_id := given_or_none(given.task_id)) is not None else None,
        states=tuple(given.states or ()),
        causes=tuple(given.causes or ()),
        success=given_or_none(given.success),
        scheduled_after=given_or_none(given.scheduled_after),
        scheduled_before=given_or_none(given.scheduled_before),
        tags=tuple(given.tags or ()),
        host=given_or_none(given.host),
        status_code=given_or_none(given.status_code),
        error_contains=given_or_none(given.error_contains),
    )


def key(row: models.Run) -> Key:
    """Return the place of a run in a list."""
    return row.scheduled_for, row.id


async def run_page(info: Info, filters: RunFilter, *, rows: Slice, task_id: UUID | None) -> connections.Connection[Run]:
    """Return a page of all runs, or of one task's, which is read together with the pages of the other tasks."""
    context = info.context
    if task_id is None:
        async with context.reading_runs(filters) as session:
            found, more = await runs.page(session, filters, rows=rows)
    else:
        found, more = await context.run_pages.load((task_id, filters, rows))

    async def has_rows_beyond(at: Key, backward: bool, inclusive: bool) -> bool:  # noqa: FBT001
        if task_id is not None and filters.task_id not in {None, task_id}:
            return False  # no run belongs to two tasks
        its = filters if task_id is None else replace(filters, task_id=task_id)
        async with context.reading_runs(its) as session:
            return await runs.has_more(session, its, key=at, backward=backward, inclusive=inclusive)

    async def count() -> int:
        if task_id is not None:
            return await context.run_counts.load((task_id, filters))
        async with context.reading_runs(filters) as session:
            return await runs.count(session, filters)

    return connections.connection(
        found,
        listing=cursors.RUNS,
        key=key,
        node=Run.of,
        page=rows,
        more=more,
        has_rows_beyond=has_rows_beyond,
        count=count,
    )
