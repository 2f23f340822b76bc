"""What can be changed."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from db import models
from db.models import utc_now
from db.states import KeyScope, MisfirePolicy
from graphql_api import ids
from graphql_api.context import Info
from graphql_api.errors import limit_exceeded
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.run import Run
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import CreateTaskInput, DeletedTask, Task, UpdateTaskInput
from jobs import errors
from jobs.tasks import changes, creation, runs
from jobs.tasks.creation import CreateRequest
from jobs.tasks.draft import with_target_checked, with_targets_checked

MAX_INPUTS = 1_000
"""Number of items in a bulk mutation."""

CreateTaskResult = Annotated[
    Task | InvalidInput | Conflict,
    strawberry.union("CreateTaskResult", description="The task that was made, or why none was."),
]
UpdateTaskResult = Annotated[
    Task | InvalidInput | NotFound | Conflict,
    strawberry.union("UpdateTaskResult", description="The task as it is now, or why nothing was changed."),
]
TaskActionResult = Annotated[
    Task | NotFound | Conflict,
    strawberry.union("TaskActionResult", description="The task as it is now, or why nothing was done."),
]
DeleteTaskResult = Annotated[
    DeletedTask | NotFound,
    strawberry.union("DeleteTaskResult", description="That the task is deleted, or that there was none."),
]
RunActionResult = Annotated[
    Run | NotFound | Conflict,
    strawberry.union("RunActionResult", description="The run as it is now, or why nothing was done."),
]

Id = Annotated[strawberry.ID, strawberry.argument(description="A UUID.")]
Ids = Annotated[
    list[strawberry.ID],
    strawberry.argument(description=f"UUIDs, at most {MAX_INPUTS:,}. One that comes twice is answered twice."),
]
Missed = Annotated[
    MisfirePolicy | None, strawberry.argument(description="What becomes of what was missed while paused.")
]
IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Any text. The same key again returns the run that the first call made; kept as long as the task."
    ),
]


@strawberry.type(description="What can be changed.")
class Mutation:
    """The root of mutations. Each commits by itself."""

    @strawberry.mutation(description="Makes a task, which fires from its trigger's first instant on.")
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The task to make.")],  # noqa: A002
    ) -> CreateTaskResult:
        """Refuses with every problem at once."""
        info.context.need(KeyScope.WRITE)
        draft = await with_target_checked(input.draft(), info.context.services.targets)
        async with info.context.transaction() as work:
            key = given_or_none(input.idempotency_key)
            row = await creation.create_task(work, draft, now=utc_now(), key=key)
        return Task.of(row)

    @strawberry.mutation(
        description=f"Up to {MAX_INPUTS:,} at once, in one transaction, with a result for each in the same order; one "
        "that is refused does not hold back the others."
    )
    async def create_tasks(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateTaskInput], strawberry.argument(description=f"The tasks to make, at most {MAX_INPUTS:,}.")
        ],
    ) -> list[CreateTaskResult]:
        """Many times as fast as one by one."""
        info.context.need(KeyScope.WRITE)
        check_number(inputs, "inputs")
        drafts = await with_targets_checked([each.draft() for each in inputs], info.context.services.targets)
        wanted = [
            CreateRequest(draft, given_or_none(each.idempotency_key))
            for draft, each in zip(drafts, inputs, strict=True)
        ]
        async with info.context.transaction() as work:
            outcomes = await creation.create_tasks(work, wanted, now=utc_now())
        return [creation_result(outcome) for outcome in outcomes]

    @strawberry.mutation(
        description="Never changes the status, but for one case: a new trigger on a COMPLETED task schedules it again. "
        "An input that changes nothing leaves the version as it is."
    )
    async def update_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        input: Annotated[UpdateTaskInput, strawberry.argument(description="What is to change.")],  # noqa: A002
    ) -> UpdateTaskResult:
        """Refuses with every problem at once."""
        info.context.need(KeyScope.WRITE)
        task_id = ids.parse(id)
        wanted = await with_target_checked(input.changes(), info.context.services.targets)
        async with info.context.transaction() as work:
            expected = given_or_none(input.expected_version)
            row = await changes.update_task(work, task_id, wanted, now=utc_now(), expected_version=expected)
        return Task.of(row)

    @strawberry.mutation(
        description="Stops the schedule until the task is resumed; runs that have begun or wait go on. A task that is "
        "paused already is returned unchanged."
    )
    async def pause_task(self, info: Info, id: Id) -> TaskActionResult:  # noqa: A002
        """Safe to call again."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.pause_task(work, task_id, now=utc_now())
        return Task.of(row)

    @strawberry.mutation(
        description="What was missed while paused is settled by `missed`; the default settles it by the task's own "
        "misfire policy. A task that is scheduled already is returned unchanged."
    )
    async def resume_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        missed: Missed = UNSET,
    ) -> TaskActionResult:
        """Safe to call again."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.resume_task(work, task_id, now=utc_now(), missed=given_or_none(missed))
        return Task.of(row)

    @strawberry.mutation(
        description="Ends the schedule for good; the task and its history stay; a run that is going on ends by itself, "
        "one that waits is CANCELLED. A task that is cancelled already is returned unchanged."
    )
    async def cancel_task(self, info: Info, id: Id) -> TaskActionResult:  # noqa: A002
        """Safe to call again."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.cancel_task(work, task_id, now=utc_now())
        return Task.of(row)

    @strawberry.mutation(description="As pauseTask, in one transaction: a result for each in the same order.")
    async def pause_tasks(self, info: Info, ids: Ids) -> list[TaskActionResult]:
        """One that is refused does not hold back the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.pause_tasks(work, task_ids, now=utc_now())
        return [action_result(outcome) for outcome in outcomes]

    @strawberry.mutation(description="As resumeTask, in one transaction: a result for each in the same order.")
    async def resume_tasks(self, info: Info, ids: Ids, missed: Missed = UNSET) -> list[TaskActionResult]:
        """One that is refused does not hold back the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.resume_tasks(work, task_ids, now=utc_now(), missed=given_or_none(missed))
        return [action_result(outcome) for outcome in outcomes]

    @strawberry.mutation(description="As cancelTask, in one transaction: a result for each in the same order.")
    async def cancel_tasks(self, info: Info, ids: Ids) -> list[TaskActionResult]:
        """One that is refused does not hold back the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.cancel_tasks(work, task_ids, now=utc_now())
        return [action_result(outcome) for outcome in outcomes]

    @strawberry.mutation(description="Removes the task and its history; a call that is under way is broken off.")
    async def delete_task(self, info: Info, id: Id) -> DeleteTaskResult:  # noqa: A002
        """Hidden at once, removed by and by."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            await changes.delete_task(work, task_id, now=utc_now())
        return DeletedTask(id=strawberry.ID(str(task_id)))

    @strawberry.mutation(
        description="Fires now, beside the schedule and whatever the task's status; scheduledFor is the instant of "
        "this call. Counts for the overlap policy."
    )
    async def run_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        idempotency_key: IdempotencyKey = UNSET,
    ) -> RunActionResult:
        """The run that was made, which may be a skipped one."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await runs.run_task(work, task_id, now=utc_now(), key=given_or_none(idempotency_key))
        return Run.of(row)

    @strawberry.mutation(
        description="Ends a run that waits, and breaks off one that is going on: its connection is closed within about "
        "a second, and what the target makes of that is not known."
    )
    async def cancel_run(self, info: Info, id: Id) -> RunActionResult:  # noqa: A002
        """The run is CANCELLED when this is answered."""
        async with info.context.transaction() as work:
            run_id = ids.parse(id)
            row = await runs.cancel_run(work, run_id, now=utc_now())
        return Run.of(row)

    @strawberry.mutation(
        description="A new run of the same request as a finished run; `Run.retryOf` names the old one. Counts for the "
        "overlap policy."
    )
    async def retry_run(
        self,
        info: Info,
        id: Id,  # noqa: A002
        idempotency_key: IdempotencyKey = UNSET,
    ) -> RunActionResult:
        """The run that was made, which may be a skipped one."""
        async with info.context.transaction() as work:
            run_id = ids.parse(id)
            row = await runs.retry_run(work, run_id, now=utc_now(), key=given_or_none(idempotency_key))
        return Run.of(row)


def check_number(given: Sequence[object], name: str) -> None:
    """Raises GraphQL's LIMIT_EXCEEDED for more than one call takes."""
    if len(given) > MAX_INPUTS:
        raise limit_exceeded(f"{name} has {len(given):,} items; at most {MAX_INPUTS:,} are accepted in one call")


def parsed(given: Sequence[strawberry.ID]) -> list[UUID]:
    """The ids. Raises GraphQL's LIMIT_EXCEEDED and INVALID_ID."""
    check_number(given, "ids")
    return [ids.parse(each) for each in given]


def creation_result(outcome: creation.CreationOutcome) -> Task | InvalidInput | Conflict:
    """What came of a task that was asked for, as it is shown."""
    match outcome:
        case models.Task():
            return Task.of(outcome)
        case errors.InvalidInput():
            return InvalidInput.of(outcome)
        case errors.Conflict():
            return Conflict.of(outcome)


def action_result(outcome: changes.ChangeOutcome) -> Task | NotFound | Conflict:
    """What came of a task that was to be changed, as it is shown."""
    match outcome:
        case models.Task():
            return Task.of(outcome)
        case errors.NotFound():
            return NotFound.of(outcome)
        case errors.Conflict():
            return Conflict.of(outcome)
