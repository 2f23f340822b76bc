"""Why a use case refuses. They know nothing of HTTP or GraphQL; the edges translate them.

Refusal
├── InvalidInput   problems: what is wrong, field by field
├── NotFound       what was asked for is not there
└── Conflict       legal, but not in the present state
"""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from db.models import Run, Task
from jobs.problems import Problem

__all__ = ["Conflict", "ConflictReason", "InvalidInput", "NotFound", "Problem", "Refusal"]


class Refusal(Exception):
    """What was asked cannot be done."""


class InvalidInput(Refusal):
    """The input is well-formed but cannot be accepted. All problems are told at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class NotFound(Refusal):
    """What was asked for is not there, or no longer."""

    def __init__(self, kind: str, sought: UUID) -> None:
        super().__init__(f"There is no {kind} {sought}")


class ConflictReason(StrEnum):
    """What stands in the way of a call that is legal but not in the present state."""

    STALE_VERSION = "stale_version"
    WRONG_STATE = "wrong_state"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"


class Conflict(Refusal):
    """The call is legal, but not in the present state. What stands in its way comes along."""

    def __init__(
        self, message: str, *, reason: ConflictReason, task: Task | None = None, run: Run | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.task = task
        self.run = run
