"""The inputs that create and change a task."""

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from graphql_api.types.action import HttpActionInput, UpdateHttpActionInput
from graphql_api.types.retry import RetryPolicyInput, UpdateRetryPolicyInput
from graphql_api.types.scalars import Milliseconds, given_or_none
from graphql_api.types.trigger import TriggerInput
from jobs.tasks.draft import REMOVABLE, RetryDraft, TaskDraft, TaskUpdate
from jobs.tasks.validation import MAX_DELETE_AFTER_MS, MAX_PAUSE_AFTER_FAILURES, MAX_RETENTION_DAYS

EXTERNAL_ID = (
    "A name that the caller chooses, unique among tasks that are not deleted; 1 to 255 characters without control "
    "characters."
)
DESCRIPTION = "A text about the task, for people; at most 4,000 characters."
METADATA = "Any JSON to keep with the task; at most 4 KiB, without white space."
DELETE_AFTER = (
    "Deletes the task this long after it completed or was cancelled, but not before its last run has ended; at most "
    f"{MAX_DELETE_AFTER_MS:,}."
)
RETENTION = (
    "How many days all of the task's runs are kept, whatever the workers' settings say; 0 keeps them forever; at most "
    f"{MAX_RETENTION_DAYS:,}."
)
FLOW_KEY = (
    "Any text by which tasks share a flow limit, such as the name of an account; 1 to 255 characters without control "
    "characters. An empty text means no key."
)
PAUSE_AFTER_FAILURES = (
    "Pauses the task after this number of consecutive failed runs, each after its retries; at most "
    f"{MAX_PAUSE_AFTER_FAILURES:,}, and 0 means never. SUCCEEDED resets the count, and no other state counts."
)


@strawberry.input(description="A task to create. A null stands for a member's default.")
class CreateTaskInput:
    """A task to create."""

    name: str = strawberry.field(description="The task's name, for people; 1 to 255 characters.")
    trigger: TriggerInput = strawberry.field(description="When the task is due.")
    action: HttpActionInput = strawberry.field(description="The request that the task makes.")
    retry: RetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are retried; by default there are up to three attempts."
    )
    overlap: OverlapPolicy | None = strawberry.field(
        default=OverlapPolicy.SKIP, description="What happens when the task is due while an earlier run is unfinished."
    )
    misfire: MisfirePolicy | None = strawberry.field(
        default=MisfirePolicy.LATEST, description="What happens to missed instants."
    )
    on_lost: LostPolicy | None = strawberry.field(
        default=LostPolicy.RETRY, description="What happens to an attempt whose worker was lost."
    )
    tags: list[str] | None = strawberry.field(
        default_factory=list, description="Labels for filtering; at most 20, each of 1 to 64 characters."
    )
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    description: str | None = strawberry.field(default="", description=DESCRIPTION)
    metadata: JSON | None = strawberry.field(default=UNSET, description=METADATA)
    delete_after_ms: Milliseconds | None = strawberry.field(default=UNSET, description=DELETE_AFTER)
    pause_after_failures: int | None = strawberry.field(default=UNSET, description=PAUSE_AFTER_FAILURES)
    retention_days: int | None = strawberry.field(default=UNSET, description=RETENTION)
    flow_key: str | None = strawberry.field(default=UNSET, description=FLOW_KEY)
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Any text. Repeating a call with the same key and input returns the task that the first call "
        "created, in its current state. The key is looked up before anything is validated against the"
        " clock, and is kept as long as the task.",
    )

    def draft(self) -> TaskDraft:
        """Return the task as the use cases take it."""
        return TaskDraft(
            name=self.name,
            trigger=self.trigger.draft(),
            action=self.action.draft(),
            retry=self.retry.draft() if self.retry else RetryDraft(),
            overlap=self.overlap or OverlapPolicy.SKIP,
            misfire=self.misfire or MisfirePolicy.LATEST,
            on_lost=self.on_lost or LostPolicy.RETRY,
            tags=self.tags or (),
            external_id=given_or_none(self.external_id),
            description=self.description or None,
            metadata=given_or_none(self.metadata),
            delete_after_ms=given_or_none(self.delete_after_ms),
            pause_after_failures=given_or_none(self.pause_after_failures),
            retention_days=given_or_none(self.retention_days),
            flow_key=given_or_none(self.flow_key),
        )


