"""Request bodies: what clients send to create or change a task, and how it becomes what the use cases take."""

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from graphql_api.rest.form import (
    BadRequest,
    Input,
    Instant,
    Number,
    RequiredCron,
    RequiredText,
    Text,
    Whole,
    must_be,
    one_of,
    validated,
)
from graphql_api.types.preview import MAX_INSTANTS
from jobs import json_value
from jobs.http.body import MAX_BODY_BYTES, MAX_FIELDS, NO_BODY, BodyDraft, FormField
from jobs.http.request import (
    MAX_HEADERS,
    MAX_REDIRECTS,
    MAX_TIMEOUT_MS,
    MAX_URL_LENGTH,
    TOKEN,
    ActionDraft,
    HeaderDraft,
)
from jobs.http.statuses import MAX_ITEMS as MAX_STATUSES
from jobs.http.statuses import PATTERN as STATUS_PATTERN
from jobs.http.statuses import SUCCESS
from jobs.legacy import cron_text
from jobs.retry import MAX_ATTEMPTS, MAX_DELAY_MS, MAX_ELAPSED_MS, MAX_FACTOR
from jobs.security.secret_headers import MASK
from jobs.tasks.draft import (
    MAX_DELETE_AFTER_MS,
    MAX_DESCRIPTION_LENGTH,
    MAX_EXTERNAL_ID_LENGTH,
    MAX_FLOW_KEY_LENGTH,
    MAX_METADATA_BYTES,
    MAX_NAME_LENGTH,
    MAX_PAUSE_AFTER_FAILURES,
    MAX_RETENTION_DAYS,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    RetryDraft,
    TaskDraft,
    TaskUpdate,
)
from jobs.tasks.run_input import RunInput
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Cron, Requested
from jobs.triggers.validation import MAX_EVERY_MS

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
PRINTABLE_NAME = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
HEADER_VALUE = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
WITHOUT_NUL = r"^[^\x00]*$"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
DEFAULT_INSTANTS = 5
BODY_MEMBERS = ("payload", "body", "body_base64", "form")
SENTENCES = {
    "trigger.datetime": "datetime is required for one-off triggers",
    "trigger.cron": "cron expression is required for cron triggers",
}


def described(description: str, *, default: Any = ..., applied: Any = None, **schema: Any) -> Any:
    """Return a field with a description.

    `applied` is the default that the use cases apply, and `schema` has the bounds that they check: both are only for
    the document.
    """
    if applied is not None:
        schema["default"] = applied
    return Field(default, description=description, json_schema_extra=schema)


OnlyCron = Annotated[None, must_be("left out: only cron triggers have it")]
WINDOW = {"start_at", "end_at", "jitter_ms"}
"""Members of a trigger that the old service did not have. In an update null sets the default."""


