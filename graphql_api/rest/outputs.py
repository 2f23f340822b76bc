"""Responses: tasks and results as the service before Duetime showed them. Empty members are left out, never null."""

import base64
import codecs
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, Self, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema

from db import models
from db.models import utc_now
from db.states import (
    BodyEncoding,
    LostPolicy,
    MisfirePolicy,
    OverlapPolicy,
    RunCause,
    RunState,
    TaskStatus,
    TriggerType,
)
from graphql_api import instants
from graphql_api.responses import InstantText, ResponseBody
from graphql_api.rest import examples
from jobs.datetimes import MILLISECOND
from jobs.http.body import draft_of
from jobs.http.request import MAX_REDIRECTS
from jobs.legacy import cron_text
from jobs.security.secret_headers import MASK, in_order, is_sealed
from jobs.tasks.draft import RetryDraft, retry_draft
from jobs.tasks.upcoming import next_to_come
from jobs.triggers.columns import trigger_of
from jobs.triggers.schedule import OneOff

Value = TypeVar("Value")

SHOWN_BODY_BYTES = 10_000
CUT = "... (truncated)"
retry_columns = attrgetter(
    "max_attempts", "initial_delay_ms", "backoff_factor", "max_delay_ms", "retry_statuses", "max_elapsed_ms"
)
DEFAULT_RETRY = astuple(RetryDraft())


class Status(StrEnum):
    """The status of a task, in the old service's words."""

    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TriggerKind(StrEnum):
    """The type of a trigger, in the old service's words. An interval has the type cron."""

    ONE_OFF = "one-off"
    CRON = "cron"


SHOWN_STATUS = {
    TaskStatus.SCHEDULED: Status.SCHEDULED,
    TaskStatus.PAUSED: Status.SCHEDULED,
    TaskStatus.COMPLETED: Status.COMPLETED,
    TaskStatus.CANCELLED: Status.CANCELLED,
}

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Headers = dict[str, str]
Count = Annotated[int, Field(ge=0)]


def left_out(words: str, *, default: Any = None) -> Any:
    """Return a member that is left out when it is empty, or has the default."""
    return Field(default, description=words)


