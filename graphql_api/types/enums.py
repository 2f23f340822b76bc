"""The enums of the domain, described for GraphQL."""

from enum import StrEnum
from typing import Any, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db.reads.tasks import TaskOrder
from db.states import (
    BodyEncoding,
    LostPolicy,
    MisfirePolicy,
    OverlapPolicy,
    RunCause,
    RunEventType,
    RunState,
    TaskStatus,
)
from jobs.errors import ConflictReason
from jobs.http.request import HttpMethod


def describe(enum: type[StrEnum], description: str, **values: str) -> None:
    """Makes the enum known to GraphQL. Each of its values has to be described."""
    strawberry.enum(enum, description=description)
    definition = cast("StrawberryEnumDefinition", cast("Any", enum).__strawberry_definition__)
    for value in definition.values:
        value.description = values.pop(value.name)
    if values:
        raise LookupError(f"{enum.__name__} has no {', '.join(values)}")


describe(
    TaskStatus,
    "COMPLETED: a one-off after its run, however that ended; any other once its endAt has passed.",
    SCHEDULED="Fires at its instants.",
    PAUSED="Fires no more until it is resumed.",
    COMPLETED="Its last instant has passed and its run has ended.",
    CANCELLED="Its schedule was ended for good.",
)
describe(
    OverlapPolicy,
    "What happens when a task is due while an earlier run of it is unfinished: ALLOW both, SKIP the new one (recorded "
    "as SKIPPED), or QUEUE it behind (one waits; a further one is SKIPPED).",
    ALLOW="Both run.",
    SKIP="The new one is recorded as SKIPPED.",
    QUEUE="The new one waits for the end of the earlier one; while one waits, a further one is SKIPPED.",
)
describe(
    MisfirePolicy,
    "What happens to missed instants (when they could be claimed, a later instant of the task was due too, or they "
    "were more than 10 s late: downtime, a pause): LATEST runs the last of them once, SKIP records them as MISSED, ALL "
    "runs every one, one after another (the newest 1,000; older ones are counted in the first). A one-off: LATEST and "
    "ALL run it.",
    LATEST="The last of them runs once and counts the others.",
    SKIP="They are recorded as MISSED.",
    ALL="Every one runs, one after another.",
)
describe(
    LostPolicy,
    "What happens to an attempt whose worker was lost while it may have been on its way: RETRY sends it again with the "
    "same Idempotency-Key, FAIL ends the run as UNKNOWN.",
    RETRY="It is sent again, with the same Idempotency-Key.",
    FAIL="The run ends as UNKNOWN.",
)
describe(
    RunState,
    "UNKNOWN: the worker was lost after the request may have been sent, and the task's policy forbids sending it "
    "again.",
    QUEUED="Not begun yet: it waits for an earlier run of its task, or was asked for a moment ago.",
    RUNNING="An attempt is on its way.",
    RETRYING="An attempt failed; the next one is due at its nextAttemptAt.",
    SUCCEEDED="An attempt was answered with a 2xx status.",
    FAILED="The last attempt failed.",
    CANCELLED="Ended by a person before it could end by itself.",
    SKIPPED="Never attempted: an earlier run was unfinished and the task's overlap policy forbids a second one.",
    MISSED="Never attempted: it could not be claimed in time and the task's misfire policy skips it.",
    UNKNOWN="Its worker was lost while the request may have been on its way, and it was not sent again.",
)
describe(
    RunCause,
    "Why there is a run.",
    SCHEDULE="The task was due.",
    MANUAL="A person or program asked for it.",
    RETRY="A person or program asked for a finished run again.",
)
describe(
    RunEventType,
    "QUEUED only for a run that has to wait (one that starts at once has none); STARTED for each attempt; "
    "ATTEMPT_LOST when its worker was lost.",
    QUEUED="It has to wait for an earlier run.",
    STARTED="An attempt began.",
    ATTEMPT_FAILED="An attempt failed and another one will follow.",
    ATTEMPT_LOST="The worker of an attempt was lost.",
    SUCCEEDED="The run ended well.",
    FAILED="The run ended badly.",
    CANCELLED="The run was ended by a person.",
    SKIPPED="The run was skipped, since an earlier one was unfinished.",
    MISSED="The run was recorded as missed.",
    UNKNOWN="The run ended, and how is not known.",
)
describe(
    BodyEncoding,
    "Text is kept as UTF8, with what is not valid replaced (U+FFFD, and NUL likewise) when the answer calls itself "
    "text or JSON; anything else that is not valid UTF-8 as BASE64.",
    UTF8="The text itself.",
    BASE64="The bytes, in Base64.",
)
describe(
    HttpMethod,
    "A method that a task can call with.",
    GET="Asks for a resource.",
    POST="Hands something to a resource.",
    PUT="Replaces a resource.",
    PATCH="Changes a part of a resource.",
    DELETE="Removes a resource.",
    HEAD="Asks for the headers of a resource alone.",
    OPTIONS="Asks what can be done with a resource.",
)
describe(
    ConflictReason,
    "WRONG_STATE: running a deleted definition, cancelling a finished run, resuming a cancelled task.",
    STALE_VERSION="The task was changed since the version that the caller expected.",
    WRONG_STATE="What was asked cannot be done in the present state.",
    IDEMPOTENCY_KEY_REUSED="The key was used before, with another input.",
)
describe(
    TaskOrder,
    "The orders of a list of tasks. Null nextRunAt sorts last.",
    CREATED_AT_DESC="The newest first.",
    CREATED_AT_ASC="The oldest first.",
    NEXT_RUN_AT_ASC="The soonest first.",
    NAME_ASC="By name, in the order of the database's collation.",
)