class OneOffTrigger(Input):
    """Fires once: at an instant, or after a delay."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in ("datetime", "delay_ms")
            ]
        }
    )

    type: Literal["one-off"]
    datetime: Instant | None = described("An instant in the future, with an offset.", default=None)
    delay_ms: Whole | None = described(
        "The time from the moment when the trigger is stored until the instant, in milliseconds, in place of "
        "`datetime`.",
        default=None,
        minimum=0,
        maximum=MAX_EVERY_MS,
    )
    start_at: OnlyCron = described("Only cron triggers have it.", default=None)
    end_at: OnlyCron = described("Only cron triggers have it.", default=None)
    jitter_ms: OnlyCron = described("Only cron triggers have it.", default=None)

    def update(self) -> TriggerUpdate:
        """Return the trigger as the use cases take it. Raises `BadRequest`."""
        if self.datetime is None and self.delay_ms is None:
            raise BadRequest(SENTENCES["trigger.datetime"])
        if None not in {self.datetime, self.delay_ms}:
            raise BadRequest("the instant is given twice: by trigger.datetime and by trigger.delay_ms")
        return TriggerUpdate.one_off(at=self.datetime, delay_ms=self.delay_ms)


class CronTrigger(Input):
    """Fires by a cron expression, or at an interval."""

    type: Literal["cron"]
    cron: RequiredCron = described(
        "Five fields, or a macro such as @daily. It may begin with `TZ=<zone> ` or `CRON_TZ=<zone> `, and may be "
        "`@every <duration>`, such as `@every 1h30m`.",
        format="cron",
        examples=["0 9 * * *", "@every 10s"],
    )
    timezone: Annotated[str, must_be("an IANA time zone")] | None = described(
        "An IANA time zone; UTC by default.", default=None, format="timezone"
    )
    start_at: Instant | None = described(
        "The first instant of an interval, or an instant before which a cron expression does not fire; inclusive.",
        default=None,
    )
    end_at: Instant | None = described(
        "The trigger has no instant after this one; inclusive.", default=None, examples=["2100-01-31T09:00:00Z"]
    )
    jitter_ms: Whole | None = described(
        "Delays each call by up to this many milliseconds; at most the shortest gap between two instants.",
        default=None,
        minimum=0,
        applied=0,
    )

    @classmethod
    def nulls_kept(cls) -> set[str]:
        """Return the members in which null sets the default."""
        return WINDOW

    def update(self) -> TriggerUpdate:
        """Return the trigger as the use cases take it. Raises `BadRequest`.

        The cron text is the whole expression, with its zone or its period; the other members stay if they are absent.
        """
        try:
            found, zone = cron_text.parse(self.cron.strip())
        except ValueError as error:
            raise BadRequest(f"invalid cron expression: {error}") from error
        if None not in {self.timezone, zone} and self.timezone != zone:
            raise BadRequest("the time zone is given twice: in trigger.cron and in trigger.timezone")
        if isinstance(found, Cron):
            members: dict[str, Any] = {"expression": found.expression, "timezone": self.timezone or found.timezone}
        else:
            members = {"every_ms": found.every_ms}
        given = {name: getattr(self, name) for name in WINDOW & self.model_fields_set}
        return TriggerUpdate(kind=type(found), members=members | given)


TriggerInput = TypeAliasType(
    "TriggerInput",
    Annotated[OneOffTrigger | CronTrigger, Field(discriminator="type", description="When the task is due.")],
)


class FormFieldInput(Input):
    """A field of a form. A name may occur more than once."""

    name: Text = described("The name.", pattern=WITHOUT_NUL)
    value: Text = described("The value.", pattern=WITHOUT_NUL)


class BodyInput(Input):
    """A body in one of four forms, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"not": {"required": list(pair), "properties": {name: {"not": {"type": "null"}} for name in pair}}}
                for pair in combinations(BODY_MEMBERS, 2)
            ]
        }
    )

    payload: Any = described(
        f"The body as JSON, of at most {MAX_BODY_BYTES:,} bytes and {json_value.MAX_DEPTH} levels; null sends none. "
        "Numbers keep every digit. At most one of `payload`, `body`, `body_base64` and `form` is not null.",
        default=None,
    )
    body: Text | None = described("The body as text, sent as it is in UTF-8.", default=None, pattern=WITHOUT_NUL)
    body_base64: Text | None = described("The body as bytes in base64.", default=None, pattern=BASE64)
    form: Annotated[list[FormFieldInput], must_be("an array of fields, each with a name and a value")] | None = (
        described("The body as the fields of a form.", default=None, maxItems=MAX_FIELDS)
    )

    def draft(self) -> BodyDraft:
        """Return the body as the use cases take it."""
        form = None if self.form is None else [FormField(field.name, field.value) for field in self.form]
        return BodyDraft(payload=self.payload, body=self.body, body_base64=self.body_base64, form=form)


HEADERS: dict[str, Any] = {
    "propertyNames": {"type": "string", "pattern": f"^{TOKEN.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": HEADER_VALUE},
    "maxProperties": MAX_HEADERS,
}


class ActionInput(BodyInput):
    """The request that the task makes."""

    method: RequiredText = described("An HTTP method, in any case.")
    url: RequiredText = described(
        "An http or https URL, to a target that the service may call.", format="uri", maxLength=MAX_URL_LENGTH
    )
    headers: Annotated[dict[str, str], must_be("an object of strings")] | None = described(
        "Each name once, in any case, and none that the connection needs, such as Host.",
        default=None,
        **HEADERS,
    )
    success_statuses: Annotated[list[str], must_be("an array of strings")] | None = described(
        "Which statuses are a success, such as `2xx`, `404` or `200-204`.",
        default=None,
        applied=list(SUCCESS),
        items={"type": "string", "pattern": STATUS_PATTERN},
        minItems=1,
        maxItems=MAX_STATUSES,
    )
    timeout_ms: Whole | None = described(
        "Timeout of one attempt, in milliseconds.", default=None, minimum=1, maximum=MAX_TIMEOUT_MS, applied=30_000
    )
    redirects: Whole | None = described(
        "Number of redirects to follow.", default=None, minimum=0, maximum=MAX_REDIRECTS, applied=MAX_REDIRECTS
    )

    def members(self) -> dict[str, Any]:
        """Return the whole request, and what Duetime adds to it as far as it was given."""
        return {
            "method": self.method,
            "url": self.url,
            "headers": [
                HeaderDraft(name, None if value == MASK else value) for name, value in (self.headers or {}).items()
            ],
            "body": self.draft(),
        } | self.model_dump(include={"timeout_ms", "redirects", "success_statuses"}, exclude_unset=True)


