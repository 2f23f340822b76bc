"""/api/v1/results and /api/v1/tasks/{id}/results."""

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from db.models import Run
from db.reads import runs, tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer, uncompressed
from graphql_api.rest import examples, lists
from graphql_api.rest.handling import path_id
from graphql_api.rest.lists import PAGING, RESULTS_TASK, SUCCESS, Page, Pagination, ResultList, page_of
from graphql_api.rest.operations import Operations, refused
from graphql_api.rest.outputs import shown_result, shown_task
from jobs.errors import NotFound

RESULTS = Operations("results")
PAGE = page_of(ResultList, results=[examples.RESULT])
UNKNOWN_FILTER = refused("An unknown filter.", "invalid success 'yes': use true or false (or 1, t, true, 0, f, false)")


@RESULTS.operation("GET", "/tasks/{id}/results", {"200": PAGE}, parameters=PAGING)
async def list_task_results(request: Request) -> Response:
    """List the results of a task, newest first."""
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


@RESULTS.operation("GET", "/results", {"200": PAGE, "400": UNKNOWN_FILTER}, parameters=[RESULTS_TASK, SUCCESS, *PAGING])
async def list_results(request: Request) -> Response:
    """List the results of all tasks, newest first."""
    services: Services = request.app.state.services
    task_id, success = lists.task_id(request.query_params), lists.success(request.query_params)
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
