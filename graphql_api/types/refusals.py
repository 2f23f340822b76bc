"""Errors of the use cases as data: the one place where they become members of result unions."""

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from graphql_api.types import enums  # noqa: F401 (describes the enums)
from jobs import errors
from jobs.errors import ConflictReason

if TYPE_CHECKING:
    from graphql_api.types.run import Run
    from graphql_api.types.task import Task


@strawberry.interface(description="Why a call was refused. Every reason implements this interface.")
class Error:
    """What every error has."""

    message: str = strawberry.field(description="The reason, for people.")


@strawberry.type(description="A problem with one field of an input.")
class InputProblem:
    """One field that is wrong."""

    path: list[str] = strawberry.field(description="The path of the field in the input; list indexes are strings.")
    message: str = strawberry.field(description="What is wrong with the field, and what would be right.")


@strawberry.type(
    description="The input is well-formed GraphQL but not acceptable. It has one problem for each field that is wrong."
)
class InvalidInput(Error):
    """Everything that is wrong with an input."""

    problems: list[InputProblem] = strawberry.field(description="Everything that is wrong with the input.")

    @staticmethod
    def of(refusal: errors.InvalidInput) -> "InvalidInput":
        """Return the problems of a refusal."""
        problems = [InputProblem(path=list(problem.path), message=problem.message) for problem in refusal.problems]
        return InvalidInput(message=str(refusal), problems=problems)


@strawberry.type(description="No such object has the id, or it was deleted.")
class NotFound(Error):
    """No task or run has the id."""

    @staticmethod
    def of(refusal: errors.NotFound) -> "NotFound":
        """Return the message of a refusal."""
        return NotFound(message=str(refusal))


@strawberry.type(description="The call is legal, but not in the current state of the task or run, which is included.")
class Conflict(Error):
    """The current state does not allow the call."""

    reason: ConflictReason = strawberry.field(description="The reason, for programs.")
    current_task: Annotated["Task", strawberry.lazy("graphql_api.types.task")] | None = strawberry.field(
        default=None, description="The task whose state forbids the call, in its current state."
    )
    current_run: Annotated["Run", strawberry.lazy("graphql_api.types.run")] | None = strawberry.field(
        default=None, description="The run whose state forbids the call, in its current state."
    )

    @staticmethod
    def of(refusal: errors.Conflict) -> "Conflict":
        """Return the reason of a refusal, with the task or run."""
        from graphql_api.types.run import Run  # noqa: PLC0415 (tasks and runs know of refusals)
        from graphql_api.types.task import Task  # noqa: PLC0415

        return Conflict(
            message=str(refusal),
            reason=refusal.reason,
            current_task=Task.of(refusal.task) if refusal.task else None,
            current_run=Run.of(refusal.run) if refusal.run else None,
        )


class ShowInvalidInput(strawberry.ExceptionHandler[errors.InvalidInput, InvalidInput]):
    """Shows invalid input as a member of a union."""

    def handle(self, exception: errors.InvalidInput, *, field: StrawberryField, info: Info) -> InvalidInput:
        """Return the refusal as a member of a union."""
        return InvalidInput.of(exception)


class ShowNotFound(strawberry.ExceptionHandler[errors.NotFound, NotFound]):
    """Shows an unknown id as a member of a union."""

    def handle(self, exception: errors.NotFound, *, field: StrawberryField, info: Info) -> NotFound:
        """Return the refusal as a member of a union."""
        return NotFound.of(exception)


class ShowConflict(strawberry.ExceptionHandler[errors.Conflict, Conflict]):
    """Shows a conflict as a member of a union."""

    def handle(self, exception: errors.Conflict, *, field: StrawberryField, info: Info) -> Conflict:
        """Return the refusal as a member of a union."""
        return Conflict.of(exception)


HANDLERS = (ShowInvalidInput(), ShowNotFound(), ShowConflict())