class RetryInput(Input):
    """How failed attempts are retried: after initial_delay_ms, which grows by factor up to max_delay_ms."""

    max_attempts: Whole | None = described(
        "Number of attempts, including the first.", default=None, minimum=1, maximum=MAX_ATTEMPTS, applied=3
    )
    initial_delay_ms: Whole | None = described(
        "Delay before the second attempt, in milliseconds.",
        default=None,
        minimum=0,
        maximum=MAX_DELAY_MS,
        applied=5_000,
    )
    factor: Number | None = described(
        "Multiplier for each further delay.", default=None, minimum=1, maximum=MAX_FACTOR, applied=2
    )
    max_delay_ms: Whole | None = described(
        "Longest delay, in milliseconds.", default=None, minimum=0, maximum=MAX_DELAY_MS, applied=300_000
    )
    retry_statuses: Annotated[list[str], must_be("an array of strings")] | None = described(
        "Which statuses are retried, such as `5xx` or `429`; by default all that are not a success.",
        default=None,
        items={"type": "string", "pattern": STATUS_PATTERN},
        maxItems=MAX_STATUSES,
    )
    max_elapsed_ms: Whole | None = described(
        "How long after the run's instant the last attempt may begin, in milliseconds.",
        default=None,
        minimum=0,
        maximum=MAX_ELAPSED_MS,
    )

    def draft(self) -> RetryDraft:
        """Return the policy as the use cases take it."""
        return RetryDraft(**self.model_dump(exclude_unset=True))


class Policies(Input):
    """What Duetime adds to the tasks of the old service. In a change, null leaves the value as it is."""

    retry: RetryInput | None = None
    overlap: Annotated[OverlapPolicy, one_of(OverlapPolicy)] | None = described(
        "What happens when the task is due while an earlier run is unfinished.", default=None, applied="skip"
    )
    misfire: Annotated[MisfirePolicy, one_of(MisfirePolicy)] | None = described(
        "What happens to instants that were missed.", default=None, applied="latest"
    )
    on_lost: Annotated[LostPolicy, one_of(LostPolicy)] | None = described(
        "What happens to an attempt whose worker was lost.", default=None, applied="retry"
    )
    tags: Annotated[list[str], must_be("an array of strings")] | None = described(
        "Labels for filtering.",
        default=None,
        items={"type": "string", "pattern": PRINTABLE, "minLength": 1, "maxLength": MAX_TAG_LENGTH},
        maxItems=MAX_TAGS,
        uniqueItems=True,
    )

    external_id: Text | None = described(
        "A name that the caller chooses, unique among tasks that are not deleted.",
        default=None,
        pattern=PRINTABLE,
        minLength=1,
        maxLength=MAX_EXTERNAL_ID_LENGTH,
    )
    description: Text | None = described(
        "A text about the task, for people.",
        default=None,
        pattern=WITHOUT_NUL,
        maxLength=MAX_DESCRIPTION_LENGTH,
        applied="",
    )
    metadata: Any = described(
        f"Any JSON to keep with the task, of at most {MAX_METADATA_BYTES:,} bytes without white space.",
        default=None,
    )
    delete_after_ms: Whole | None = described(
        "Deletes the task this many milliseconds after it completed or was cancelled; null means never.",
        default=None,
        minimum=0,
        maximum=MAX_DELETE_AFTER_MS,
    )
    pause_after_failures: Whole | None = described(
        "Pauses the task after this number of consecutive failed runs; null and 0 mean never.",
        default=None,
        minimum=0,
        maximum=MAX_PAUSE_AFTER_FAILURES,
    )
    retention_days: Whole | None = described(
        "How many days the task's runs are kept; 0 keeps them forever, null applies the workers' settings.",
        default=None,
        minimum=0,
        maximum=MAX_RETENTION_DAYS,
    )
    flow_key: Text | None = described(
        "Any text by which tasks share a flow limit; an empty text means no key.",
        default=None,
        pattern=PRINTABLE,
        maxLength=MAX_FLOW_KEY_LENGTH,
    )

    def policies(self) -> dict[str, Any]:
        """Return the policies, tags and notes, as far as they were given."""
        names = set(Policies.model_fields) - {"retry"}
        return {name: getattr(self, name) for name in names & self.model_fields_set}


