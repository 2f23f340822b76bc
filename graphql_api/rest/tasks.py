"""/api/v1/tasks."""

from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from db.models import utc_now
from db.reads import tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer
from graphql_api.rest import examples, lists
from graphql_api.rest.form import validated
from graphql_api.rest.handling import INVALID_ID, body_of, changing, idempotency_key, optional_body_of, parsed, path_id
from graphql_api.rest.inputs import NewTask, PreviewRequest, ResumeOptions, RunInputs, TaskChanges, url_of
from graphql_api.rest.lists import PAGING, STATUS, Page, Pagination, TaskList, page_of
from graphql_api.rest.operations import IDEMPOTENCY_KEY, Operations, answered, json_body, links, refused
from graphql_api.rest.outputs import Message, Preview, Task, shown_task, shown_tasks
from graphql_api.rest.problems import in_old_words, instant_of
from graphql_api.rest.runs import NEW_RUN, answer_with_run
from jobs.computation import off_loop
from jobs.errors import NotFound
from jobs.tasks import changes as use_cases
from jobs.tasks import creation
from jobs.tasks import runs as run_use_cases
from jobs.tasks.draft import with_target_checked
from jobs.tasks.upcoming import preview

TASKS = Operations("tasks")
CANCELLED = Message(message="Task cancelled successfully")
TASK = answered("The task.", Task, examples.TASK)
NEW_TASK = TASK | {
    "links": links(
        Show="getTask",
        Change="updateTask",
        Cancel="cancelTask",
        Results="listTaskResults",
        Pause="pauseTask",
        Resume="resumeTask",
        Run="runTask",
    )
}
PAGE = page_of(TaskList, tasks=[examples.TASK])
UNKNOWN_STATUS = refused("An unknown status.", "invalid status 'paused': use scheduled, completed, cancelled")
WRONG_TASK = refused(
    "What is wrong, and where. Clients match on `datetime is required for one-off triggers`, `datetime must be in the "
    "future`, `cron expression is required for cron triggers`, `invalid cron expression: …`.",
    "datetime must be in the future",
)
WRONG_CHANGES = refused("The id is wrong, or something in the body, as for a new task.", INVALID_ID.format(kind="task"))
WRONG_BODY = refused(
    "The id is wrong, or something in the body.", "form must be an array of fields, each with a name and a value"
)
TAKEN = refused(
    "Another task has the external id.",
    f"The task {examples.TASK_ID} has the external_id 'daily-report'; choose another one, or change that task",
)
ENDED = refused("The task's schedule has ended.", "A task that is cancelled cannot be paused: its schedule has ended")
KEY_REUSED = refused(
    "The Idempotency-Key was used with another input.",
    "The idempotency key was used before, with another input; use a new key for a new input",
)


@TASKS.operation("GET", "/tasks", {"200": PAGE, "400": UNKNOWN_STATUS}, parameters=[STATUS, *PAGING])
async def list_tasks(request: Request) -> Response:
    """List tasks, newest first."""
    services: Services = request.app.state.services
    statuses = lists.statuses(request.query_params)
    page = Page.of(request.query_params)
    async with services.reading() as connection:
        found, total = await tasks.page_by_number(connection, statuses, page=page.number, limit=page.limit)
    pagination = Pagination.of(page, total).json_object()
    return json_answer({"tasks": shown_tasks(found), "pagination": pagination})


@TASKS.operation(
    "POST",
    "/tasks",
    {"201": NEW_TASK, "400": WRONG_TASK, "409": TAKEN},
    requestBody=json_body(NewTask, {"one-off": examples.ONE_OFF, "cron": examples.CRON}),
)
async def create_task(request: Request) -> Response:
    """Create a task."""
    services: Services = request.app.state.services
    draft = validated(NewTask, parsed(await body_of(request))).draft()
    draft = await with_target_checked(draft, services.targets)
    now = utc_now()
    with in_old_words(at=instant_of(draft.trigger), headers=draft.action.headers, now=now):
        async with changing(request) as work:
            task = await creation.create_task(work, draft, now=now)
    return json_answer(shown_task(task), 201)


