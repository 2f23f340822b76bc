"""The retry policy."""

from typing import Any

import strawberry
from strawberry import UNSET

from db import models
from graphql_api.types.scalars import Milliseconds, given_members
from jobs.tasks.draft import RetryDraft

RETRY_STATUSES = (
    'The statuses that are retried, such as "5xx", "429" or "500-504"; by default all that are not a success, '
    "except 410. Connection errors and timeouts always are."
)
MAX_ELAPSED = "No attempt begins later than this after the instant of the run; at most 2,592,000,000."


@strawberry.type(
    description="How failed attempts are retried. Attempt n+1 starts min(initialDelayMs * factor^(n-1), "
    "maxDelayMs), varied by 20 %, after attempt n ended; or later, if Retry-After asks for more, up "
    "to 24 h whatever maxDelayMs is."
)
class RetryPolicy:
    """When the next attempt is made."""

    max_attempts: int = strawberry.field(description="Number of attempts, including the first.")
    initial_delay_ms: Milliseconds = strawberry.field(description="Delay before the second attempt.")
    factor: float = strawberry.field(description="Multiplier for each further delay.")
    max_delay_ms: Milliseconds = strawberry.field(description="Longest delay.")
    retry_statuses: list[str] | None = strawberry.field(
        description="The statuses that are retried; null means all that are not a success. Connection errors and "
        "timeouts are always retried."
    )
    max_elapsed_ms: Milliseconds | None = strawberry.field(
        description="How long after its instant the last attempt of a run may begin; null means any time."
    )

    @staticmethod
    def of(task: models.Task) -> "RetryPolicy":
        """Return the policy of a task."""
        return RetryPolicy(
            max_attempts=task.max_attempts,
            initial_delay_ms=Milliseconds(task.initial_delay_ms),
            factor=task.backoff_factor,
            max_delay_ms=Milliseconds(task.max_delay_ms),
            retry_statuses=task.retry_statuses,
            max_elapsed_ms=None if task.max_elapsed_ms is None else Milliseconds(task.max_elapsed_ms),
        )


@strawberry.input(description="How failed attempts are retried.")
class RetryPolicyInput:
    """A retry policy to apply."""

    max_attempts: int | None = strawberry.field(
        default=3, description="Number of attempts, including the first; 1 to 100."
    )
    initial_delay_ms: Milliseconds | None = strawberry.field(
        default=Milliseconds(5_000), description="Delay before the second attempt; at most 86,400,000."
    )
    factor: float | None = strawberry.field(default=2.0, description="Multiplier for each further delay; 1.0 to 10.0.")
    max_delay_ms: Milliseconds | None = strawberry.field(
        default=Milliseconds(300_000), description="Longest delay; at most 86,400,000."
    )
    retry_statuses: list[str] | None = strawberry.field(default=UNSET, description=RETRY_STATUSES)
    max_elapsed_ms: Milliseconds | None = strawberry.field(default=UNSET, description=MAX_ELAPSED)

    def draft(self) -> RetryDraft:
        """Return the policy as the use cases take it."""
        return RetryDraft(**given_members(self))


@strawberry.input(description="What to change in a retry policy. An absent or null member leaves the old value.")
class UpdateRetryPolicyInput:
    """Some members of a retry policy."""

    max_attempts: int | None = strawberry.field(
        default=UNSET, description="Number of attempts, including the first; 1 to 100."
    )
    initial_delay_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="Delay before the second attempt; at most 86,400,000."
    )
    factor: float | None = strawberry.field(
        default=UNSET, description="Multiplier for each further delay; 1.0 to 10.0."
    )
    max_delay_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="Longest delay; at most 86,400,000."
    )
    retry_statuses: list[str] | None = strawberry.field(default=UNSET, description=RETRY_STATUSES)
    clear_retry_statuses: bool | None = strawberry.field(
        default=False,
        description="Whether retryStatuses is removed, so that all statuses that are not a success are retried.",
    )
    max_elapsed_ms: Milliseconds | None = strawberry.field(default=UNSET, description=MAX_ELAPSED)
    clear_max_elapsed_ms: bool | None = strawberry.field(
        default=False, description="Whether maxElapsedMs is removed, so that attempts may begin at any time."
    )

    def members(self) -> dict[str, Any]:
        """Return the members that were given, by the names of the draft, and those that remove one."""
        return {name: value for name, value in given_members(self).items() if value is not False}
