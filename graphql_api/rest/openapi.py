"""The OpenAPI document of this API, in versions 3.1 and 3.0.

Its schemas come from the models, and tests compare it with the routes.
"""

from enum import StrEnum
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_api import request_body
from graphql_api.health import Alive, Health
from graphql_api.metrics import Metrics
from graphql_api.middleware.authentication import scoped
from graphql_api.middleware.header_limits import MAX_BYTES
from graphql_api.responses import ResponseBody, json_answer, with_etag
from graphql_api.rest import openapi_3_0
from graphql_api.rest.examples import (
    CRON_EXAMPLE,
    HEALTH_EXAMPLE,
    METRICS_EXAMPLE,
    METRICS_TEXT,
    ONE_OFF_EXAMPLE,
    PREVIEW_EXAMPLE,
    PREVIEW_REQUEST_EXAMPLE,
    RESULT_EXAMPLE,
    RUN_EXAMPLE,
    RUN_ID,
    TASK_EXAMPLE,
    TASK_ID,
    UPDATE_EXAMPLE,
)
from graphql_api.rest.form import Input
from graphql_api.rest.handling import INVALID_ID, MAX_BODY_BYTES, NOT_FOUND
from graphql_api.rest.inputs import ActionInput, NewTask, PreviewRequest, ResumeOptions, RunInputs, TaskChanges
from graphql_api.rest.outputs import Error, Message, Preview, ResultList, Run, Status, Task, TaskList
from graphql_api.rest.query_params import BOOLEANS, DEFAULT_LIMIT, MAX_LIMIT
from graphql_api.rest.tasks import CANCELLED
from jobs.http.request import HttpMethod

Schema = dict[str, Any]

PAGE_EXAMPLE = {"page": 1, "limit": DEFAULT_LIMIT, "total": 1, "total_pages": 1}
ID_LINKS = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (
        ("Show", "getTask"),
        ("Change", "updateTask"),
        ("Cancel", "cancelTask"),
        ("Results", "listTaskResults"),
        ("Pause", "pauseTask"),
        ("Resume", "resumeTask"),
        ("Run", "runTask"),
    )
}
RUN_LINKS = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (("Show", "getRun"), ("Retry", "retryRun"), ("Cancel", "cancelRun"))
}
MODELS = (
    *(NewTask, TaskChanges, ResumeOptions, RunInputs, PreviewRequest),
    *(Error, Message, TaskList, ResultList, Run, Preview, Metrics, Health, Alive),
)