@strawberry.input(
    description="What to change in a task. An absent or null member leaves the old value. Of a trigger of the same "
    "kind, an action or a retry policy, only the given members change."
)
class UpdateTaskInput:
    """What to change in a task."""

    name: str | None = strawberry.field(default=UNSET, description="The task's name, for people; 1 to 255 characters.")
    trigger: TriggerInput | None = strawberry.field(
        default=UNSET,
        description="The new trigger, which takes effect at once; a call that was already due belongs to the old one. "
        "If the kind stays, absent members keep their values and null sets the default; if the kind changes, absent "
        "members have their defaults. An interval without startAt keeps its instants while everyMs stays; a new "
        "everyMs counts from the last instant that was settled.",
    )
    action: UpdateHttpActionInput | None = strawberry.field(
        default=UNSET, description="The request that the task makes."
    )
    retry: UpdateRetryPolicyInput | None = strawberry.field(
        default=UNSET, description="How failed attempts are retried."
    )
    overlap: OverlapPolicy | None = strawberry.field(
        default=UNSET, description="What happens when the task is due while an earlier run is unfinished."
    )
    misfire: MisfirePolicy | None = strawberry.field(default=UNSET, description="What happens to missed instants.")
    on_lost: LostPolicy | None = strawberry.field(
        default=UNSET, description="What happens to an attempt whose worker was lost."
    )
    tags: list[str] | None = strawberry.field(
        default=UNSET, description="The labels that replace the old ones; at most 20, each of 1 to 64 characters."
    )
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    clear_external_id: bool | None = strawberry.field(
        default=False, description="Whether the external id is removed; another task can then use it."
    )
    description: str | None = strawberry.field(default=UNSET, description=DESCRIPTION)
    metadata: JSON | None = strawberry.field(default=UNSET, description=METADATA)
    clear_metadata: bool | None = strawberry.field(default=False, description="Whether the metadata is removed.")
    delete_after_ms: Milliseconds | None = strawberry.field(default=UNSET, description=DELETE_AFTER)
    clear_delete_after_ms: bool | None = strawberry.field(
        default=False, description="Whether the task is no longer deleted automatically."
    )
    pause_after_failures: int | None = strawberry.field(default=UNSET, description=PAUSE_AFTER_FAILURES)
    retention_days: int | None = strawberry.field(default=UNSET, description=RETENTION)
    clear_retention_days: bool | None = strawberry.field(
        default=False, description="Whether the workers' settings apply to the task's runs again."
    )
    flow_key: str | None = strawberry.field(default=UNSET, description=FLOW_KEY)
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuses the change unless the task has this version."
    )

    def changes(self) -> TaskUpdate:
        """Return the update as the use cases take it."""
        return TaskUpdate(
            name=given_or_none(self.name),
            trigger=self.trigger.update() if self.trigger else None,
            action=self.action.members() if self.action else {},
            retry=self.retry.members() if self.retry else {},
            overlap=given_or_none(self.overlap),
            misfire=given_or_none(self.misfire),
            on_lost=given_or_none(self.on_lost),
            tags=given_or_none(self.tags),
            external_id=given_or_none(self.external_id),
            description=given_or_none(self.description),
            metadata=given_or_none(self.metadata),
            delete_after_ms=given_or_none(self.delete_after_ms),
            pause_after_failures=given_or_none(self.pause_after_failures),
            retention_days=given_or_none(self.retention_days),
            flow_key=given_or_none(self.flow_key),
            cleared=[name for name in REMOVABLE if getattr(self, f"clear_{name}")],
        )
