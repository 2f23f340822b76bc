"""The root type of mutations."""

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
from graphql_api.errors import invalid_reason, limit_exceeded
from graphql_api.schema.api_keys import ApiKeyMutations
from graphql_api.schema.bulk import BulkMutations
from graphql_api.schema.flow_limits import FlowLimitMutations
from graphql_api.schema.notifications import NotificationMutations
from graphql_api.schema.trials import TrialMutations
from graphql_api.schema.versions import UpdateTaskResult, VersionMutations
from graphql_api.types.action import RunTaskInput
from graphql_api.types.node import Id
from graphql_api.types.refusals import Conflict, InvalidInput, NotFound
from graphql_api.types.run import Run
from graphql_api.types.scalars import given_or_none
from graphql_api.types.task import DeletedTask, Task, UpsertedTask
from graphql_api.types.task_input import CreateTaskInput, UpdateTaskInput
from jobs import errors
from jobs.pacing import paced
from jobs.tasks import changes, creation, runs, upsert
from jobs.tasks.creation import CreateRequest
from jobs.tasks.draft import with_target_checked, with_targets_checked
from jobs.tasks.run_input import NO_INPUT
from jobs.tasks.validation import MAX_REASON_LENGTH, reason_problems

MAX_INPUTS = 1_000
"""Number of items in a bulk mutation."""

CreateTaskResult = Annotated[
    Task | InvalidInput | Conflict,
    strawberry.union("CreateTaskResult", description="The task that was created, or why it was not."),
]
TaskActionResult = Annotated[
    Task | NotFound | Conflict,
    strawberry.union("TaskActionResult", description="The task in its new state, or why it was not changed."),
]
DeleteTaskResult = Annotated[
    DeletedTask | NotFound,
    strawberry.union("DeleteTaskResult", description="The deleted task, or that it was not found."),
]
UpsertTaskResult = Annotated[
    UpsertedTask | InvalidInput | Conflict,
    strawberry.union(
        "UpsertTaskResult", description="The task that the input describes, or why the upsert was refused."
    ),
]
RunActionResult = Annotated[
    Run | InvalidInput | NotFound | Conflict,
    strawberry.union("RunActionResult", description="The run in its new state, or why it was not changed."),
]

Ids = Annotated[
    list[strawberry.ID],
    strawberry.argument(description=f"UUIDs, at most {MAX_INPUTS:,}. An id that occurs twice has two results."),
]
IdsOnce = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description=f"UUIDs, at most {MAX_INPUTS:,}. An id that occurs twice counts once, and its result occurs twice."
    ),
]
Missed = Annotated[
    MisfirePolicy | None,
    strawberry.argument(description="What happens to the instants that were missed while the task was paused."),
]
Reason = Annotated[
    str | None,
    strawberry.argument(
        description=f"Why, for people: at most {MAX_REASON_LENGTH} characters. It is shown as `pauseReason` until the "
        "task is resumed."
    ),
]
IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Any text. Repeating a call with the same key returns the run that the first call created. "
        "The key is kept as long as the task."
    ),
]
RunKey = Annotated[
    str | None,
    strawberry.argument(
        description="Any text. Repeating a call with the same key and input returns the run that the first call "
        "created. The key is kept as long as the task."
    ),
]


