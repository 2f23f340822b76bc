"""The enums of the domain, described for GraphQL."""

from enum import StrEnum
from typing import Any, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db.reads.tasks import TaskOrder
from db.states import (
    BodyEncoding,
    BulkAction,
    BulkState,
    ChannelKind,
    DeliveryState,
    KeyScope,
    LostPolicy,
    MisfirePolicy,
    NotificationEvent,
    OverlapPolicy,
    RunCause,
    RunEventType,
    RunState,
    TaskStatus,
)
from jobs.errors import ConflictReason
from jobs.http.request import HttpMethod
from jobs.tasks.upsert import UpsertOutcome


def describe(enum: type[StrEnum], description: str, *, name: str | None = None, **values: str) -> None:
    """Register an enum with GraphQL, by its own name or another one. Each of its values needs a description."""
    strawberry.enum(enum, description=description, name=name)
    definition = cast("StrawberryEnumDefinition", cast("Any", enum).__strawberry_definition__)
    for value in definition.values:
        value.description = values.pop(value.name)
    if values:
        raise LookupError(f"{enum.__name__} has no {', '.join(values)}")


describe(
    TaskStatus,
    "The status of a task's schedule.",
    SCHEDULED="The task fires at its instants.",
    PAUSED="The task does not fire until it is resumed.",
    COMPLETED="The task has no instant left: a one-off whose run has ended, or any other task after its endAt.",
    CANCELLED="The schedule was ended permanently.",
)
describe(
    OverlapPolicy,
    "What happens when a task is due while an earlier run of it is unfinished.",
    ALLOW="Both runs proceed.",
    SKIP="The new run is recorded as SKIPPED.",
    QUEUE="The new run waits until the earlier one ends. While one run waits, further ones are SKIPPED.",
)
describe(
    MisfirePolicy,
    "What happens to missed instants. An instant is missed when a later one was also due, or it was "
    "more than 10 s late, at the time when it could be claimed: after downtime or a pause, for "
    "instance. A missed one-off runs with LATEST and with ALL.",
    LATEST="The newest of them runs once and counts the others.",
    SKIP="They are recorded as MISSED.",
    ALL="Every one runs, one after another: the newest 1,000, with older ones counted in the first.",
)
describe(
    LostPolicy,
    "What happens to an attempt whose worker was lost, so that the request may or may not have been sent.",
    RETRY="Another worker sends the request again, with the same Idempotency-Key.",
    FAIL="The run ends as UNKNOWN.",
)
describe(
    RunState,
    "The state of a run.",
    QUEUED="The run has not started: it waits for an earlier run of its task, or was requested a moment ago.",
    RUNNING="An attempt is in progress.",
    RETRYING="An attempt failed; the next one is due at its nextAttemptAt.",
    SUCCEEDED="The response to an attempt had a status that the task counts as a success.",
    FAILED="The last attempt failed.",
    CANCELLED="The run was cancelled before it ended by itself.",
    SKIPPED="The run had no attempt, because an earlier run was unfinished and the task's overlap policy "
    "forbids a second one.",
    MISSED="The run had no attempt, because it could not start in time and the task's misfire policy skips it.",
    UNKNOWN="The worker was lost after the request may have been sent, and the task's policy forbids sending it again.",
)
describe(
    RunCause,
    "Why a run was created.",
    SCHEDULE="The task was due.",
    MANUAL="A person or program requested the run.",
    RETRY="A person or program requested a retry of a finished run.",
)
describe(
    RunEventType,
    "What happened to a run.",
    QUEUED="The run has to wait for an earlier one. A run that starts at once has no such event.",
    STARTED="An attempt started.",
    ATTEMPT_FAILED="An attempt failed, and the run will be retried.",
    ATTEMPT_LOST="The worker of an attempt was lost, and the run will be retried.",
    SUCCEEDED="The run succeeded.",
    FAILED="The run failed.",
    CANCELLED="The run was cancelled.",
    SKIPPED="The run was skipped because an earlier one was unfinished.",
    MISSED="The run was recorded as missed.",
    UNKNOWN="The run ended with an unknown result.",
)
describe(
    BodyEncoding,
    "How a body is stored. A response whose media type is text or JSON is stored as UTF8, with "
    "invalid bytes and NUL replaced by U+FFFD; any other body that is not valid UTF-8 is stored as "
    "BASE64.",
    UTF8="The text itself.",
    BASE64="The bytes in Base64.",
)
describe(
    HttpMethod,
    "An HTTP method that a task can use.",
    GET="Requests a resource.",
    POST="Submits data to a resource.",
    PUT="Replaces a resource.",
    PATCH="Changes part of a resource.",
    DELETE="Removes a resource.",
    HEAD="Requests only the headers of a resource.",
    OPTIONS="Requests the methods that a resource supports.",
)
describe(
    ConflictReason,
    "Why a call conflicts with the current state.",
    STALE_VERSION="The task was changed since the version that the caller expected.",
    WRONG_STATE="The call is not possible in the current state: resuming a cancelled task or cancelling a "
    "finished run, for instance.",
    IDEMPOTENCY_KEY_REUSED="The idempotency key was used before, with another input.",
    EXTERNAL_ID_TAKEN="Another task, which is included, has the externalId.",
    FLOW_LIMIT_EXISTS="A flow limit with this key already exists.",
    NAME_TAKEN="A valid API key has the name.",
)
describe(
    UpsertOutcome,
    "The outcome of an upsert.",
    CREATED="No task had the externalId, so one was created.",
    UPDATED="The task was changed.",
    UNCHANGED="The task was already equal to the input.",
)
describe(
    TaskOrder,
    "The order of a list of tasks. A null nextRunAt comes last.",
    CREATED_AT_DESC="Newest first.",
    CREATED_AT_ASC="Oldest first.",
    NEXT_RUN_AT_ASC="Soonest first.",
    NAME_ASC="By name, in the order of the database's collation.",
)
describe(
    ChannelKind,
    "How a channel reaches people or programs.",
    WEBHOOK="A request to a URL, signed by Standard Webhooks, whose body is a CloudEvent in JSON.",
    APPRISE="A service of the library apprise: mail, chats, and many others.",
)
describe(
    NotificationEvent,
    "What a notification is about. Each event except PAUSED and RECOVERED is sent once until it is over.",
    FAILED="A run failed after its retries, or its worker was lost; with `afterFailures`, that many consecutive runs.",
    RECOVERED="A run succeeded after FAILED or ABSENT was sent for its task. A rule with RECOVERED and NO_WORKERS also "
    "sends WORKERS_BACK.",
    LATE="A run began more than `lateMs` after it was due.",
    ABSENT="An instant has no finished run `toleranceMs` after it was due, or was MISSED.",
    PAUSED="A task paused itself after failures.",
    NO_WORKERS="No worker has been alive for `toleranceMs`. The API sends this.",
    WORKERS_BACK="Workers are alive again after NO_WORKERS was sent. A rule cannot select it separately.",
    TEST="A test by testChannel. No rule can select it.",
)
describe(
    DeliveryState,
    "The state of a delivery.",
    PENDING="The channel has not accepted the message yet; the next attempt is due at `nextAttemptAt`.",
    DELIVERED="The channel has accepted the message.",
    FAILED="The last attempt failed, or no further one would help.",
)
describe(
    KeyScope,
    "What the holder of an API key may do. Each scope includes those before it.",
    READ="Reading tasks and their history.",
    WRITE="Changing them, and making calls by tryAction.",
    ADMIN="Everything: also API keys, the audit log and notifications.",
)
describe(
    BulkAction,
    "What `bulk` does with each task or run.",
    PAUSE="Does the same as pauseTask. Takes `tasks`, like the next four.",
    RESUME="Does the same as resumeTask, by each task's own misfire policy.",
    CANCEL="Does the same as cancelTask.",
    DELETE="Does the same as deleteTask.",
    RUN="Does the same as runTask.",
    RETRY="Does the same as retryRun with each finished run. Takes `runs`.",
    CANCEL_RUNS="Does the same as cancelRun with each unfinished run. Takes `runs`.",
)
describe(
    BulkState,
    "The state of an operation on many tasks or runs.",
    RUNNING="Workers are carrying it out.",
    COMPLETED="Each task or run was acted on, or refused.",
    CANCELLED="It was cancelled; what was done by then is not undone.",
    FAILED="It ended by an internal error, which is in the worker's log; what was done by then is not undone.",
)
