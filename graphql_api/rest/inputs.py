"""Request bodies: what clients send to create, change or run a task, and how it becomes what the use cases take."""

from dataclasses import asdict
from typing import Annotated, Any

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from graphql_api.rest.action_input import HEADERS, STATUSES, ActionInput, BodyInput
from graphql_api.rest.form import (
    WITHOUT_NUL,
    BadRequest,
    Input,
    Instant,
    Number,
    RequiredText,
    Text,
    Texts,
    TextsByName,
    Whole,
    described,
    one_of,
    optional,
    within,
)
from graphql_api.rest.trigger_input import TriggerInput
from graphql_api.types.preview import MAX_INSTANTS
from jobs import json_value, retry
from jobs.http.body import NO_BODY
from jobs.http.request import MAX_REDIRECTS, ActionDraft, HeaderDraft
from jobs.tasks import validation
from jobs.tasks.draft import RetryDraft, TaskDraft, TaskUpdate
from jobs.tasks.run_input import RunInput

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
PRINTABLE_NAME = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
DEFAULT_INSTANTS = 5


class RetryInput(Input):
    """How failed attempts are retried: after initial_delay_ms, which grows by factor up to max_delay_ms."""

    max_attempts: Whole | None = within("Number of attempts, including the first.", 1, retry.MAX_ATTEMPTS, applied=3)
    initial_delay_ms: Whole | None = within(
        "Delay before the second attempt, in milliseconds.", 0, retry.MAX_DELAY_MS, applied=5_000
    )
    factor: Number | None = within("Multiplier for each further delay.", 1, retry.MAX_FACTOR, applied=2)
    max_delay_ms: Whole | None = within("Longest delay, in milliseconds.", 0, retry.MAX_DELAY_MS, applied=300_000)
    retry_statuses: Texts | None = optional(
        "Which statuses are retried, such as `5xx` or `429`; by default all that are not a success.",
        **STATUSES,
    )
    max_elapsed_ms: Whole | None = within(
        "How long after the run's instant the last attempt may begin, in milliseconds.", 0, retry.MAX_ELAPSED_MS
    )

    def draft(self) -> RetryDraft:
        """Return the policy as the use cases take it."""
        return RetryDraft(**self.model_dump(exclude_unset=True))


class Policies(Input):
    """What Duetime adds to the tasks of the old service. In a change, null leaves the value as it is."""

    retry: RetryInput | None = None
    overlap: Annotated[OverlapPolicy, one_of(OverlapPolicy)] | None = optional(
        "What happens when the task is due while an earlier run is unfinished.", applied="skip"
    )
    misfire: Annotated[MisfirePolicy, one_of(MisfirePolicy)] | None = optional(
        "What happens to instants that were missed.", applied="latest"
    )
    on_lost: Annotated[LostPolicy, one_of(LostPolicy)] | None = optional(
        "What happens to an attempt whose worker was lost.", applied="retry"
    )
    tags: Texts | None = optional(
        "Labels for filtering.",
        items={"type": "string", "pattern": PRINTABLE, "minLength": 1, "maxLength": validation.MAX_TAG_LENGTH},
        maxItems=validation.MAX_TAGS,
        uniqueItems=True,
    )

    external_id: Text | None = optional(
        "A name that the caller chooses, unique among tasks that are not deleted.",
        pattern=PRINTABLE,
        minLength=1,
        maxLength=validation.MAX_EXTERNAL_ID_LENGTH,
    )
    description: Text | None = optional(
        "A text about the task, for people.",
        pattern=WITHOUT_NUL,
        maxLength=validation.MAX_DESCRIPTION_LENGTH,
        applied="",
    )
    metadata: Any = optional(
        f"Any JSON to keep with the task, of at most {validation.MAX_METADATA_BYTES:,} bytes without white space."
    )
    delete_after_ms: Whole | None = within(
        "Deletes the task this many milliseconds after it completed or was cancelled; null means never.",
        0,
        validation.MAX_DELETE_AFTER_MS,
    )
    pause_after_failures: Whole | None = within(
        "Pauses the task after this number of consecutive failed runs; null and 0 mean never.",
        0,
        validation.MAX_PAUSE_AFTER_FAILURES,
    )
    retention_days: Whole | None = within(
        "How many days the task's runs are kept; 0 keeps them forever, null applies the workers' settings.",
        0,
        validation.MAX_RETENTION_DAYS,
    )
    flow_key: Text | None = optional(
        "Any text by which tasks share a flow limit; an empty text means no key.",
        pattern=PRINTABLE,
        maxLength=validation.MAX_FLOW_KEY_LENGTH,
    )

    def policies(self) -> dict[str, Any]:
        """Return the policies, tags and notes, as far as they were given."""
        names = set(Policies.model_fields) - {"retry"}
        return {name: getattr(self, name) for name in names & self.model_fields_set}