NAME = {"pattern": PRINTABLE_NAME, "minLength": 1, "maxLength": MAX_NAME_LENGTH}


class NewTask(Policies):
    """A task to create."""

    name: RequiredText = described("The task's name, for people.", **NAME)
    trigger: TriggerInput
    action: ActionInput


class TaskChanges(Policies):
    """What to change. Null counts as absent. A trigger or an action replaces the old one as a whole."""

    name: Text | None = described("The task's name, for people.", default=None, **NAME)
    trigger: TriggerInput | None = None
    action: ActionInput | None = None


class RunInputs(BodyInput):
    """What one run sends in place of the task's own body and headers."""

    headers: Annotated[dict[str, str], must_be("an object of strings")] | None = described(
        "Headers, which replace those of the same name, in any case. They cannot be secret or replace a secret of the "
        "task.",
        default=None,
        **HEADERS,
    )


class ResumeOptions(Input):
    """How a task is resumed."""

    missed: Annotated[MisfirePolicy, one_of(MisfirePolicy)] | None = described(
        "What happens to the instants missed during the pause; by default, the task's own policy applies.",
        default=None,
    )


class PreviewRequest(Input):
    """A trigger to preview."""

    trigger: TriggerInput
    count: Whole | None = described(
        "Number of instants.", default=None, applied=DEFAULT_INSTANTS, minimum=0, maximum=MAX_INSTANTS
    )
    after: Instant | None = described("Only instants after this one; by default after now.", default=None)


@dataclass(frozen=True, slots=True)
class AskedPreview:
    """A preview as the use cases take it."""

    trigger: Requested
    count: int
    after: datetime | None


def run_input(body: Any) -> RunInput:
    """Return the input that a request gives for one run. Raises `BadRequest`."""
    given = validated(RunInputs, body, sentences=SENTENCES)
    headers = tuple(HeaderDraft(name, value) for name, value in (given.headers or {}).items())
    return RunInput(body=given.draft(), headers=headers)


def missed_policy(body: Any) -> MisfirePolicy | None:
    """Return the misfire policy in a request, if it has one. Raises `BadRequest`."""
    return validated(ResumeOptions, body, sentences=SENTENCES).missed


def preview_of(body: Any) -> AskedPreview:
    """Return the preview that a request wants. Raises `BadRequest`."""
    asked = validated(PreviewRequest, body, sentences=SENTENCES)
    count = DEFAULT_INSTANTS if asked.count is None else asked.count
    if not 0 <= count <= MAX_INSTANTS:
        raise BadRequest(f"count must be from 0 to {MAX_INSTANTS}, not {count}")
    return AskedPreview(asked.trigger.update().applied_to(None), count, asked.after)


def task_draft(body: Any) -> TaskDraft:
    """Return the task that a request wants to create. Raises `BadRequest`."""
    task = validated(NewTask, body, sentences=SENTENCES)
    return TaskDraft(
        name=task.name,
        trigger=task.trigger.update().applied_to(None),
        action=ActionDraft(**{"redirects": MAX_REDIRECTS} | task.action.members()),
        retry=RetryDraft() if task.retry is None else task.retry.draft(),
        **task.policies(),
    )


def task_update(body: Any, *, of: Task) -> TaskUpdate:
    """Return the changes that a request makes to a task. Raises `BadRequest`.

    Members that the old service did not know keep their values unless the request sets them, so a client that sends a
    task back unchanged changes nothing. That includes the payload, which is returned as text.
    """
    changes = validated(TaskChanges, body, sentences=SENTENCES)
    action = {} if changes.action is None else changes.action.members()
    if of.body is not None and action.get("body") == NO_BODY:
        del action["body"]
    elif of.payload is not None and action and action["body"] == NO_BODY._replace(payload=of.payload.text):
        # A client sends back the text that the task shows.
        del action["body"]
    return TaskUpdate(
        name=changes.name,
        trigger=None if changes.trigger is None else changes.trigger.update(),
        action=action,
        retry={} if changes.retry is None else asdict(changes.retry.draft()),
        **changes.policies(),
    )


def url_of(body: bytes) -> str | None:
    """Return the URL in a body, if it is in its place; what else is wrong with the body is found later."""
    try:
        url = json_value.parse(body)["action"]["url"]
    except (json_value.NotJson, LookupError, TypeError):
        return None
    return url if isinstance(url, str) else None
