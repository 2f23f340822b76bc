"""Operations: what a path does by each method, as its route and as a part of the OpenAPI document."""

import inspect
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from graphql_api import request_body
from graphql_api.middleware.api_keys import KEY_NEEDED
from graphql_api.middleware.authentication import READ_BY_POST, READING, Endpoint
from graphql_api.middleware.header_limits import MAX_BYTES
from graphql_api.responses import ResponseBody
from graphql_api.rest import examples
from graphql_api.rest.form import Input
from graphql_api.rest.handling import INVALID_ID, MAX_BODY_BYTES, NOT_FOUND, answering
from graphql_api.rest.outputs import Error

BASE = "/api/v1"
Schema = dict[str, Any]


def ref(model: type[BaseModel] | type[StrEnum]) -> Schema:
    """Return a reference to the schema of a model or an enumeration."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def parameter(name: str, words: str, schema: Schema, *, place: str = "query", **more: Any) -> dict[str, Any]:
    """Return a parameter; one in the path is required."""
    required = place == "path"
    return {"name": name, "in": place, "required": required, "description": words, "schema": schema, **more}


def answered(words: str, shape: type[ResponseBody], example: Any, **more: Any) -> dict[str, Any]:
    """Return a JSON response with an example."""
    return {"description": words, "content": {"application/json": {"schema": ref(shape), "example": example}}, **more}


def refused(words: str, message: str, **more: Any) -> dict[str, Any]:
    """Return an error with one of its messages."""
    return answered(words, Error, {"error": message}, **more)


def links(**operations: str) -> dict[str, Any]:
    """Return links from a response with an id to the operations on what has that id."""
    return {
        name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
        for name, operation in operations.items()
    }


def json_body(shape: type[Input], values: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Return a request body in JSON. The service does not check its Content-Type."""
    named = {name: {"value": value} for name, value in values.items()}
    return {"required": required, "content": {"application/json": {"schema": ref(shape), "examples": named}}}


IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "Any text. A repeated request with the same key creates nothing, and returns the first run.",
    {"type": "string"},
    place="header",
    example="3-of-today",
)
IDS = {
    kind: parameter("id", f"The {kind}'s id.", {"type": "string", "format": "uuid"}, place="path", example=example)
    for kind, example in (("task", examples.TASK_ID), ("run", examples.RUN_ID))
}
"""The ids in paths, by what they are of."""
ALWAYS = {
    "403": refused(
        "The request comes from a page of an origin that is not allowed.",
        "Pages of 'https://evil.example' may not ask; name that origin in DUETIME_CORS_ORIGINS",
    ),
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
        KEY_NEEDED,
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
WITH_AN_ID = {
    kind: {
        "400": refused("The id is not a UUID.", INVALID_ID.format(kind=kind)),
        "404": refused(f"No {kind} has this id.", NOT_FOUND.format(kind=kind.capitalize())),
    }
    for kind in IDS
}
WITH_A_BODY = {
    "408": refused(
        "The body is too slow.", f"The request body did not arrive within {request_body.WITHIN.total_seconds():g} s"
    ),
    "413": refused("The body is too large.", f"The request body has more than {MAX_BODY_BYTES:,} bytes"),
}
CHANGING = {
    "403": refused(
        "The key may only read, or the request comes from a page of an origin that is not allowed.",
        "The key 'dashboard' may only read; this needs the scope write",
    )
}


class NamedRoute(Route):
    """The route of a name where another route has an id: methods that it does not take are refused, not taken there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the path fits."""
        match, found = super().matches(scope)
        return Match.NONE if match is Match.NONE else Match.FULL, found


class Operations:
    """The operations with one tag: the endpoints by path and method, and the paths of the document."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.endpoints: dict[str, dict[str, Endpoint]] = {}
        self.paths: dict[str, dict[str, Any]] = {}

    def operation(
        self, method: str, path: str, responses: dict[str, Any], **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Register an endpoint: its name becomes the operation's id, the first line of its docstring the summary."""

        def register(endpoint: Endpoint) -> Endpoint:
            summary = (inspect.getdoc(endpoint) or "").partition("\n")[0].removesuffix(".")
            name = re.sub("_(.)", lambda found: found[1].upper(), endpoint.__name__)
            self.describe(method, path, name, summary, responses, **more)
            self.endpoints.setdefault(path, {})[method] = endpoint
            return endpoint

        return register

    def describe(self, method: str, path: str, name: str, summary: str, responses: dict[str, Any], **more: Any) -> None:
        """Add an operation to the document, with the responses that follow from its method, its path and `more`.

        With a `requestBody` the body may be too large or too slow, and `security=[]` requires no key.
        """
        kind = re.match("/(task|run)s/{id}", path)
        item = self.paths.setdefault(path, {"parameters": [IDS[kind[1]]]} if kind else {})
        item[method.lower()] = {
            "operationId": name,
            "summary": summary,
            "tags": [self.tag],
            "parameters": [],
            "responses": ALWAYS
            | (WITH_A_KEY if more.get("security") != [] else {})
            | (WITH_AN_ID[kind[1]] if kind else {})
            | (WITH_A_BODY if "requestBody" in more else {})
            | (CHANGING if method not in READING and BASE + path not in READ_BY_POST else {})
            | responses,
            **more,
        }

    def routes(self) -> list[Route]:
        """Return a route for each path; those with an id come last, because anything can stand for an id."""
        return [self.route(path) for path in sorted(self.endpoints, key=lambda path: "{" in path)]

    def route(self, path: str) -> Route:
        """Return the route of a path, with all methods that it takes."""
        by_id = path.rpartition("/")[0] + "/{id}"
        kind = NamedRoute if path != by_id and by_id in self.endpoints else Route
        return kind(path, answering(by_method(self.endpoints[path])), methods=list(self.endpoints[path]))


def by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """Return the endpoint of a path that has one for each method; HEAD is answered as GET."""

    async def chosen(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return chosen