class Error(ResponseBody):
    """Why a request was refused."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="The reason.")


class Message(ResponseBody):
    """What was done."""

    message: str = Field(description="What was done, in words.")


class FormField(ResponseBody):
    """A field of a form."""

    name: str
    value: str


class Retry(ResponseBody):
    """How failed attempts are retried. Empty members are left out."""

    max_attempts: int = Field(description="Number of attempts, including the first.")
    initial_delay_ms: int = Field(description="Delay before the second attempt, in milliseconds.")
    factor: float = Field(description="Multiplier for each further delay.")
    max_delay_ms: int = Field(description="Longest delay, in milliseconds.")
    retry_statuses: list[str] = left_out("Which statuses are tried again.")
    max_elapsed_ms: Count = left_out(
        "How long after the run's instant the last attempt may begin, in milliseconds.", default=0
    )


class Task(ResponseBody):
    """A task. Empty members are left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TASK]})

    id: Id = Field(description="The task's id.")
    name: str = Field(description="The task's name, for people.")
    trigger_type: TriggerKind = Field(description="The type of the trigger.")
    method: str = Field(description="The HTTP method.")
    url: str = Field(description="The URL that the task calls.")
    status: Status = Field(description="The status, in the old service's words.")
    state: TaskStatus = Field(description="The exact state.")
    created_at: InstantText = Field(description="When the task was created.")
    updated_at: InstantText = Field(description="When the task was last changed.")
    trigger_time: InstantText = left_out("When a one-off task is due.")
    cron_expr: str = left_out(
        "The cron expression, in a form that can be sent back; `@every <duration>` for an interval."
    )
    start_at: InstantText = left_out(
        "The first instant, or the earliest possible one; left out when it is the default."
    )
    end_at: InstantText = left_out("The latest possible instant.")
    jitter_ms: Count = left_out("The longest delay of a call by jitter, in milliseconds.", default=0)
    headers: Headers = left_out("The headers that the task sends.")
    payload: str = left_out("The payload that the task sends, as JSON text.")
    body: str = left_out("The body that the task sends, if it is a text.")
    body_base64: str = left_out("The body that the task sends, if it is bytes.")
    form: list[FormField] = left_out("The form that the task sends.")
    success_statuses: list[str] = left_out("Which statuses are a success, if not those of 2xx.")
    timeout_ms: Annotated[int, Field(ge=1)] = left_out("Timeout of one attempt, if not 30,000 ms.", default=30_000)
    redirects: Count = left_out("Number of redirects to follow, if not 5.", default=MAX_REDIRECTS)
    retry: Retry | None = left_out("The retry policy, if not the default.")
    overlap: OverlapPolicy = left_out("The overlap policy, if not skip.", default=OverlapPolicy.SKIP)
    misfire: MisfirePolicy = left_out("The misfire policy, if not latest.", default=MisfirePolicy.LATEST)
    on_lost: LostPolicy = left_out("The policy for lost attempts, if not retry.", default=LostPolicy.RETRY)
    tags: list[str] = left_out("Labels for filtering.")
    next_run: InstantText = left_out(
        "The next instant at which the task is due. It has passed only when it is the last one, and its "
        "run has not started yet."
    )
    external_id: str = left_out("A name of the caller's own.")
    description: str = left_out("A text about the task, for people.")
    metadata: Any = left_out("Any JSON that the caller keeps with the task.")
    delete_after_ms: Count = left_out(
        "The task is deleted this many milliseconds after it ended; left out when it never is.", default=0
    )
    pause_after_failures: Count = left_out(
        "The task pauses itself after this number of consecutive failed runs; left out when it never does.", default=0
    )
    paused_by: str = left_out("While paused: who or what paused the task.")
    pause_reason: str = left_out("While paused: the reason, if one was given.")
    retention_days: Count = left_out(
        "Days for which runs are kept, 0 meaning forever; left out if the workers' settings apply.", default=0
    )
    flow_key: str = left_out("A flow limit of this key applies to the task's calls.")


def shown_tasks(rows: Iterable[models.Task]) -> list[dict[str, Any]]:
    """Return tasks as they are shown at one moment."""
    now = utc_now()
    return [shown_task(row, now=now) for row in rows]


def shown_task(row: models.Task, *, now: datetime | None = None) -> dict[str, Any]:
    """Return a task as it is shown, by default now, a JSON object with the members of `Task`."""
    cron, body = shown_cron(row), draft_of(row.payload, row.body)
    next_run = next_to_come(row, now=now or utc_now())
    members: dict[str, Any] = {
        "id": str(row.id),
        "name": row.name,
        "trigger_type": TriggerKind.ONE_OFF if cron is None else TriggerKind.CRON,
        "method": row.method,
        "url": row.url,
        "status": SHOWN_STATUS[row.status],
        "state": row.status,
        "created_at": instants.write(row.created_at),
        "updated_at": instants.write(row.updated_at),
        "trigger_time": row.trigger_time and instants.write(row.trigger_time),
        "cron_expr": cron or None,
        "start_at": (row.start_at and row.start_at != default_start(row) and instants.write(row.start_at)) or None,
        "end_at": row.end_at and instants.write(row.end_at),
        "jitter_ms": row.jitter_ms or None,
        "headers": shown_headers(row) if row.headers else None,
        "payload": None if row.payload is None else row.payload.text,
        "body": body.body,
        "body_base64": body.body_base64,
        "form": None if body.form is None else [field._asdict() for field in body.form],
        "success_statuses": row.success_statuses,
        "timeout_ms": unless(row.timeout_ms, 30_000),
        "redirects": unless(row.redirects, MAX_REDIRECTS),
        "retry": shown_retry(row),
        "overlap": unless(row.overlap, OverlapPolicy.SKIP),
        "misfire": unless(row.misfire, MisfirePolicy.LATEST),
        "on_lost": unless(row.on_lost, LostPolicy.RETRY),
        "tags": row.tags or None,
        "next_run": next_run and instants.write(next_run),
        "external_id": row.external_id,
        "description": row.description or None,
        "metadata": row.user_metadata,
        "delete_after_ms": row.delete_after_ms,
        "pause_after_failures": row.pause_after_failures or None,
        "retention_days": row.retention_days,
        "flow_key": row.flow_key or None,
    }
    if row.status == TaskStatus.PAUSED:
        members |= {"paused_by": row.paused_by, "pause_reason": row.pause_reason}
    return {name: value for name, value in members.items() if value is not None}


