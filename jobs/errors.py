"""Errors of the use cases. They know nothing of HTTP or GraphQL; the edges translate them.

Refusal
├── InvalidInput   the input is wrong; `problems` says where and why
├── NotFound       no such object has the id
└── Conflict       the call is legal, but not in the current state
"""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from db.models import Run, Task
from jobs.problems import Problem


class Refusal(Exception):
    """A call that cannot be carried out."""


class InvalidInput(Refusal):
    """The input is well-formed but not acceptable. It lists all problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class NotFound(Refusal):
    """No task or run has the id, or it was deleted."""

    def __init__(self, kind: str, sought: UUID) -> None:
        super().__init__(f"There is no {kind} {sought}")
        self.kind = kind


class ConflictReason(StrEnum):
    """Why a valid call is not possible in the current state."""

    STALE_VERSION = "stale_version"
    WRONG_STATE = "wrong_state"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    EXTERNAL_ID_TAKEN = "external_id_taken"
    FLOW_LIMIT_EXISTS = "flow_limit_exists"
    NAME_TAKEN = "name_taken"


class Conflict(Refusal):
    """The call is legal, but not in the current state. It carries the task or run that is in its way."""

    def __init__(
        self, message: str, *, reason: ConflictReason, task: Task | None = None, run: Run | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.task = task
        self.run = run