def ref(model: type[BaseModel] | type[StrEnum]) -> Schema:
    """Return a reference to the schema of a model or an enumeration."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


@cache
def schemas() -> dict[str, Schema]:
    """Return the schemas of all models, by their names."""
    _, found = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    methods = TypeAdapter(HttpMethod).json_schema()
    schemas: dict[str, Schema] = tidy(found["$defs"] | {HttpMethod.__name__: methods})
    # The member takes a method in any case, so its type is no enumeration.
    method: Schema = schemas[ActionInput.__name__]["properties"]["method"]
    method |= ref(HttpMethod)
    del method["type"]
    return schemas


def tidy(schema: Any) -> Any:
    """Return a schema without what pydantic adds and no reader needs: titles, and null as a default."""
    if isinstance(schema, list):
        return [tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value if name in {"examples", "example"} else tidy(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str)) and not (name == "default" and value is None)
    }


def answered(words: str, shape: type[ResponseBody], example: Any, **more: Any) -> dict[str, Any]:
    """Return a JSON response with an example."""
    return {"description": words, "content": {"application/json": {"schema": ref(shape), "example": example}}, **more}


def refused(words: str, message: str, **more: Any) -> dict[str, Any]:
    """Return an error with one of its messages."""
    return answered(words, Error, {"error": message}, **more)


INVALID_IDS = {kind: refused("The id is not a UUID.", INVALID_ID.format(kind=kind)) for kind in ("task", "run")}
NOT_FOUNDS = {
    kind: refused(f"No {kind} has this id.", NOT_FOUND.format(kind=kind.capitalize())) for kind in ("task", "run")
}
TOO_LARGE = refused("The body is too large.", f"The request body has more than {MAX_BODY_BYTES:,} bytes")
TOO_SLOW = refused(
    "The body is too slow.", f"The request body did not arrive within {request_body.WITHIN.total_seconds():g} s"
)
MAY_NOT_ASK = refused(
    "The request comes from a page of an origin that is not allowed.",
    "Pages of 'https://evil.example' may not ask; name that origin in DUETIME_CORS_ORIGINS",
)
MAY_NOT_WRITE = refused(
    "The key may only read, or the request comes from a page of an origin that is not allowed.",
    "The key 'dashboard' may only read; this needs the scope write",
)
ALWAYS = {
    "403": MAY_NOT_ASK,
    "431": refused(
        "The request line and headers are too long.", f"The head of the request has more than {MAX_BYTES:,} bytes"
    ),
    "500": refused("An internal error.", "Internal error; the service's log has it under 0d5f1c0f"),
}
RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before the next request."}
}
WITH_A_KEY = {
    "401": refused(
        "The service requires a key, and the request has none or a wrong one.",
        "A key is needed: send the header Authorization: Bearer <key>",
        headers={"WWW-Authenticate": {"schema": {"type": "string"}, "description": "How to send a key."}},
    ),
    "429": refused(
        "Too many wrong keys from this address.",
        "Too many keys from 192.0.2.7 were refused; try again in 30 s",
        headers=RETRY_AFTER,
    ),
    "503": refused(
        "The service requires a key, and the database with the keys is unavailable.",
        "The key cannot be checked: the database is unavailable",
        headers=RETRY_AFTER,
    ),
}
"""Responses of every operation for which the service may require a key."""


def parameter(name: str, words: str, schema: Schema, **more: Any) -> dict[str, Any]:
    """Return a query parameter."""
    return {"name": name, "in": "query", "required": False, "description": words, "schema": schema, **more}


def lenient(minimum: int, default: int, maximum: int | None = None) -> Schema:
    """Return the schema of a number; any other value counts as the default."""
    bounds = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return {"anyOf": [{"type": "integer", **bounds}, {"type": "string"}], "default": default}


def id_in_path(kind: str, example: str) -> dict[str, Any]:
    """Return the parameter for the id of a task or a run."""
    schema = {"type": "string", "format": "uuid"}
    words = f"The {kind}'s id."
    return {"name": "id", "in": "path", "required": True, "description": words, "schema": schema, "example": example}


ID, RUN_ID_IN_PATH = id_in_path("task", TASK_ID), id_in_path("run", RUN_ID)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text. A repeated request with the same key creates nothing, and returns the first run.",
    "schema": {"type": "string"},
    "example": "3-of-today",
}
PAGING = [
    parameter("page", "The page's number, from 1. Any other value counts as 1.", lenient(1, 1)),
    parameter(
        "limit",
        f"Items on a page, from 1 to {MAX_LIMIT}. Any other value counts as {DEFAULT_LIMIT}.",
        lenient(1, DEFAULT_LIMIT, MAX_LIMIT),
    ),
]
STATUS = parameter(
    "status",
    "Only tasks with this status.",
    {"anyOf": [ref(Status), {"type": "string", "maxLength": 0}]},
    example="scheduled",
)
SUCCESS = parameter(
    "success",
    "Only results that succeeded, or that did not. Upper and lower case are the same.",
    {"type": "string", "pattern": f"^$|^(?:{'|'.join(BOOLEANS)}|T|F|TRUE|FALSE|True|False)$"},
    example="true",
)
RESULTS_TASK = parameter(
    "task_id",
    "Only results of this task.",
    {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "maxLength": 0}]},
    example=TASK_ID,
)


METRICS = {
    "description": "Metrics as JSON, Prometheus text or OpenMetrics, by `Accept`.",
    "content": {
        "application/json": {"schema": ref(Metrics), "example": METRICS_EXAMPLE},
        "text/plain": {"schema": {"type": "string"}, "example": METRICS_TEXT},
        "application/openmetrics-text": {"schema": {"type": "string"}, "example": METRICS_TEXT + "# EOF\n"},
    },
    "headers": {"Vary": {"schema": {"type": "string"}, "description": "Accept."}},
}


def body(shape: type[Input], examples: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Return a request body in JSON. The service does not check its Content-Type."""
    named = {name: {"value": example} for name, example in examples.items()}
    return {"required": required, "content": {"application/json": {"schema": ref(shape), "examples": named}}}


