"""How a failed attempt is followed by another."""

from typing import Any

import strawberry
from strawberry import UNSET

from db import models
from graphql_api.types.scalars import Milliseconds, given_members
from jobs.tasks.draft import RetryDraft


@strawberry.type(
    description="Attempt n+1 starts min(initialDelayMs × factor^(n-1), maxDelayMs), give or take 20 %, after attempt n "  # noqa: RUF001
    "ended; or later, as Retry-After asks (up to 24 h, whatever maxDelayMs)."
)
class RetryPolicy:
    """When the next attempt is due."""

    max_attempts: int = strawberry.field(description="How many attempts there are in all.")
    initial_delay_ms: Milliseconds = strawberry.field(description="The delay before the second attempt.")
    factor: float = strawberry.field(description="What each further delay is multiplied by.")
    max_delay_ms: Milliseconds = strawberry.field(description="What no delay exceeds.")

    @staticmethod
    def of(task: models.Task) -> "RetryPolicy":
        """The policy of a task."""
        return RetryPolicy(
            max_attempts=task.max_attempts,
            initial_delay_ms=Milliseconds(task.initial_delay_ms),
            factor=task.backoff_factor,
            max_delay_ms=Milliseconds(task.max_delay_ms),
        )


@strawberry.input(description="How a failed attempt is to be followed by another.")
class RetryPolicyInput:
    """A retry policy as it is asked for."""

    max_attempts: int = strawberry.field(default=3, description="How many attempts there are in all; 1 to 100.")
    initial_delay_ms: Milliseconds = strawberry.field(
        default=Milliseconds(5_000), description="The delay before the second attempt; at most 86,400,000."
    )
    factor: float = strawberry.field(default=2.0, description="What each further delay is multiplied by; 1.0 to 10.0.")
    max_delay_ms: Milliseconds = strawberry.field(
        default=Milliseconds(300_000), description="What no delay exceeds; at most 86,400,000."
    )

    def draft(self) -> RetryDraft:
        """The same, for the use case."""
        return RetryDraft(
            max_attempts=self.max_attempts,
            initial_delay_ms=self.initial_delay_ms,
            factor=self.factor,
            max_delay_ms=self.max_delay_ms,
        )


@strawberry.input(description="What is to change in a retry policy; what is absent or null stays as it is.")
class UpdateRetryPolicyInput:
    """Some members of a retry policy."""

    max_attempts: int | None = strawberry.field(
        default=UNSET, description="How many attempts there are in all; 1 to 100."
    )
    initial_delay_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="The delay before the second attempt; at most 86,400,000."
    )
    factor: float | None = strawberry.field(
        default=UNSET, description="What each further delay is multiplied by; 1.0 to 10.0."
    )
    max_delay_ms: Milliseconds | None = strawberry.field(
        default=UNSET, description="What no delay exceeds; at most 86,400,000."
    )

    def members(self) -> dict[str, Any]:
        """What was given, by the names of the draft."""
        return given_members(self)
