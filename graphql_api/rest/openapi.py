"""The OpenAPI 3.1 document of this API. Tests hold it against the routes, and against what they answer."""

from functools import cache
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_api import request_body
from graphql_api.middleware.header_limits import MAX_BYTES
from graphql_api.responses import json_answer
from graphql_api.rest.handling import INVALID_ID, MAX_BODY_BYTES, TASK_NOT_FOUND
from graphql_api.rest.listing import DEFAULT_LIMIT, MAX_LIMIT, STATUSES, TRUTHS
from graphql_api.rest.openapi_schemas import (
    CRON_EXAMPLE,
    HEALTH_EXAMPLE,
    METRICS_EXAMPLE,
    ONE_OFF_EXAMPLE,
    RESULT_EXAMPLE,
    SCHEMAS,
    TASK_EXAMPLE,
    TASK_ID,
    Schema,
    ref,
    text,
)
from graphql_api.rest.tasks import CANCELLED

Operation = dict[str, Any]

METRICS_TEXT = """# HELP duetime_runs_total Runs that have ended after an attempt.
# TYPE duetime_runs_total counter
duetime_runs_total{outcome="succeeded"} 990.0
duetime_runs_total{outcome="failed"} 10.0
"""
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


def answered(words: str, shape: str, example: Any, **more: Any) -> dict[str, Any]:
    """An answer in JSON, with an example."""
    return {"description": words, "content": {"application/json": {"schema": ref(shape), "example": example}}, **more}


def refused(words: str, message: str, **more: Any) -> dict[str, Any]:
    """An error, with the message that it has, or one of those."""
    return answered(words, "Error", {"error": message}, **more)


INVALID_PARAMETER = refused("The id is none.", INVALID_ID)
NOT_FOUND = refused("There is no such task.", TASK_NOT_FOUND)
TOO_LARGE = refused("The body is too large.", f"The request body has more than {MAX_BODY_BYTES:,} bytes")
TOO_SLOW = refused(
    "The body is too slow.", f"The request body did not arrive within {request_body.WITHIN.total_seconds():g} s"
)
MAY_NOT_ASK = refused(
    "A page of an origin that is not named asks.",
    "Pages of 'https://evil.example' may not ask; name that origin in DUETIME_CORS_ORIGINS",
)
MAY_NOT_WRITE = refused(
    "The key may only read, or a page of an origin that is not named asks.",
    "The key 'dashboard' may only read; this needs the scope write",
)
ALWAYS = {
    "403": MAY_NOT_ASK,
    "431": refused(
        "The head of the request is too long.", f"The head of the request has more than {MAX_BYTES:,} bytes"
    ),
    "500": refused("A surprise.", "Internal error; the service's log has it under 0d5f1c0f"),
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
WITH_A_KEY = {
    "401": refused(
        "Keys are asked for, and none or a wrong one was shown.",
        "A key is needed: send the header Authorization: Bearer <key>",
        headers={"WWW-Authenticate": {"schema": {"type": "string"}, "description": "How to show one."}},
    ),
    "429": refused(
        "Too many wrong keys from this address.",
        "Too many keys from 192.0.2.7 were refused; try again in 30 s",
        headers=RETRY_AFTER,
    ),
    "503": refused(
        "Keys are asked for, and the database that has them is away.",
        "The key cannot be looked up: the database is away",
        headers=RETRY_AFTER,
    ),
}
"""What may be answered wherever a key can be asked for."""


def parameter(name: str, words: str, schema: Schema, **more: Any) -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "required": False, "description": words, "schema": schema, **more}


def lenient(minimum: int, default: int, maximum: int | None = None) -> Schema:
    """A number that anything else stands for the default of."""
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
    parameter("page", "From 1; whatever is no such number counts as 1.", lenient(1, 1)),
    parameter(
        "limit",
        f"From 1 to {MAX_LIMIT}; whatever is no such number counts as {DEFAULT_LIMIT}.",
        lenient(1, DEFAULT_LIMIT, MAX_LIMIT),
    ),
]
STATUS = parameter(
    "status", "Only tasks of this status.", {"type": "string", "enum": ["", *STATUSES]}, example="scheduled"
)
SUCCESS = parameter(
    "success",
    "Only results that are, or are not, a success. In any case.",
    {"type": "string", "pattern": f"^$|^(?:{'|'.join(TRUTHS)}|T|F|TRUE|FALSE|True|False)$"},
    example="true",
)
TASK = parameter(
    "task_id",
    "Only results of this task.",
    {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "maxLength": 0}]},
    example=TASK_ID,
)


