"""The OpenAPI 3.1 document of this API. Its schemas come from the models; tests compare it with the routes."""

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
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
from graphql_api.rest.examples import (
    CRON_EXAMPLE,
    HEALTH_EXAMPLE,
    METRICS_EXAMPLE,
    METRICS_TEXT,
    ONE_OFF_EXAMPLE,
    RESULT_EXAMPLE,
    TASK_EXAMPLE,
    TASK_ID,
    UPDATE_EXAMPLE,
)
from graphql_api.rest.form import Input
from graphql_api.rest.handling import INVALID_ID, MAX_BODY_BYTES, TASK_NOT_FOUND
from graphql_api.rest.inputs import NewTask, TaskChanges
from graphql_api.rest.outputs import Error, Message, ResultList, Task, TaskList
from graphql_api.rest.query_params import BOOLEANS, DEFAULT_LIMIT, MAX_LIMIT, STATUSES
from graphql_api.rest.tasks import CANCELLED

Schema = dict[str, Any]

PAGE_EXAMPLE = {"page": 1, "limit": DEFAULT_LIMIT, "total": 1, "total_pages": 1}
ID_LINKS = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (
        ("Show", "getTask"),
        ("Change", "updateTask"),
        ("Cancel", "cancelTask"),
        ("Results", "listTaskResults"),
    )
}


def ref(model: type[BaseModel]) -> Schema:
    """Return a reference to the schema of a model."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


@cache
def schemas() -> dict[str, Schema]:
    """Return the schemas of all models, by their names."""
    models = (NewTask, TaskChanges, Error, Message, TaskList, ResultList, Metrics, Health, Alive)
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Schema] = tidy(found["$defs"])
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


INVALID_ID_GIVEN = refused("The id is not a UUID.", INVALID_ID)
NOT_FOUND = refused("No task has this id.", TASK_NOT_FOUND)
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
        "The service requires a key, and the database that holds the keys is away.",
        "The key cannot be looked up: the database is away",
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


ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The task's id.",
    "schema": {"type": "string", "format": "uuid"},
    "example": TASK_ID,
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
    "status", "Only tasks with this status.", {"type": "string", "enum": ["", *STATUSES]}, example="scheduled"
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


def body(shape: type[Input], examples: dict[str, Any]) -> dict[str, Any]:
    """Return a request body in JSON. The service does not check its Content-Type."""
    named = {name: {"value": example} for name, example in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": ref(shape), "examples": named}}}


def operation(
    name: str, summary: str, responses: dict[str, Any], *, of: str = "tasks", one: bool = False, **more: Any
) -> dict[str, Any]:
    """Return an operation with its responses and those that follow from its kind.

    `of` is its tag. `one` says that its path has an id. With a `requestBody` the body may be too large or too slow, and
    `security=[]` requires no key.
    """
    common = dict(ALWAYS)
    if more.get("security") != []:
        common |= WITH_A_KEY
    if one:
        common |= {"400": INVALID_ID_GIVEN, "404": NOT_FOUND}
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
        "get": operation("getTask", "Get a task", {"200": TASK}, one=True),
        "put": operation(
            "updateTask",
            "Update a task; its status does not change",
            {
                "200": TASK,
                "400": refused("The id is wrong, or something in the body, as for a new task.", INVALID_ID),
                "403": MAY_NOT_WRITE,
                "409": TAKEN,
            },
            one=True,
            requestBody=body(TaskChanges, {"cron": UPDATE_EXAMPLE}),
        ),
        "delete": operation(
            "cancelTask",
            "Cancel a task; the task and its results are kept",
            {
                "200": answered("The task is cancelled, or was already.", Message, CANCELLED.json_object()),
                "403": MAY_NOT_WRITE,
            },
            one=True,
        ),
    },
    "/tasks/{id}/results": {
        "parameters": [ID],
        "get": operation(
            "listTaskResults",
            "List the results of a task, newest first",
            {"200": RESULTS},
            of="results",
            one=True,
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


ROUTES = [
    Route("/openapi.json", scoped(show), methods=["GET"]),
    Route("/swagger/doc.json", scoped(show), methods=["GET"]),
]