def unless(value: Value, default: Value) -> Value | None:
    """Return a value, or None for the default, which an old client's task has."""
    return None if value == default else value


def shown_headers(row: models.Task) -> dict[str, Any]:
    """Return the headers of a task with its secrets masked."""
    return {name: MASK if is_sealed(value) else value for name, value in in_order(row).items()}


def shown_retry(row: models.Task) -> dict[str, Any] | None:
    """Return the retry policy with the members of `Retry`, or None for the default."""
    if retry_columns(row) == DEFAULT_RETRY:
        return None
    return {name: value for name, value in asdict(retry_draft(row)).items() if value is not None}


def default_start(row: models.Task) -> datetime | None:
    """Return the start that an interval has if none is given."""
    return None if row.every_ms is None else row.created_at + row.every_ms * MILLISECOND


def shown_cron(row: models.Task) -> str | None:
    """Return the trigger as a cron text of the old service, or None for a one-off."""
    if row.trigger_type == TriggerType.CRON and row.cron_expr is not None:
        return cron_text.write_cron(row.cron_expr, timezone=row.timezone)
    trigger = trigger_of(row)
    return None if isinstance(trigger, OneOff) else cron_text.write(trigger)


class Result(ResponseBody):
    """The result of a run that started an attempt, after its last attempt. Empty members are left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RESULT]})

    id: Id = Field(description="The run's id; its attempts carried it as Idempotency-Key.")
    task_id: Id = Field(description="The task's id.")
    run_at: InstantText | None = Field(description="When the first attempt started.")
    status_code: int | None = Field(description="The status of the response; null when there was none.")
    success: bool = Field(description="Whether the response to the last attempt was a success, as the task has it.")
    duration_ms: int | None = Field(
        description="Duration of the last attempt, in milliseconds; null when its worker was lost."
    )
    created_at: InstantText = Field(description="When the result was stored.")
    task: Task
    response_headers: Headers = left_out("Values of the same name are joined by commas.")
    response_body: str = left_out(f"The first {SHOWN_BODY_BYTES:,} bytes; a longer body ends in `{CUT}`.")
    error_message: str = left_out("Why the run failed.")


def shown_result(row: models.Run, task: dict[str, Any]) -> dict[str, Any]:
    """Return a finished run as it is shown, a JSON object with the members of `Result`, with its task."""
    return {
        "id": str(row.id),
        "task_id": str(row.task_id),
        "run_at": instants.write(row.run_at) if row.run_at else None,
        "status_code": row.status_code,
        "success": bool(row.success),
        "duration_ms": row.duration_ms,
        "created_at": stored_at(row),
        "task": task,
        **shown_response(row),
    }


class Run(ResponseBody):
    """A run in any state. Once it has ended after an attempt, it has all that its result has."""

    id: Id = Field(description="The run's id; its attempts carry it as Idempotency-Key.")
    task_id: Id = Field(description="The task's id.")
    state: RunState = Field(description="The state of the run.")
    cause: RunCause = Field(description="Why there is the run.")
    scheduled_for: InstantText = Field(description="The instant that the run is for.")
    run_at: InstantText | None = Field(description="When the first attempt started; null before that.")
    attempt: Count = Field(description="The number of the last attempt that has started; 0 before the first.")
    status_code: int | None = Field(description="The status of the last response; null when there was none.")
    success: bool | None = Field(description="Whether the run succeeded; null before its end, and without an attempt.")
    duration_ms: int | None = Field(description="Duration of the last attempt, in milliseconds; null without one.")
    created_at: InstantText = Field(description="When the run was created; after its end, when its result was stored.")
    task: Task
    finished_at: InstantText = left_out("When the run ended.")
    next_attempt_at: InstantText = left_out("When the next attempt is due.")
    missed_count: Count = left_out("How many earlier instants the run stands for, if any.", default=0)
    missed_since: InstantText = left_out("The first of those instants.")
    retry_of: Id = left_out("The run that this one repeats.")
    response_headers: Headers = left_out("Values of the same name are joined by commas.")
    response_body: str = left_out(f"The first {SHOWN_BODY_BYTES:,} bytes; a longer body ends in `{CUT}`.")
    error_message: str = left_out("Why the last attempt failed, or there was none.")


def shown_run(row: models.Run, task: dict[str, Any]) -> dict[str, Any]:
    """Return a run in any state as it is shown, a JSON object with the members of `Run`, with its task."""
    optional: dict[str, Any] = {
        "finished_at": row.finished_at and instants.write(row.finished_at),
        "next_attempt_at": row.next_attempt_at and instants.write(row.next_attempt_at),
        "missed_count": row.missed_count or None,
        "missed_since": row.missed_since and instants.write(row.missed_since),
        "retry_of": row.retry_of and str(row.retry_of),
    }
    return {
        "id": str(row.id),
        "task_id": str(row.task_id),
        "state": row.state,
        "cause": row.cause,
        "scheduled_for": instants.write(row.scheduled_for),
        "run_at": instants.write(row.run_at) if row.run_at else None,
        "attempt": row.attempt,
        "status_code": row.status_code,
        "success": row.success,
        "duration_ms": row.duration_ms,
        "created_at": stored_at(row),
        "task": task,
        **{name: value for name, value in optional.items() if value is not None},
        **shown_response(row),
    }


def stored_at(row: models.Run) -> str:
    """Return when the result was stored: at the end of the run, or later in the old service."""
    return instants.write(max(row.created_at, row.finished_at or row.created_at))


def shown_response(row: models.Run) -> dict[str, Any]:
    """Return the members that tell of the last response, as far as there is something to tell."""
    members = {
        "response_headers": joined_headers(row.response_headers),
        "response_body": shown_body(row),
        "error_message": row.error_message,
    }
    return {name: value for name, value in members.items() if value}


def joined_headers(stored: Any) -> dict[str, Any]:
    """Return the headers of a response as an object; values of the same name are joined (RFC 9110, section 5.3).

    Names are spelt as the old service's language did, Content-Type. Headers imported from it are unchanged.
    """
    if stored is None or isinstance(stored, dict):
        return stored or {}
    joined: dict[str, str] = {}
    for given, value in stored:
        name = "-".join(part.capitalize() for part in given.split("-"))
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def shown_body(row: models.Run) -> str | None:
    """Return the body of the response as text, truncated where the old service truncated it."""
    text = row.response_body
    if text is None:
        return None
    whole = base64.b64decode(text) if row.body_encoding == BodyEncoding.BASE64 else text.encode()
    if len(whole) <= SHOWN_BODY_BYTES:
        return whole.decode(errors="replace")
    # A character that the cut splits is left out.
    return codecs.getincrementaldecoder("utf-8")("replace").decode(whole[:SHOWN_BODY_BYTES]) + CUT


class Preview(ResponseBody):
    """The next instants of a trigger."""

    instants: list[InstantText] = Field(description="The next instants, without jitter.")
    description: str = Field(description="The trigger in words.")

    @classmethod
    def of(cls, found: Sequence[datetime], words: str) -> Self:
        """Return the instants as they are shown."""
        return cls(instants=[instants.write(each) for each in found], description=words)