@TASKS.operation("GET", "/tasks/{id}", {"200": TASK})
async def get_task(request: Request) -> Response:
    """Get a task."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    async with services.session() as session:
        task = await tasks.get(session, task_id)
    if task is None:
        raise NotFound("task", task_id)
    return json_answer(shown_task(task))


@TASKS.operation(
    "PUT",
    "/tasks/{id}",
    {"200": TASK, "400": WRONG_CHANGES, "409": TAKEN},
    requestBody=json_body(TaskChanges, {"cron": examples.UPDATE}),
)
async def update_task(request: Request) -> Response:
    """Update a task; its status does not change.

    The id is judged first, then whether there is such a task, and only then the body.
    """
    task_id = path_id(request)
    services: Services = request.app.state.services
    body = await body_of(request)
    [problems] = await services.targets.problems_of([url_of(body)])
    now = utc_now()
    async with changing(request) as work:
        task = await use_cases.locked(work, task_id)
        update = replace(validated(TaskChanges, parsed(body)).update(task), target_problems=problems)
        at = None if update.trigger is None else update.trigger.members.get("at")
        with in_old_words(at=at, headers=update.action.get("headers", ()), now=now):
            task = await use_cases.update_task(work, task_id, update, now=now, revives=False)
    return json_answer(shown_task(task))


@TASKS.operation(
    "DELETE",
    "/tasks/{id}",
    {"200": answered("The task is cancelled, or was already.", Message, CANCELLED.json_object())},
)
async def cancel_task(request: Request) -> Response:
    """Cancel a task; the task and its results are kept."""
    async with changing(request) as work:
        await use_cases.cancel_task(work, path_id(request), now=utc_now())
    return json_answer(CANCELLED.json_object())


@TASKS.operation(
    "POST",
    "/tasks/preview",
    {"200": answered("The instants.", Preview, examples.PREVIEW), "400": WRONG_TASK},
    requestBody=json_body(PreviewRequest, {"cron": examples.PREVIEW_REQUEST}),
)
async def preview_trigger(request: Request) -> Response:
    """Get the next instants of a trigger, without creating anything."""
    asked, now = validated(PreviewRequest, parsed(await body_of(request))), utc_now()
    count, trigger = asked.checked_count(), asked.trigger.update().applied_to(None)
    with in_old_words(at=instant_of(trigger), headers=(), now=now):
        instants, words = await off_loop(partial(preview, trigger, count=count, after=asked.after, now=now))
    return json_answer(Preview.of(instants, words).json_object())


@TASKS.operation("POST", "/tasks/{id}/pause", {"200": TASK, "409": ENDED})
async def pause_task(request: Request) -> Response:
    """Stop the schedule of a task until it is resumed."""
    async with changing(request) as work:
        task = await use_cases.pause_task(work, path_id(request), now=utc_now())
    return json_answer(shown_task(task))


@TASKS.operation(
    "POST",
    "/tasks/{id}/resume",
    {"200": TASK, "400": WRONG_BODY, "409": ENDED},
    requestBody=json_body(ResumeOptions, {"skip": {"missed": "skip"}}, required=False),
)
async def resume_task(request: Request) -> Response:
    """Resume the schedule of a task."""
    task_id = path_id(request)
    missed = validated(ResumeOptions, await optional_body_of(request)).missed
    async with changing(request) as work:
        task = await use_cases.resume_task(work, task_id, now=utc_now(), missed=missed)
    return json_answer(shown_task(task))


@TASKS.operation(
    "POST",
    "/tasks/{id}/run",
    {"201": NEW_RUN, "400": WRONG_BODY, "409": KEY_REUSED},
    parameters=[IDEMPOTENCY_KEY],
    requestBody=json_body(RunInputs, {"payload": {"payload": {"report_type": "weekly"}}}, required=False),
)
async def run_task(request: Request) -> Response:
    """Run a task now, in addition to its schedule.

    The run sends its own body and headers if they are given.
    """
    task_id = path_id(request)
    given, now = validated(RunInputs, await optional_body_of(request)).run_input(), utc_now()
    with in_old_words(at=None, headers=given.headers, now=now):
        async with changing(request) as work:
            key = idempotency_key(request)
            made = await run_use_cases.run_task(work, task_id, now=now, key=key, given=given)
    return await answer_with_run(request, made.id, status=201)
