"""Operations on many tasks or runs."""

from datetime import datetime
from typing import Annotated

import strawberry

from db import models
from db.states import BulkAction, BulkState
from graphql_api.types import enums  # noqa: F401 (describes the enums)
from graphql_api.types.node import Node
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound


@strawberry.type(description="A task or run on which an operation could not carry out its action.")
class BulkProblem:
    """A refusal."""

    id: strawberry.ID = strawberry.field(description="The id of the task or run.")
    message: str = strawberry.field(description="Why it was refused, in the words of the single mutation.")


@strawberry.type(description="An action on each of many tasks or runs, which workers carry out until it has ended.")
class BulkOperation(Node):
    """An operation from its row."""

    action: BulkAction = strawberry.field(description="What it does with each task or run.")
    state: BulkState = strawberry.field(description="Whether it is running, or how it ended.")
    dry_run: bool = strawberry.field(
        description="Whether it only counted. Then nothing was stored or done, and the id belongs to no stored "
        "operation."
    )
    total: int = strawberry.field(description="Number of tasks or runs that the filter selected at the start.")
    done: int = strawberry.field(description="Number of them that were processed: succeeded + refused.")
    succeeded: int = strawberry.field(
        description="Number of them on which the action succeeded, or which already were in that state."
    )
    refused: int = strawberry.field(description="Number of them that were refused, or had been deleted.")
    problems: list[BulkProblem] = strawberry.field(description="The first 20 that were refused, with the reason.")
    created_at: datetime = strawberry.field(description="When it was started.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null while it is running.")
    actor: str | None = strawberry.field(
        description="The name of the key that started it, as in the audit log, where its changes have that name."
    )

    @staticmethod
    def of(row: models.BulkOperation, *, dry_run: bool = False) -> "BulkOperation":
        """Return an operation from its row."""
        return BulkOperation(
            id=strawberry.ID(str(row.id)),
            action=row.action,
            state=row.state,
            dry_run=dry_run,
            total=row.total,
            done=row.done,
            succeeded=row.succeeded,
            refused=row.refused,
            problems=[BulkProblem(id=strawberry.ID(each), message=message) for each, message in row.problems],
            created_at=row.created_at,
            finished_at=row.finished_at,
            actor=row.key_name,
        )


BulkResult = Annotated[
    BulkOperation | InvalidInput,
    strawberry.union("BulkResult", description="The operation, or why it was not started."),
]
BulkOperationResult = Annotated[
    BulkOperation | NotFound | Conflict,
    strawberry.union("BulkOperationResult", description="The operation in its new state, or why it was not changed."),
]
