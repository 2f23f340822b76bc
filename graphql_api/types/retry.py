"""The retry policy."""

from typing import Any

import strawberry
from strawberry import UNSET

from db import models
from graphql_api.types.scalars import Milliseconds, given_members
from jobs.tasks.draft import RetryDraft


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

    @staticmethod
    def of(task: models.Task) -> "RetryPolicy":
        """Return the policy of a task."""
        return RetryPolicy(
            max_attempts=task.max_attempts,
            initial_delay_ms=Milliseconds(task.initial_delay_ms),
            factor=task.backoff_factor,
            max_delay_ms=Milliseconds(task.max_delay_ms),
        )


@strawberry.input(description="How failed attempts are retried.")
class RetryPolicyInput:
    """A retry policy to apply."""

    max_attempts: int = strawberry.field(default=3, description="Number of attempts, including the first; 1 to 100.")
    initial_delay_ms: Milliseconds = strawberry.field(
        default=Milliseconds(5_000), description="Delay before the second attempt; at most 86,400,000."
    )
    factor: float = strawberry.field(default=2.0, description="Multiplier for each further delay; 1.0 to 10.0.")
    max_delay_ms: Milliseconds = strawberry.field(
        default=Milliseconds(300_000), description="Longest delay; at most 86,400,000."
    )

    def draft(self) -> RetryDraft:
        """Return the policy as the use cases take it."""
        return RetryDraft(
            max_attempts=self.max_attempts,
            initial_delay_ms=self.initial_delay_ms,
            factor=self.factor,
            max_delay_ms=self.max_delay_ms,
        )


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

    def members(self) -> dict[str, Any]:
        """Return the members that were given, by the names of the draft."""
        return given_members(self)
