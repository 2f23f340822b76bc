"""/api/v1/tasks."""

from dataclasses import replace
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.models import utc_now
from db.reads import tasks
from db.reads.tasks import TaskFilter
from graphql_api.context import Services
from graphql_api.responses import json_answer
from graphql_api.rest import query_params
from graphql_api.rest.form import BadRequest
from graphql_api.rest.handling import answering, body_of, idempotency_key, optional_body_of, parsed, path_id
from graphql_api.rest.inputs import missed_policy, preview_of, run_input, task_draft, task_update, url_of
from graphql_api.rest.outputs import Message, Pagination, Preview, shown_task
from graphql_api.rest.problems import old_words
from graphql_api.rest.query_params import Page
from graphql_api.rest.runs import answer_with_run
from jobs.computation import off_loop
from jobs.errors import InvalidInput, NotFound
from jobs.tasks import changes as use_cases
from jobs.tasks import creation
from jobs.tasks import runs as run_use_cases
from jobs.tasks.draft import with_target_checked
from jobs.triggers.schedule import OneOff

PREVIEW = "preview"
CANCELLED = Message(message="Task cancelled successfully")


async def create(request: Request) -> Response:
    """POST /tasks."""
    services: Services = request.app.state.services
    draft = await with_target_checked(task_draft(parsed(await body_of(request))), services.targets)
    now = utc_now()
    try:
        async with services.transaction(request.scope["caller"]) as work:
            task = await creation.create_task(work, draft, now=now)
    except InvalidInput as error:
        at = draft.trigger.at if isinstance(draft.trigger, OneOff) else None
        reason = old_words(error, at=at, headers=draft.action.headers, now=now)
        raise BadRequest(reason) from error
    return json_answer(shown_task(task), 201)


async def listed(request: Request) -> Response:
    """GET /tasks."""
    services: Services = request.app.state.services
    filters = TaskFilter(statuses=query_params.statuses(request.query_params))
    page = Page.of(request.query_params)
    async with services.reading() as connection:
        found, total = await tasks.page_by_number(connection, filters, page=page.number, limit=page.limit)
    pagination = Pagination.of(page, total).json_object()
    return json_answer({"tasks": [shown_task(task) for task in found], "pagination": pagination})


async def shown(request: Request) -> Response:
    """GET /tasks/{id}."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    async with services.session() as session:
        task = await tasks.get(session, task_id)
    if task is None:
        raise NotFound("task", task_id)
    return json_answer(shown_task(task))


async def update(request: Request) -> Response:
    """PUT /tasks/{id}. The id is judged first, then whether there is such a task, and only then the body."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    body = await body_of(request)
    [problems] = await services.targets.problems_of([url_of(body)])
    now = utc_now()
    async with services.transaction(request.scope["caller"]) as work:
        task = await use_cases.locked(work, task_id)
        update = replace(task_update(parsed(body), of=task), target_problems=problems)
        try:
            task = await use_cases.update_task(work, task_id, update, now=now, revives=False)
        except InvalidInput as error:
            at = None if update.trigger is None else update.trigger.members.get("at")
            raise BadRequest(old_words(error, at=at, headers=update.action.get("headers", ()), now=now)) from error
    return json_answer(shown_task(task))


async def cancel(request: Request) -> Response:
    """DELETE /tasks/{id}: the row and its results stay."""
    services: Services = request.app.state.services
    async with services.transaction(request.scope["caller"]) as work:
        await use_cases.cancel_task(work, path_id(request), now=utc_now())
    return json_answer(CANCELLED.json_object())


async def pause(request: Request) -> Response:
    """POST /tasks/{id}/pause."""
    services: Services = request.app.state.services
    async with services.transaction(request.scope["caller"]) as work:
        task = await use_cases.pause_task(work, path_id(request), now=utc_now())
    return json_answer(shown_task(task))


async def resume(request: Request) -> Response:
    """POST /tasks/{id}/resume."""
    services: Services = request.app.state.services
    task_id = path_id(request)
    missed = missed_policy(await optional_body_of(request))
    async with services.transaction(request.scope["caller"]) as work:
        task = await use_cases.resume_task(work, task_id, now=utc_now(), missed=missed)
    return json_answer(shown_task(task))


async def run(request: Request) -> Response:
    """POST /tasks/{id}/run: a run in addition to the schedule, with its own body and headers if they are given."""
    services: Services = request.app.state.services
    task_id = path_id(request)
    given, now = run_input(await optional_body_of(request)), utc_now()
    try:
        async with services.transaction(request.scope["caller"]) as work:
            key = idempotency_key(request)
            made = await run_use_cases.run_task(work, task_id, now=now, key=key, given=given)
    except InvalidInput as error:
        raise BadRequest(old_words(error, at=None, headers=given.headers, now=now)) from error
    return await answer_with_run(request, made.id, status=201)


async def preview(request: Request) -> Response:
    """POST /tasks/preview: the next instants of a trigger, without creating anything."""
    asked, now = preview_of(parsed(await body_of(request))), utc_now()
    try:
        instants, words = await off_loop(
            partial(use_cases.preview, asked.trigger, count=asked.count, after=asked.after, now=now)
        )
    except InvalidInput as error:
        at = asked.trigger.at if isinstance(asked.trigger, OneOff) else None
        raise BadRequest(old_words(error, at=at, headers=(), now=now)) from error
    return json_answer(Preview.of(instants, words).json_object())


async def collection(request: Request) -> Response:
    """/tasks by method."""
    return await (create if request.method == "POST" else listed)(request)


async def member(request: Request) -> Response:
    """/tasks/{id} by method."""
    if request.path_params["id"] == PREVIEW:
        raise HTTPException(405, headers={"allow": "POST"})
    return await {"PUT": update, "DELETE": cancel}.get(request.method, shown)(request)


# One route for each path, so that a method it does not take is answered with all those that it takes.
ROUTES = [
    Route("/tasks", answering(collection), methods=["GET", "POST"]),
    Route(f"/tasks/{PREVIEW}", answering(preview), methods=["POST"]),
    Route("/tasks/{id}", answering(member), methods=["GET", "PUT", "DELETE"]),
    Route("/tasks/{id}/pause", answering(pause), methods=["POST"]),
    Route("/tasks/{id}/resume", answering(resume), methods=["POST"]),
    Route("/tasks/{id}/run", answering(run), methods=["POST"]),
]
