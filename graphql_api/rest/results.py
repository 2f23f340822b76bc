"""/api/v1/results and /api/v1/tasks/{id}/results."""

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.models import Run
from db.reads import runs, tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer, uncompressed
from graphql_api.rest import query_params
from graphql_api.rest.handling import answering, path_id
from graphql_api.rest.outputs import Pagination, shown_result, shown_task
from graphql_api.rest.query_params import Page
from jobs.errors import NotFound


async def of_task(request: Request) -> Response:
    """GET /tasks/{id}/results."""
    task_id = path_id(request)
    services: Services = request.app.state.services
    page = Page.of(request.query_params)
    async with services.session() as session:
        # In this order, a task is never shown older than its results: a one-off that has one is completed.
        found, total = await runs.results_by_number(session, task_id=task_id, page=page.number, limit=page.limit)
        task = await tasks.get(session, task_id)
        if task is None:
            raise NotFound("task", task_id)
    return answer(found, {task_id: shown_task(task)}, page=page, total=total)


async def listed(request: Request) -> Response:
    """GET /results."""
    services: Services = request.app.state.services
    task_id, success = query_params.task_id(request.query_params), query_params.success(request.query_params)
    page = Page.of(request.query_params)
    async with services.session() as session:
        found, total = await runs.results_by_number(
            session, task_id=task_id, success=success, page=page.number, limit=page.limit
        )
        theirs = await tasks.find(session, ids=list({run.task_id for run in found}))
    of = {task.id: shown_task(task) for task in theirs.values()}
    # A task that was deleted between the two reads takes its results with it.
    kept = [run for run in found if run.task_id in of]
    return answer(kept, of, page=page, total=total)


def answer(found: list[Run], of: dict[UUID, dict[str, Any]], *, page: Page, total: int) -> Response:
    """Return a page of results, each with its task."""
    results = [shown_result(run, of[run.task_id]) for run in found]
    return uncompressed(json_answer({"results": results, "pagination": Pagination.of(page, total).json_object()}))


ROUTES = [
    Route("/tasks/{id}/results", answering(of_task), methods=["GET"]),
    Route("/results", answering(listed), methods=["GET"]),
]
