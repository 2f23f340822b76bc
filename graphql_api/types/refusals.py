"""Refusals as data: the one place where the domain's errors become members of result unions."""

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


@strawberry.interface(description="Why a call was refused.")
class Error:
    """What every refusal says."""

    message: str = strawberry.field(description="The reason, for people.")


@strawberry.type(description="What is wrong with one field of an input.")
class InputProblem:
    """One field at fault."""

    path: list[str] = strawberry.field(description="Where the field is in the input, list indexes as strings.")
    message: str = strawberry.field(description="What is wrong there, and what would be right.")


@strawberry.type(
    description="The input is well-formed GraphQL but cannot be accepted; one problem per field at fault, its path "
    "relative to the input, list indexes as strings."
)
class InvalidInput(Error):
    """All that is wrong, at once."""

    problems: list[InputProblem] = strawberry.field(description="All that is wrong.")

    @staticmethod
    def of(refusal: errors.InvalidInput) -> "InvalidInput":
        """The problems as they are."""
        problems = [InputProblem(path=list(problem.path), message=problem.message) for problem in refusal.problems]
        return InvalidInput(message=str(refusal), problems=problems)


@strawberry.type(description="What the call is about does not exist, or no longer.")
class NotFound(Error):
    """Nothing has that id."""

    @staticmethod
    def of(refusal: errors.NotFound) -> "NotFound":
        """The message as it is."""
        return NotFound(message=str(refusal))


@strawberry.type(description="The call is legal but not in the present state; what stands in its way comes along.")
class Conflict(Error):
    """The present state forbids it."""

    reason: ConflictReason = strawberry.field(description="The reason, for programs.")
    task: Annotated["Task", strawberry.lazy("graphql_api.types.task")] | None = strawberry.field(
        default=None, description="The task whose state forbids it, as it is."
    )
    run: Annotated["Run", strawberry.lazy("graphql_api.types.run")] | None = strawberry.field(
        default=None, description="The run whose state forbids it, as it is."
    )

    @staticmethod
    def of(refusal: errors.Conflict) -> "Conflict":
        """The reason as it is."""
        from graphql_api.types.run import Run  # noqa: PLC0415 (tasks and runs know of refusals)
        from graphql_api.types.task import Task  # noqa: PLC0415

        return Conflict(
            message=str(refusal),
            reason=refusal.reason,
            task=Task.of(refusal.task) if refusal.task else None,
            run=Run.of(refusal.run) if refusal.run else None,
        )


class ShowInvalidInput(strawberry.ExceptionHandler[errors.InvalidInput, InvalidInput]):
    """Input that the domain refused."""

    def handle(self, exception: errors.InvalidInput, *, field: StrawberryField, info: Info) -> InvalidInput:
        """As it is shown anywhere."""
        return InvalidInput.of(exception)


class ShowNotFound(strawberry.ExceptionHandler[errors.NotFound, NotFound]):
    """An id that nothing has."""

    def handle(self, exception: errors.NotFound, *, field: StrawberryField, info: Info) -> NotFound:
        """As it is shown anywhere."""
        return NotFound.of(exception)


class ShowConflict(strawberry.ExceptionHandler[errors.Conflict, Conflict]):
    """A state that forbids the call."""

    def handle(self, exception: errors.Conflict, *, field: StrawberryField, info: Info) -> Conflict:
        """As it is shown anywhere."""
        return Conflict.of(exception)


HANDLERS = (ShowInvalidInput(), ShowNotFound(), ShowConflict())
