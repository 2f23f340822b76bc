"""Drafts: tasks and changes of tasks as requested, not validated yet."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from db.models import Task
from db.states import LostPolicy, MisfirePolicy, OverlapPolicy
from jobs.http.body import draft_of as body_draft
from jobs.http.request import ActionDraft, HeaderDraft
from jobs.http.resolver import TargetChecker
from jobs.http.statuses import SUCCESS
from jobs.problems import Problem
from jobs.security.secret_headers import SEALED, in_order, is_sealed
from jobs.triggers.revision import TriggerUpdate
from jobs.triggers.schedule import Requested

REMOVABLE = {
    "external_id": ("clearExternalId", "external_id"),
    "metadata": ("clearMetadata", "user_metadata"),
    "delete_after_ms": ("clearDeleteAfterMs", "delete_after_ms"),
    "retention_days": ("clearRetentionDays", "retention_days"),
}
"""The members that an update can remove: what removes each in its input, and the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDraft:
    """A retry policy as requested, not validated yet."""

    max_attempts: int = 3
    initial_delay_ms: int = 5_000
    factor: float = 2.0
    max_delay_ms: int = 300_000
    retry_statuses: Sequence[str] | None = None
    max_elapsed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraft:
    """A task as requested by either API, not validated yet."""

    name: str
    trigger: Requested
    action: ActionDraft
    retry: RetryDraft = field(default_factory=RetryDraft)
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    misfire: MisfirePolicy = MisfirePolicy.LATEST
    on_lost: LostPolicy = LostPolicy.RETRY
    tags: Sequence[str] = ()
    external_id: str | None = None
    description: str | None = None
    metadata: Any = None
    delete_after_ms: int | None = None
    pause_after_failures: int | None = None
    retention_days: int | None = None
    flow_key: str | None = None
    target_problems: Sequence[Problem] = field(default=(), compare=False)
    """What `with_target_checked` has found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdate:
    """What to change in a task, not validated yet; None leaves the old value.

    `trigger`, `action` and `retry` have only those members that change; `cleared` names those of REMOVABLE that go.
    """

    name: str | None = None
    trigger: TriggerUpdate | None = None
    action: Mapping[str, Any] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    overlap: OverlapPolicy | None = None
    misfire: MisfirePolicy | None = None
    on_lost: LostPolicy | None = None
    tags: Sequence[str] | None = None
    external_id: str | None = None
    description: str | None = None
    metadata: Any = None
    delete_after_ms: int | None = None
    pause_after_failures: int | None = None
    retention_days: int | None = None
    flow_key: str | None = None
    cleared: Collection[str] = ()
    target_problems: Sequence[Problem] = field(default=(), compare=False)
    """What `with_target_checked` has found."""


Wanted = TypeVar("Wanted", TaskDraft, TaskUpdate)


async def with_target_checked(draft: Wanted, checker: TargetChecker) -> Wanted:
    """Return the draft with the problems of its target.

    Call this before the transaction opens: it resolves the target's name, which can take seconds.
    """
    [checked] = await with_targets_checked([draft], checker)
    return checked


async def with_targets_checked(drafts: Sequence[Wanted], checker: TargetChecker) -> list[Wanted]:
    """Return many drafts with the problems of their targets. Each name is resolved once."""
    problems = await checker.problems_of([url_of(draft) for draft in drafts])
    return [replace(draft, target_problems=found) for draft, found in zip(drafts, problems, strict=True)]


def url_of(draft: TaskDraft | TaskUpdate) -> str | None:
    """Return the URL that a draft sets, if it sets one."""
    return draft.action.url if isinstance(draft, TaskDraft) else draft.action.get("url")


def action_draft(task: Task) -> ActionDraft:
    """Return the task's action as a draft."""
    return ActionDraft(
        method=task.method,
        url=task.url,
        headers=[
            HeaderDraft(name, None, kept=value[SEALED]) if is_sealed(value) else HeaderDraft(name, value)
            for name, value in in_order(task).items()
        ],
        body=body_draft(task.payload, task.body),
        success_statuses=task.success_statuses or SUCCESS,
        timeout_ms=task.timeout_ms,
        redirects=task.redirects,
        kept_signing_secrets=task.signing_secrets or (),
    )


def retry_draft(task: Task) -> RetryDraft:
    """Return the task's retry policy as a draft."""
    return RetryDraft(
        max_attempts=task.max_attempts,
        initial_delay_ms=task.initial_delay_ms,
        factor=task.backoff_factor,
        max_delay_ms=task.max_delay_ms,
        retry_statuses=task.retry_statuses,
        max_elapsed_ms=task.max_elapsed_ms,
    )
