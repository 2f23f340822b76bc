"""/api/v1/tasks."""

from dataclasses import replace

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
from graphql_api.rest.handling import answering, body_of, parsed, path_id
from graphql_api.rest.inputs import task_draft, task_update, url_of
from graphql_api.rest.outputs import Message, Pagination, shown_task
from graphql_api.rest.problems import old_words
from graphql_api.rest.query_params import Page
from jobs.errors import InvalidInput, NotFound
from jobs.tasks import changes as use_cases
from jobs.tasks import creation
from jobs.tasks.draft import with_target_checked
from jobs.triggers.schedule import OneOff

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


async def collection(request: Request) -> Response:
    """/tasks by method."""
    return await (create if request.method == "POST" else listed)(request)


async def member(request: Request) -> Response:
    """/tasks/{id} by method."""
    return await {"PUT": update, "DELETE": cancel}.get(request.method, shown)(request)


# One route for each path, so that a method it does not take is answered with all those that it takes.
ROUTES = [
    Route("/tasks", answering(collection), methods=["GET", "POST"]),
    Route("/tasks/{id}", answering(member), methods=["GET", "PUT", "DELETE"]),
]
