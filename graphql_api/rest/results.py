"""/api/v1/results and /api/v1/tasks/{id}/results."""

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.models import Run
from db.reads import runs, tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer
from graphql_api.rest import listing, shapes
from graphql_api.rest.handling import answering, path_id
from jobs.errors import NotFound


async def of_task(request: Request) -> Response:
    """GET /tasks/{id}/results."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    number, limit = listing.place(request.query_params)
    async with services.session() as session:
        # In this order, a task is never shown older than its results: a one-off that has one is completed.
        found, total = await runs.results_by_number(session, task_id=task_id, page=number, limit=limit)
        task = await tasks.get(session, task_id)
        if task is None:
            raise NotFound("task", task_id)
    return answer(found, {task_id: shapes.task(task)}, number=number, limit=limit, total=total)


async def listed(request: Request) -> Response:
    """GET /results."""
    services: Services = request.app.state.services
    task_id, success = listing.task_id(request.query_params), listing.success(request.query_params)
    number, limit = listing.place(request.query_params)
    async with services.session() as session:
        found, total = await runs.results_by_number(session, task_id=task_id, success=success, page=number, limit=limit)
        theirs = await tasks.find(session, ids=list({run.task_id for run in found}))
    of = {task.id: shapes.task(task) for task in theirs.values()}
    # A task that was deleted between the two reads takes its results with it.
    kept = [run for run in found if run.task_id in of]
    return answer(kept, of, number=number, limit=limit, total=total)


def answer(found: list[Run], of: dict[UUID, dict[str, Any]], *, number: int, limit: int, total: int) -> Response:
    """A page of results, each with its task."""
    rows = [shapes.result(run, of[run.task_id]) for run in found]
    return json_answer(shapes.page("results", rows, number=number, limit=limit, total=total))


ROUTES = [
    Route("/tasks/{id}/results", answering(of_task), methods=["GET"]),
    Route("/results", answering(listed), methods=["GET"]),
]
