"""The part of the root types that returns to an earlier version of a task."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from db.models import utc_now
from db.states import KeyScope
from graphql_api import ids
from graphql_api.context import Info
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import Task
from jobs.tasks import versions

UpdateTaskResult = Annotated[
    Task | InvalidInput | NotFound | Conflict,
    strawberry.union("UpdateTaskResult", description="The task in its new state, or why it was not changed."),
]


@strawberry.type
class VersionMutations:
    """What can be undone."""

    @strawberry.mutation(
        description="Restores the definition that a task had at a version, as a new version, including its secrets. "
        "The status stays the same as in `updateTask`, and so does the external id. A trigger that has "
        "no further instant, such as a one-off in the past, is InvalidInput, unless it is the current one. A "
        "definition that is equal to the current one changes nothing."
    )
    async def rollback_task(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The task's id, a UUID.")],  # noqa: A002
        version: Annotated[
            int,
            strawberry.argument(description="A version that the task had; the definition at that version is restored."),
        ],
        expected_version: Annotated[
            int | None, strawberry.argument(description="Refuses the change unless the task has this version.")
        ] = UNSET,
    ) -> UpdateTaskResult:
        """Return to an earlier definition."""
        info.context.need(KeyScope.WRITE)
        services, task_id = info.context.services, ids.parse(id)
        async with services.session() as session:
            _, problems = await versions.definition_to_restore(
                session, task_id, version, secrets=services.secrets, checker=services.targets
            )
        async with info.context.transaction() as work:
            # Read again, because the key for secrets may have been rotated meanwhile.
            definition, _ = await versions.definition_to_restore(
                work.session, task_id, version, secrets=services.secrets, checker=None
            )
            row = await versions.rollback_task(
                work,
                task_id,
                definition,
                target_problems=problems,
                now=utc_now(),
                expected_version=given_or_none(expected_version),
            )
        return Task.of(row)