NAME = {"pattern": PRINTABLE_NAME, "minLength": 1, "maxLength": validation.MAX_NAME_LENGTH}


class NewTask(Policies):
    """A task to create."""

    name: RequiredText = described("The task's name, for people.", **NAME)
    trigger: TriggerInput
    action: ActionInput

    def draft(self) -> TaskDraft:
        """Return the task as the use cases take it. Raises `BadRequest`."""
        return TaskDraft(
            name=self.name,
            trigger=self.trigger.update().applied_to(None),
            action=ActionDraft(**{"redirects": MAX_REDIRECTS} | self.action.members()),
            retry=RetryDraft() if self.retry is None else self.retry.draft(),
            **self.policies(),
        )


class TaskChanges(Policies):
    """What to change. Null counts as absent. A trigger or an action replaces the old one as a whole."""

    name: Text | None = optional("The task's name, for people.", **NAME)
    trigger: TriggerInput | None = None
    action: ActionInput | None = None

    def update(self, task: Task) -> TaskUpdate:
        """Return the changes of a task as the use cases take them. Raises `BadRequest`.

        Members that the old service did not know keep their values unless the request sets them, so a client that sends
        a task back unchanged changes nothing. That includes the payload, which is returned as text.
        """
        action = {} if self.action is None else self.action.members()
        if task.body is not None and action.get("body") == NO_BODY:
            del action["body"]
        elif task.payload is not None and action and action["body"] == NO_BODY._replace(payload=task.payload.text):
            # A client sends back the text that the task shows.
            del action["body"]
        return TaskUpdate(
            name=self.name,
            trigger=None if self.trigger is None else self.trigger.update(),
            action=action,
            retry={} if self.retry is None else asdict(self.retry.draft()),
            **self.policies(),
        )


class RunInputs(BodyInput):
    """What one run sends in place of the task's own body and headers."""

    headers: TextsByName | None = optional(
        "Headers, which replace those of the same name, in any case. They cannot be secret or replace a secret of the "
        "task.",
        **HEADERS,
    )

    def run_input(self) -> RunInput:
        """Return the input as the use cases take it."""
        headers = tuple(HeaderDraft(name, value) for name, value in (self.headers or {}).items())
        return RunInput(body=self.draft(), headers=headers)


class ResumeOptions(Input):
    """How a task is resumed."""

    missed: Annotated[MisfirePolicy, one_of(MisfirePolicy)] | None = optional(
        "What happens to the instants missed during the pause; by default, the task's own policy applies."
    )


class PreviewRequest(Input):
    """A trigger to preview."""

    trigger: TriggerInput
    count: Whole | None = within("Number of instants.", 0, MAX_INSTANTS, applied=DEFAULT_INSTANTS)
    after: Instant | None = optional("Only instants after this one; by default after now.")

    def checked_count(self) -> int:
        """Return the number of instants. Raises `BadRequest` if it is out of bounds."""
        count = DEFAULT_INSTANTS if self.count is None else self.count
        if not 0 <= count <= MAX_INSTANTS:
            raise BadRequest(f"count must be from 0 to {MAX_INSTANTS}, not {count}")
        return count


def url_of(body: bytes) -> str | None:
    """Return the URL in a body, if it is in its place; what else is wrong with the body is found later."""
    try:
        url = json_value.parse(body)["action"]["url"]
    except (json_value.NotJson, LookupError, TypeError):
        return None
    return url if isinstance(url, str) else None