def operation(
    name: str, summary: str, responses: dict[str, Any], *, of: str = "tasks", one: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return an operation with its responses and those that follow from its kind.

    `of` is its tag. `one` says what its path has the id of. With a `requestBody` the body may be too large or too slow,
    and `security=[]` requires no key.
    """
    common = dict(ALWAYS)
    if more.get("security") != []:
        common |= WITH_A_KEY
    if one:
        common |= {"400": INVALID_IDS[one], "404": NOT_FOUNDS[one]}
    if "requestBody" in more:
        common |= {"408": TOO_SLOW, "413": TOO_LARGE}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [of],
        "parameters": [],
        "responses": common | responses,
        **more,
    }


TASK = answered("The task.", Task, TASK_EXAMPLE)
RESULTS = answered("A page of the list.", ResultList, {"results": [RESULT_EXAMPLE], "pagination": PAGE_EXAMPLE})
UNHEALTHY_EXAMPLE = {"status": "unhealthy", "postgres": "unreachable", "redis": "healthy"}
WRONG_TASK = refused(
    "What is wrong, and where. Clients match on `datetime is required for one-off triggers`, `datetime must be in the "
    "future`, `cron expression is required for cron triggers`, `invalid cron expression: …`.",
    "datetime must be in the future",
)
TAKEN = refused(
    "Another task has the external id.",
    f"The task {TASK_ID} has the external_id 'daily-report'; choose another one, or change that task",
)
WRONG_BODY = refused(
    "The id is wrong, or something in the body.", "form must be an array of fields, each with a name and a value"
)
ENDED = refused("The task's schedule has ended.", "A task that is cancelled cannot be paused: its schedule has ended")
RUN = answered("The run.", Run, RUN_EXAMPLE)
NEW_RUN = RUN | {
    "links": RUN_LINKS,
    "description": "The new run. The overlap policy may have left it waiting, or skipped.",
}
KEY_REUSED = refused(
    "The Idempotency-Key was used with another input.",
    "The idempotency key was used before, with another input; use a new key for a new input",
)
PATHS: dict[str, dict[str, Any]] = {
    "/tasks": {
        "get": operation(
            "listTasks",
            "List tasks, newest first",
            {
                "200": answered("A page of the list.", TaskList, {"tasks": [TASK_EXAMPLE], "pagination": PAGE_EXAMPLE}),
                "400": refused("An unknown status.", "invalid status 'paused': use scheduled, completed, cancelled"),
            },
            parameters=[STATUS, *PAGING],
        ),
        "post": operation(
            "createTask",
            "Create a task",
            {"201": TASK | {"links": ID_LINKS}, "400": WRONG_TASK, "403": MAY_NOT_WRITE, "409": TAKEN},
            requestBody=body(NewTask, {"one-off": ONE_OFF_EXAMPLE, "cron": CRON_EXAMPLE}),
        ),
    },
    "/tasks/{id}": {
        "parameters": [ID],
        "get": operation("getTask", "Get a task", {"200": TASK}, one="task"),
        "put": operation(
            "updateTask",
            "Update a task; its status does not change",
            {
                "200": TASK,
                "400": refused(
                    "The id is wrong, or something in the body, as for a new task.", INVALID_ID.format(kind="task")
                ),
                "403": MAY_NOT_WRITE,
                "409": TAKEN,
            },
            one="task",
            requestBody=body(TaskChanges, {"cron": UPDATE_EXAMPLE}),
        ),
        "delete": operation(
            "cancelTask",
            "Cancel a task; the task and its results are kept",
            {
                "200": answered("The task is cancelled, or was already.", Message, CANCELLED.json_object()),
                "403": MAY_NOT_WRITE,
            },
            one="task",
        ),
    },
    "/tasks/preview": {
        "post": operation(
            "previewTrigger",
            "Get the next instants of a trigger, without creating anything",
            {"200": answered("The instants.", Preview, PREVIEW_EXAMPLE), "400": WRONG_TASK},
            requestBody=body(PreviewRequest, {"cron": PREVIEW_REQUEST_EXAMPLE}),
        )
    },
    "/tasks/{id}/pause": {
        "parameters": [ID],
        "post": operation(
            "pauseTask",
            "Stop the schedule of a task until it is resumed",
            {"200": TASK, "403": MAY_NOT_WRITE, "409": ENDED},
            one="task",
        ),
    },
    "/tasks/{id}/resume": {
        "parameters": [ID],
        "post": operation(
            "resumeTask",
            "Resume the schedule of a task",
            {"200": TASK, "400": WRONG_BODY, "403": MAY_NOT_WRITE, "409": ENDED},
            one="task",
            requestBody=body(ResumeOptions, {"skip": {"missed": "skip"}}, required=False),
        ),
    },
    "/tasks/{id}/run": {
        "parameters": [ID],
        "post": operation(
            "runTask",
            "Run a task now, in addition to its schedule",
            {"201": NEW_RUN, "400": WRONG_BODY, "403": MAY_NOT_WRITE, "409": KEY_REUSED},
            one="task",
            parameters=[IDEMPOTENCY_KEY],
            requestBody=body(RunInputs, {"payload": {"payload": {"report_type": "weekly"}}}, required=False),
        ),
    },
    "/runs/{id}": {
        "parameters": [RUN_ID_IN_PATH],
        "get": operation("getRun", "Get a run", {"200": RUN}, of="runs", one="run"),
    },
    "/runs/{id}/retry": {
        "parameters": [RUN_ID_IN_PATH],
        "post": operation(
            "retryRun",
            "Repeat a finished run, with the request as it was",
            {
                "201": NEW_RUN,
                "403": MAY_NOT_WRITE,
                "409": refused(
                    "The run has not finished.", "A run that is running cannot be retried before it has finished"
                ),
            },
            of="runs",
            one="run",
            parameters=[IDEMPOTENCY_KEY],
        ),
    },
    "/runs/{id}/cancel": {
        "parameters": [RUN_ID_IN_PATH],
        "post": operation(
            "cancelRun",
            "Cancel a waiting run, or abort a running one",
            {
                "200": RUN,
                "403": MAY_NOT_WRITE,
                "409": refused("The run has ended.", "A run that is succeeded cannot be cancelled: it has ended"),
            },
            of="runs",
            one="run",
        ),
    },
    "/tasks/{id}/results": {
        "parameters": [ID],
        "get": operation(
            "listTaskResults",
            "List the results of a task, newest first",
            {"200": RESULTS},
            of="results",
            one="task",
            parameters=PAGING,
        ),
    },
    "/results": {
        "get": operation(
            "listResults",
            "List the results of all tasks, newest first",
            {
                "200": RESULTS,
                "400": refused(
                    "An unknown filter.", "invalid success 'yes': use true or false (or 1, t, true, 0, f, false)"
                ),
            },
            of="results",
            parameters=[RESULTS_TASK, SUCCESS, *PAGING],
        )
    },
    "/metrics": {"get": operation("getMetrics", "Get metrics; also at /metrics", {"200": METRICS}, of="service")},
    "/health": {
        "get": operation(
            "getHealth",
            "Get the health of the service; also at /health",
            {
                "200": answered("The service can work.", Health, HEALTH_EXAMPLE),
                "503": answered("Postgres or Redis cannot be reached.", Health, UNHEALTHY_EXAMPLE),
            },
            of="service",
            security=[],
        )
    },
    "/health/live": {
        "get": operation(
            "getLiveness",
            "Check that this process answers; also at /health/live",
            {"200": answered("The process answers.", Alive, {"status": "alive"})},
            of="service",
            security=[],
        )
    },
}


@cache
def document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Duetime",
            "version": version("duetime"),
            "description": "A scheduler for HTTP calls. This API serves clients of an older scheduler; the "
            "GraphQL API at /graphql does all of this and more. The body of every error is an `Error`, also with 404 "
            "for unknown paths, and with 405 and `Allow` for methods that a path does not accept.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api/v1"}],
        "tags": [
            {"name": "tasks", "description": "What to call, and when."},
            {"name": "runs", "description": "Single firings of a task, in any state."},
            {"name": "results", "description": "The results of the calls."},
            {"name": "service", "description": "Health and metrics of the service."},
        ],
        "security": [{}, {"key": []}],
        "paths": PATHS,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, if the service requires one.",
                }
            },
        },
    }


async def show(request: Request) -> Response:
    """Return the document as JSON."""
    return with_etag(request, json_answer(document()))


async def show_3_0(request: Request) -> Response:
    """Return the document in version 3.0 as JSON."""
    return with_etag(request, json_answer(document_3_0()))


@cache
def document_3_0() -> dict[str, Any]:
    """Return the whole document in version 3.0, for tools that do not read 3.1."""
    return openapi_3_0.of(document())


ROUTES = [
    Route("/openapi.json", scoped(show), methods=["GET"]),
    Route("/openapi-3.0.json", scoped(show_3_0), methods=["GET"]),
    Route("/swagger/doc.json", scoped(show), methods=["GET"]),
]
