"""The OpenAPI document of this API, in versions 3.1 and 3.0.

Its schemas come from the models, and its paths from the operations.
"""

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_api.health import Alive, Health
from graphql_api.metrics import Metrics
from graphql_api.middleware.authentication import scoped
from graphql_api.responses import json_answer, with_etag
from graphql_api.rest import examples, openapi_3_0
from graphql_api.rest.action_input import ActionInput
from graphql_api.rest.inputs import NewTask, PreviewRequest, ResumeOptions, RunInputs, TaskChanges
from graphql_api.rest.lists import ResultList, TaskList
from graphql_api.rest.operations import BASE, Operations, Schema, answered, ref
from graphql_api.rest.outputs import Error, Message, Preview, Run
from graphql_api.rest.results import RESULTS
from graphql_api.rest.runs import RUNS
from graphql_api.rest.tasks import TASKS
from jobs.http.request import HttpMethod

MODELS = (
    *(NewTask, TaskChanges, ResumeOptions, RunInputs, PreviewRequest),
    *(Error, Message, TaskList, ResultList, Run, Preview, Metrics, Health, Alive),
)
UNHEALTHY_EXAMPLE = {"status": "unhealthy", "postgres": "unreachable", "redis": "healthy"}
METRICS = {
    "description": "Metrics as JSON, Prometheus text or OpenMetrics, by `Accept`.",
    "content": {
        "application/json": {"schema": ref(Metrics), "example": examples.METRICS},
        "text/plain": {"schema": {"type": "string"}, "example": examples.METRICS_TEXT},
        "application/openmetrics-text": {"schema": {"type": "string"}, "example": examples.METRICS_TEXT + "# EOF\n"},
    },
    "headers": {"Vary": {"schema": {"type": "string"}, "description": "Accept."}},
}
SERVICE = Operations("service")
"""Endpoints that are also at the root, so they have their routes elsewhere."""
SERVICE.describe("GET", "/metrics", "getMetrics", "Get metrics; also at /metrics", {"200": METRICS})
SERVICE.describe(
    "GET",
    "/health",
    "getHealth",
    "Get the health of the service; also at /health",
    {
        "200": answered("The service can work.", Health, examples.HEALTH),
        "503": answered("Postgres or Redis cannot be reached.", Health, UNHEALTHY_EXAMPLE),
    },
    security=[],
)
SERVICE.describe(
    "GET",
    "/health/live",
    "getLiveness",
    "Check that this process answers; also at /health/live",
    {"200": answered("The process answers.", Alive, {"status": "alive"})},
    security=[],
)


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
        "servers": [{"url": BASE}],
        "tags": [
            {"name": "tasks", "description": "What to call, and when."},
            {"name": "runs", "description": "Single firings of a task, in any state."},
            {"name": "results", "description": "The results of the calls."},
            {"name": "service", "description": "Health and metrics of the service."},
        ],
        "security": [{}, {"key": []}],
        "paths": TASKS.paths | RUNS.paths | RESULTS.paths | SERVICE.paths,
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
