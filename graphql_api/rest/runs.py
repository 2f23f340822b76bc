"""/api/v1/runs."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from db.models import utc_now
from db.reads import runs, tasks
from graphql_api.context import Services
from graphql_api.responses import json_answer, uncompressed
from graphql_api.rest import examples
from graphql_api.rest.handling import changing, idempotency_key, path_id
from graphql_api.rest.operations import IDEMPOTENCY_KEY, Operations, answered, links, refused
from graphql_api.rest.outputs import Run, shown_run, shown_task
from jobs.errors import NotFound
from jobs.tasks import runs as use_cases

RUNS = Operations("runs")
RUN = answered("The run.", Run, examples.RUN)
NEW_RUN = RUN | {
    "links": links(Show="getRun", Retry="retryRun", Cancel="cancelRun"),
    "description": "The new run. The overlap policy may have left it waiting, or skipped.",
}
UNFINISHED = refused("The run has not finished.", "A run that is running cannot be retried before it has finished")
ENDED = refused("The run has ended.", "A run that is succeeded cannot be cancelled: it has ended")


@RUNS.operation("GET", "/runs/{id}", {"200": RUN})
async def get_run(request: Request) -> Response:
    """Get a run."""
    return await answer_with_run(request, path_id(request, of="run"))


@RUNS.operation("POST", "/runs/{id}/retry", {"201": NEW_RUN, "409": UNFINISHED}, parameters=[IDEMPOTENCY_KEY])
async def retry_run(request: Request) -> Response:
    """Repeat a finished run, with the request as it was."""
    async with changing(request) as work:
        run_id = path_id(request, of="run")
        run = await use_cases.retry_run(work, run_id, now=utc_now(), key=idempotency_key(request))
    return await answer_with_run(request, run.id, status=201)


@RUNS.operation("POST", "/runs/{id}/cancel", {"200": RUN, "409": ENDED})
async def cancel_run(request: Request) -> Response:
    """Cancel a waiting run, or abort a running one."""
    async with changing(request) as work:
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