@strawberry.type(description="Root mutation type.")
class Mutation(
    NotificationMutations, ApiKeyMutations, TrialMutations, VersionMutations, BulkMutations, FlowLimitMutations
):
    """The root of mutations. Each mutation commits on its own."""

    @strawberry.mutation(description="Creates a task, which first fires at its trigger's first instant.")
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The task to create.")],  # noqa: A002
    ) -> CreateTaskResult:
        """Create a task, or return every problem at once."""
        info.context.need(KeyScope.WRITE)
        draft = await with_target_checked(input.draft(), info.context.services.targets)
        async with info.context.transaction() as work:
            key = given_or_none(input.idempotency_key)
            row = await creation.create_task(work, draft, now=utc_now(), key=key)
        return Task.of(row)

    @strawberry.mutation(
        description=f"Creates up to {MAX_INPUTS:,} tasks in one transaction, and returns a result for each in the same "
        "order. A refused task does not stop the others."
    )
    async def create_tasks(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateTaskInput], strawberry.argument(description=f"The tasks to create, at most {MAX_INPUTS:,}.")
        ],
    ) -> list[CreateTaskResult]:
        """Create many tasks, much faster than one by one."""
        info.context.need(KeyScope.WRITE)
        check_number(inputs, "inputs")
        drafts = await with_targets_checked(
            [each.draft() async for each in paced(inputs)], info.context.services.targets
        )
        requests = [
            CreateRequest(draft, given_or_none(each.idempotency_key))
            for draft, each in zip(drafts, inputs, strict=True)
        ]
        async with info.context.transaction() as work:
            outcomes = await creation.create_tasks(work, requests, now=utc_now())
        return [creation_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(
        description="Creates the task with an `externalId`, which is required, or changes the existing one to exactly "
        "this input: absent members get their defaults again. An equal input changes nothing, not even the "
        "version. "
        "The status stays the same, as in `updateTask`, and an interval without startAt keeps its instants while "
        "everyMs stays. An idempotency key is refused, because the externalId serves its purpose."
    )
    async def upsert_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The task as it should be.")],  # noqa: A002
    ) -> UpsertTaskResult:
        """Create or update a task, or return every problem at once."""
        info.context.need(KeyScope.WRITE)
        draft = await with_target_checked(input.draft(), info.context.services.targets)
        async with info.context.transaction() as work:
            key = given_or_none(input.idempotency_key)
            result = await upsert.upsert_task(work, draft, now=utc_now(), key=key)
        return UpsertedTask.of(result)

    @strawberry.mutation(
        description=f"Does the same as upsertTask for up to {MAX_INPUTS:,} tasks in one transaction, and returns a "
        "result for each in the same order. A refused task does not stop the others. With `dryRun`, nothing is "
        "changed, and the results show what would be done."
    )
    async def upsert_tasks(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateTaskInput],
            strawberry.argument(description=f"The tasks as they should be, at most {MAX_INPUTS:,}."),
        ],
        dry_run: Annotated[bool, strawberry.argument(description="Whether nothing is changed.")] = False,  # noqa: FBT002
    ) -> list[UpsertTaskResult]:
        """Create or update many tasks. A dry run needs the same scope, because it tells whether secrets are equal."""
        info.context.need(KeyScope.WRITE)
        check_number(inputs, "inputs")
        drafts = await with_targets_checked(
            [each.draft() async for each in paced(inputs)], info.context.services.targets
        )
        requests = [
            CreateRequest(draft, given_or_none(each.idempotency_key))
            for draft, each in zip(drafts, inputs, strict=True)
        ]
        async with info.context.transaction() as work:
            results = await upsert.upsert_tasks(work, requests, now=utc_now(), dry_run=dry_run)
        return [upsert_result(result) async for result in paced(results)]

    @strawberry.mutation(
        description="Changes a task. The status stays the same, with one exception: a new trigger on a COMPLETED "
        "task schedules it again. An input that changes nothing leaves the version unchanged."
    )
    async def update_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        input: Annotated[UpdateTaskInput, strawberry.argument(description="What to change.")],  # noqa: A002
    ) -> UpdateTaskResult:
        """Update a task, or return every problem at once."""
        info.context.need(KeyScope.WRITE)
        task_id = ids.parse(id)
        update = await with_target_checked(input.changes(), info.context.services.targets)
        async with info.context.transaction() as work:
            expected = given_or_none(input.expected_version)
            row = await changes.update_task(work, task_id, update, now=utc_now(), expected_version=expected)
        return Task.of(row)

    @strawberry.mutation(
        description="Stops the schedule until the task is resumed. Runs that have started or are waiting "
        "continue. A task that is already paused is returned unchanged."
    )
    async def pause_task(self, info: Info, id: Id, reason: Reason = UNSET) -> TaskActionResult:  # noqa: A002
        """Pause a task. Repeating the call has no further effect."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.pause_task(work, task_id, now=utc_now(), reason=checked_reason(reason))
        return Task.of(row)

    @strawberry.mutation(
        description="Resumes the schedule. `missed` decides what happens to the instants missed during the pause; by "
        "default, the task's own misfire policy does. A task that is already scheduled is "
        "returned unchanged."
    )
    async def resume_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        missed: Missed = UNSET,
    ) -> TaskActionResult:
        """Resume a task. Repeating the call has no further effect."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.resume_task(work, task_id, now=utc_now(), missed=given_or_none(missed))
        return Task.of(row)

    @strawberry.mutation(
        description="Ends the schedule permanently. The task and its history are kept; a run that is in progress "
        "finishes, and a waiting run is CANCELLED. A task that is already cancelled is returned "
        "unchanged."
    )
    async def cancel_task(self, info: Info, id: Id) -> TaskActionResult:  # noqa: A002
        """Cancel a task. Repeating the call has no further effect."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await changes.cancel_task(work, task_id, now=utc_now())
        return Task.of(row)

    @strawberry.mutation(
        description="Does the same as pauseTask for many tasks in one transaction, and returns a result for each in "
        "the same order."
    )
    async def pause_tasks(self, info: Info, ids: Ids, reason: Reason = UNSET) -> list[TaskActionResult]:
        """Pause many tasks. A refused one does not stop the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.pause_tasks(work, task_ids, now=utc_now(), reason=checked_reason(reason))
        return [action_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(
        description="Does the same as resumeTask for many tasks in one transaction, and returns a result for each in "
        "the same order."
    )
    async def resume_tasks(self, info: Info, ids: Ids, missed: Missed = UNSET) -> list[TaskActionResult]:
        """Resume many tasks. A refused one does not stop the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.resume_tasks(work, task_ids, now=utc_now(), missed=given_or_none(missed))
        return [action_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(
        description="Does the same as cancelTask for many tasks in one transaction, and returns a result for each in "
        "the same order."
    )
    async def cancel_tasks(self, info: Info, ids: Ids) -> list[TaskActionResult]:
        """Cancel many tasks. A refused one does not stop the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.cancel_tasks(work, task_ids, now=utc_now())
        return [action_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(description="Deletes the task and its history. A call that is in progress is aborted.")
    async def delete_task(self, info: Info, id: Id) -> DeleteTaskResult:  # noqa: A002
        """Hide a task at once; maintenance removes its rows."""
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            await changes.delete_task(work, task_id, now=utc_now())
        return DeletedTask(task_id=strawberry.ID(str(task_id)))

    @strawberry.mutation(
        description="Does the same as deleteTask for many tasks in one transaction, and returns a result for each in "
        "the same order."
    )
    async def delete_tasks(self, info: Info, ids: Ids) -> list[DeleteTaskResult]:
        """Delete many tasks. An unknown one does not stop the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await changes.delete_tasks(work, task_ids, now=utc_now())
        return [deletion_result(task_id, outcome) for task_id, outcome in zip(task_ids, outcomes, strict=True)]

    @strawberry.mutation(
        description="Runs a task now, in addition to its schedule and whatever its status. scheduledFor is the "
        "instant of this call. The run counts for the overlap policy. An input applies only to this run, and is stored "
        "with it."
    )
    async def run_task(
        self,
        info: Info,
        id: Id,  # noqa: A002
        idempotency_key: RunKey = UNSET,
        input: Annotated[  # noqa: A002
            RunTaskInput | None,
            strawberry.argument(description="What the run sends instead of the task's own body and headers."),
        ] = UNSET,
    ) -> RunActionResult:
        """Request a run and return it; it may be a skipped one."""
        given = input.draft() if input else NO_INPUT
        async with info.context.transaction() as work:
            task_id = ids.parse(id)
            row = await runs.run_task(work, task_id, now=utc_now(), key=given_or_none(idempotency_key), given=given)
        return Run.of(row)

    @strawberry.mutation(
        description="Does the same as runTask for many tasks in one transaction, and returns a result for each in the "
        "same order."
    )
    async def run_tasks(self, info: Info, ids: IdsOnce) -> list[RunActionResult]:
        """Run many tasks. An unknown one does not stop the others."""
        async with info.context.transaction() as work:
            task_ids = parsed(ids)
            outcomes = await runs.run_tasks(work, task_ids, now=utc_now())
        return [run_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(
        description="Cancels a run. A waiting run ends at once; the call of a running one is aborted: its "
        "connection is closed within about a second, and the effect on the target is unknown."
    )
    async def cancel_run(self, info: Info, id: Id) -> RunActionResult:  # noqa: A002
        """Cancel a run, which is CANCELLED when this returns."""
        async with info.context.transaction() as work:
            run_id = ids.parse(id)
            row = await runs.cancel_run(work, run_id, now=utc_now())
        return Run.of(row)

    @strawberry.mutation(
        description="Does the same as cancelRun for many runs in one transaction, and returns a result for each in the "
        "same order."
    )
    async def cancel_runs(self, info: Info, ids: IdsOnce) -> list[RunActionResult]:
        """Cancel many runs. A refused one does not stop the others."""
        async with info.context.transaction() as work:
            run_ids = parsed(ids)
            outcomes = await runs.cancel_runs(work, run_ids, now=utc_now())
        return [run_result(outcome) async for outcome in paced(outcomes)]

    @strawberry.mutation(
        description="Repeats a finished run: creates a new run with the same request and input, whose `retryOf` is "
        "the old one. The new run counts for the overlap policy."
    )
    async def retry_run(
        self,
        info: Info,
        id: Id,  # noqa: A002
        idempotency_key: IdempotencyKey = UNSET,
    ) -> RunActionResult:
        """Request a retry of a run and return the new run; it may be a skipped one."""
        async with info.context.transaction() as work:
            run_id = ids.parse(id)
            row = await runs.retry_run(work, run_id, now=utc_now(), key=given_or_none(idempotency_key))
        return Run.of(row)

    @strawberry.mutation(
        description="Does the same as retryRun for many runs in one transaction, and returns a result for each in the "
        "same order. The overlap policy judges the new runs of a task in that order."
    )
    async def retry_runs(self, info: Info, ids: IdsOnce) -> list[RunActionResult]:
        """Retry many runs. A refused one does not stop the others."""
        async with info.context.transaction() as work:
            run_ids = parsed(ids)
            outcomes = await runs.retry_runs(work, run_ids, now=utc_now())
        return [run_result(outcome) async for outcome in paced(outcomes)]


def checked_reason(given: str | None) -> str | None:
    """Return the reason of a pause, if there is one. Raises GraphQL's INVALID_REASON."""
    reason = given_or_none(given)
    for problem in () if reason is None else reason_problems(reason):
        raise invalid_reason(problem.message)
    return reason


def check_number(given: Sequence[object], name: str) -> None:
    """Raise GraphQL's LIMIT_EXCEEDED for more items than one call accepts."""
    if len(given) > MAX_INPUTS:
        raise limit_exceeded(f"{name} has {len(given):,} items; at most {MAX_INPUTS:,} are accepted in one call")


def parsed(given: Sequence[strawberry.ID]) -> list[UUID]:
    """Return the ids. Raises GraphQL's LIMIT_EXCEEDED and INVALID_ID."""
    check_number(given, "ids")
    return [ids.parse(each) for each in given]


def creation_result(outcome: creation.CreationOutcome) -> Task | InvalidInput | Conflict:
    """Return the outcome of a creation as a member of its union."""
    match outcome:
        case models.Task():
            return Task.of(outcome)
        case errors.InvalidInput():
            return InvalidInput.of(outcome)
        case errors.Conflict():
            return Conflict.of(outcome)


def upsert_result(result: upsert.Upserted | errors.InvalidInput) -> UpsertedTask | InvalidInput:
    """Return the result of an upsert as a member of its union."""
    return InvalidInput.of(result) if isinstance(result, errors.InvalidInput) else UpsertedTask.of(result)


def action_result(outcome: changes.ChangeOutcome) -> Task | NotFound | Conflict:
    """Return the outcome of a change as a member of its union."""
    match outcome:
        case models.Task():
            return Task.of(outcome)
        case errors.NotFound():
            return NotFound.of(outcome)
        case errors.Conflict():
            return Conflict.of(outcome)


def deletion_result(task_id: UUID, outcome: changes.ChangeOutcome) -> DeletedTask | NotFound:
    """Return the outcome of a deletion as a member of its union."""
    if isinstance(outcome, errors.NotFound):
        return NotFound.of(outcome)
    return DeletedTask(task_id=strawberry.ID(str(task_id)))


def run_result(outcome: runs.RunOutcome) -> Run | NotFound | Conflict:
    """Return the outcome of a call about a run as a member of its union."""
    match outcome:
        case models.Run():
            return Run.of(outcome)
        case errors.NotFound():
            return NotFound.of(outcome)
        case errors.Conflict():
            return Conflict.of(outcome)
