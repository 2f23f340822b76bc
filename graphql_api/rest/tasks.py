"""/api/v1/tasks."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.models import utc_now
from db.queries import runs, tasks
from db.queries.tasks import TaskFilter
from db.states import TaskStatus
from graphql_api import bodies, ids
from graphql_api.context import Services
from graphql_api.rest import requests, shapes
from graphql_api.rest.answers import json_answer, refusal
from graphql_api.rest.requests import BadRequest
from jobs import json_value
from jobs import tasks as use_cases
from jobs.refusals import InvalidInput, NotFound
from jobs.transaction import transaction

MAX_BODY_BYTES = 1024 * 1024
TASK_NOT_FOUND = "Task not found"

STATUSES = {
    "scheduled": (TaskStatus.SCHEDULED, TaskStatus.PAUSED),
    "completed": (TaskStatus.COMPLETED,),
    "cancelled": (TaskStatus.CANCELLED,),
}


async def create(request: Request) -> Response:
    """POST /tasks."""
    services: Services = request.app.state.services
    draft = requests.task_draft(await json_body(request))
    now = utc_now()
    try:
        async with transaction(services.engine, services.queue) as work:
            task = await use_cases.create_task(work, draft, now=now)
    except InvalidInput as error:
        raise BadRequest(requests.refused(error, draft, now=now)) from error
    return json_answer(shapes.task(task), 201)


async def listed(request: Request) -> Response:
    """GET /tasks."""
    services: Services = request.app.state.services
    status = request.query_params.get("status")
    if status and status not in STATUSES:
        raise BadRequest(f"invalid status {status[:50]!r}: use {', '.join(STATUSES)}")
    wanted = TaskFilter(statuses=STATUSES[status] if status else ())
    number, limit = place(request)
    async with services.session() as session:
        found, total = await tasks.page_by_number(session, wanted, page=number, limit=limit)
    shown = [shapes.task(task) for task in found]
    return json_answer(shapes.page("tasks", shown, number=number, limit=limit, total=total))


async def shown(request: Request) -> Response:
    """GET /tasks/{id}."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    async with services.session() as session:
        task = await tasks.get(session, task_id)
    if task is None:
        raise NotFound("task", task_id)
    return json_answer(shapes.task(task))


async def cancel(request: Request) -> Response:
    """DELETE /tasks/{id}: the row and its results stay."""
    services: Services = request.app.state.services
    async with transaction(services.engine, services.queue) as work:
        await use_cases.cancel_task(work, path_id(request), now=utc_now())
    return json_answer({"message": "Task cancelled successfully"})


async def results(request: Request) -> Response:
    """GET /tasks/{id}/results."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    number, limit = place(request)
    async with services.session() as session:
        task = await tasks.get(session, task_id)
        if task is None:
            raise NotFound("task", task_id)
        found, total = await runs.results_by_number(session, task_id=task_id, page=number, limit=limit)
    of = shapes.task(task)
    rows = [shapes.result(run, of) for run in found]
    return json_answer(shapes.page("results", rows, number=number, limit=limit, total=total))


def path_id(request: Request) -> UUID:
    """The id in the path. Raises `BadRequest`."""
    found = ids.read(request.path_params["id"])
    if found is None:
        raise BadRequest("Invalid task ID")
    return found


def place(request: Request) -> tuple[int, int]:
    """The page's number and its size."""
    given = request.query_params
    return requests.page_number(given.get("page")), requests.page_limit(given.get("limit"))


async def json_body(request: Request) -> Any:
    """The body as JSON, whatever its Content-Type. Raises `BadRequest` and `bodies.TooLarge`."""
    try:
        return json_value.parse(await bodies.read(request, limit=MAX_BODY_BYTES))
    except json_value.NotJson as error:
        raise BadRequest(f"The request body is not JSON: {error}") from error


def answering(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint, its refusals turned into answers."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except BadRequest as error:
            return refusal(400, str(error))
        except NotFound:
            return refusal(404, TASK_NOT_FOUND)
        except bodies.TooLarge:
            return refusal(413, f"The request body has more than {MAX_BODY_BYTES:,} bytes")

    return answered


async def collection(request: Request) -> Response:
    """/tasks by method."""
    return await (create if request.method == "POST" else listed)(request)


async def member(request: Request) -> Response:
    """/tasks/{id} by method."""
    return await (cancel if request.method == "DELETE" else shown)(request)


# One route for each path, so that a method it does not take is answered with all those that it takes.
ROUTES = [
    Route("/tasks", answering(collection), methods=["GET", "POST"]),
    Route("/tasks/{id}", answering(member), methods=["GET", "DELETE"]),
    Route("/tasks/{id}/results", answering(results), methods=["GET"]),
]
