"""/api/v1/runs."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.models import utc_now
from db.reads import runs, tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer, uncompressed
from graphql_api.rest.handling import answering, idempotency_key, path_id
from graphql_api.rest.outputs import shown_run, shown_task
from jobs.errors import NotFound
from jobs.tasks import runs as use_cases


async def shown(request: Request) -> Response:
    """GET /runs/{id}."""
    return await answer_with_run(request, path_id(request, of="run"))


async def retry(request: Request) -> Response:
    """POST /runs/{id}/retry: a new run with the request of a finished one."""
    services: Services = request.app.state.services
    async with services.transaction(request.scope["caller"]) as work:
        run_id = path_id(request, of="run")
        run = await use_cases.retry_run(work, run_id, now=utc_now(), key=idempotency_key(request))
    return await answer_with_run(request, run.id, status=201)


async def cancel(request: Request) -> Response:
    """POST /runs/{id}/cancel."""
    services: Services = request.app.state.services
    async with services.transaction(request.scope["caller"]) as work:
        run = await use_cases.cancel_run(work, path_id(request, of="run"), now=utc_now())
    return await answer_with_run(request, run.id)


async def answer_with_run(request: Request, run_id: UUID, *, status: int = 200) -> Response:
    """Return a run in its present state, with its task. Raises `NotFound`."""
    services: Services = request.app.state.services
    async with services.session() as session:
        # In this order, a task is never shown older than its run.
        run = await runs.get(session, run_id)
        task = None if run is None else await tasks.get(session, run.task_id)
    if run is None or task is None:
        raise NotFound("run", run_id)
    return uncompressed(json_answer(shown_run(run, shown_task(task)), status))


ROUTES = [
    Route("/runs/{id}", answering(shown), methods=["GET"]),
    Route("/runs/{id}/retry", answering(retry), methods=["POST"]),
    Route("/runs/{id}/cancel", answering(cancel), methods=["POST"]),
]