def body(shape: str, examples: dict[str, Any]) -> dict[str, Any]:
    """A request's body in JSON; its Content-Type is not insisted on."""
    named = {name: {"value": example} for name, example in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": ref(shape), "examples": named}}}


def operation(
    name: str, words: str, tag: str, answers: dict[str, Any], *, parameters: Any = (), **more: Any
) -> Operation:
    """One operation, with the answers that all may give where it has none; `security=[]` asks for no key."""
    common = ALWAYS if more.get("security") == [] else ALWAYS | WITH_A_KEY
    return {
        "operationId": name,
        "summary": words,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": common | answers,
        **more,
    }


TASKS_PATH = {
    "get": operation(
        "listTasks",
        "The tasks, newest first",
        "tasks",
        {
            "200": answered("A page of them.", "TaskList", {"tasks": [TASK_EXAMPLE], "pagination": PAGE_EXAMPLE}),
            "400": refused("An unknown status.", "invalid status 'paused': use scheduled, completed, cancelled"),
        },
        parameters=[STATUS, *PAGING],
    ),
    "post": operation(
        "createTask",
        "Make a task",
        "tasks",
        {
            "201": answered("The task.", "Task", TASK_EXAMPLE, links=ID_LINKS),
            "400": refused(
                "What is wrong, and where. Clients match on: `datetime is required for one-off triggers`, "
                "`datetime must be in the future`, `cron expression is required for cron triggers`, "
                "`invalid cron expression: …`.",
                "datetime must be in the future",
            ),
            "403": MAY_NOT_WRITE,
            "408": TOO_SLOW,
            "413": TOO_LARGE,
        },
        requestBody=body("NewTask", {"one-off": ONE_OFF_EXAMPLE, "cron": CRON_EXAMPLE}),
    ),
}
TASK_PATH = {
    "parameters": [ID],
    "get": operation(
        "getTask",
        "One task",
        "tasks",
        {"200": answered("The task.", "Task", TASK_EXAMPLE), "400": INVALID_PARAMETER, "404": NOT_FOUND},
    ),
    "put": operation(
        "updateTask",
        "Change a task; its status stays as it is",
        "tasks",
        {
            "200": answered("The task.", "Task", TASK_EXAMPLE),
            "400": refused("A wrong id, or what is wrong in the body, as for a new task.", INVALID_ID),
            "403": MAY_NOT_WRITE,
            "404": NOT_FOUND,
            "408": TOO_SLOW,
            "413": TOO_LARGE,
        },
        requestBody=body(
            "TaskChanges", {"cron": {"name": "Earlier", "trigger": {"type": "cron", "cron": "30 6 * * *"}}}
        ),
    ),
    "delete": operation(
        "cancelTask",
        "Cancel a task; it stays, with its results",
        "tasks",
        {
            "200": answered("It is cancelled, perhaps for long.", "Message", CANCELLED),
            "400": INVALID_PARAMETER,
            "403": MAY_NOT_WRITE,
            "404": NOT_FOUND,
        },
    ),
}
RESULTS_EXAMPLE = {"results": [RESULT_EXAMPLE], "pagination": PAGE_EXAMPLE}
TASK_RESULTS_PATH = {
    "parameters": [ID],
    "get": operation(
        "listTaskResults",
        "The results of a task, newest first",
        "results",
        {
            "200": answered("A page of them.", "ResultList", RESULTS_EXAMPLE),
            "400": INVALID_PARAMETER,
            "404": NOT_FOUND,
        },
        parameters=PAGING,
    ),
}
RESULTS_PATH = {
    "get": operation(
        "listResults",
        "The results of all tasks, newest first",
        "results",
        {
            "200": answered("A page of them.", "ResultList", RESULTS_EXAMPLE),
            "400": refused(
                "An unknown filter.", "invalid success 'yes': use true or false (or 1, t, true, 0, f, false)"
            ),
        },
        parameters=[TASK, SUCCESS, *PAGING],
    ),
}
METRICS_PATH = {
    "get": operation(
        "getMetrics",
        "What has been counted; also at /metrics",
        "service",
        {
            "200": {
                "description": "JSON, or for Prometheus, by `Accept`.",
                "content": {
                    "application/json": {"schema": ref("Metrics"), "example": METRICS_EXAMPLE},
                    "text/plain": {"schema": text("Prometheus's text format."), "example": METRICS_TEXT},
                    "application/openmetrics-text": {
                        "schema": text("OpenMetrics 1.0."),
                        "example": METRICS_TEXT + "# EOF\n",
                    },
                },
                "headers": {"Vary": {"schema": {"type": "string"}, "description": "Accept."}},
            }
        },
    )
}
HEALTH_PATH = {
    "get": operation(
        "getHealth",
        "Whether the service can work; also at /health",
        "service",
        {
            "200": answered("It can.", "Health", HEALTH_EXAMPLE),
            "503": answered(
                "Postgres or Redis cannot be reached.",
                "Health",
                {"status": "unhealthy", "postgres": "unreachable", "redis": "healthy"},
            ),
        },
        security=[],
    )
}
LIVE_PATH = {
    "get": operation(
        "getLiveness",
        "Whether this process answers; also at /health/live",
        "service",
        {"200": answered("It does.", "Alive", {"status": "alive"})},
        security=[],
    )
}


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Duetime",
            "version": version("duetime"),
            "description": "A scheduler for HTTP calls. This is the API that clients of an older scheduler know; "
            "everything, and more, is at /graphql. Whatever goes wrong, the body is an `Error`: also with 404 at other "
            "paths, and with 405 and `Allow` for methods that a path does not take.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api/v1"}],
        "tags": [
            {"name": "tasks", "description": "What is called, and when."},
            {"name": "results", "description": "What came of it."},
            {"name": "service", "description": "How the service is."},
        ],
        "security": [{}, {"key": []}],
        "paths": {
            "/tasks": TASKS_PATH,
            "/tasks/{id}": TASK_PATH,
            "/tasks/{id}/results": TASK_RESULTS_PATH,
            "/results": RESULTS_PATH,
            "/metrics": METRICS_PATH,
            "/health": HEALTH_PATH,
            "/health/live": LIVE_PATH,
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, where the service asks for one.",
                }
            },
        },
    }


async def show(_request: Request) -> Response:
    """The document."""
    return json_answer(document())


ROUTES = [Route("/openapi.json", show, methods=["GET"]), Route("/swagger/doc.json", show, methods=["GET"])]
