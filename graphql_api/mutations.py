"""What can be changed."""

from typing import Annotated

import strawberry

from db.models import utc_now
from graphql_api import ids
from graphql_api.context import Information
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.task import CreateTaskInput, Task
from jobs import tasks
from jobs.transaction import transaction

CreateTaskResult = Annotated[
    Task | InvalidInput | Conflict,
    strawberry.union("CreateTaskResult", description="The task that was made, or why none was."),
]
TaskActionResult = Annotated[
    Task | NotFound | Conflict,
    strawberry.union("TaskActionResult", description="The task as it is now, or why nothing was done."),
]


@strawberry.type(description="What can be changed.")
class Mutation:
    """The root of mutations. Each commits by itself."""

    @strawberry.mutation(description="Makes a task, which fires from its trigger's first instant on.")
    async def create_task(
        self,
        info: Information,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The task to make.")],  # noqa: A002
    ) -> CreateTaskResult:
        """Refuses with every problem at once."""
        services = info.context.services
        async with transaction(services.engine, services.queue) as work:
            row = await tasks.create_task(work, input.draft(), now=utc_now())
        return Task.of(row)

    @strawberry.mutation(
        description="Ends the schedule for good; the task and its history stay; a run that is going on ends by itself, "
        "one that waits is CANCELLED. A task that is cancelled already is returned unchanged."
    )
    async def cancel_task(
        self,
        info: Information,
        id: Annotated[strawberry.ID, strawberry.argument(description="A UUID.")],  # noqa: A002
    ) -> TaskActionResult:
        """Safe to call again."""
        task_id = ids.parse(id)
        services = info.context.services
        async with transaction(services.engine, services.queue) as work:
            row = await tasks.cancel_task(work, task_id, now=utc_now())
        return Task.of(row)
