"""The OpenAPI document is well-formed, complete, and agrees with the code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator
from openapi_schema_validator import OAS30WriteValidator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from starlette.requests import Request
from starlette.routing import Route

from graphql_api import health, metrics
from graphql_api.pages import swagger
from graphql_api.rest.openapi import document, document_3_0
from graphql_api.rest.results import RESULTS
from graphql_api.rest.runs import RUNS
from graphql_api.rest.tasks import TASKS
from tests.support.graphql import Api

METHODS = {"get", "put", "post", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation of each operation."""
    for path, item in document()["paths"].items():
        for method in item.keys() & METHODS:
            yield path, method, item[method]


def test_is_openapi() -> None:
    """The document is valid by OpenAPI's own schema."""
    validate(document())


async def test_is_served(api: Api) -> None:
    """The document is served where Swagger UI and generators look for it."""
    for path, expected in (
        ("/openapi.json", document()),
        ("/swagger/doc.json", document()),
        ("/openapi-3.0.json", document_3_0()),
    ):
        answer = await api.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == expected


def test_has_every_route_and_no_other() -> None:
    """The document has each route with each of its methods, and no other."""
    routes: list[Route] = [*TASKS.routes(), *RUNS.routes(), *RESULTS.routes(), *metrics.ROUTES, *health.ROUTES]
    taken = {(route.path, method.lower()) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    assert {(path, method) for path, method, _ in operations()} == taken


def test_is_openapi_3_0() -> None:
    """The other form is valid by the schema of 3.0, has no word of 3.1, and accepts the same examples."""
    found = document_3_0()
    OpenAPIV30SpecValidator(found).validate()
    assert found["openapi"] == "3.0.3"
    words = set(keywords(found["components"]["schemas"]))
    assert not words & {"const", "propertyNames", "prefixItems", "patternProperties"}
    assert '"null"' not in json.dumps(found)
    checked = 0
    for path, method, operation in operations():
        media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in media.get("examples", {}).values():
            schema = found["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
            OAS30WriteValidator(schema | {"components": found["components"]}).validate(example["value"])
            checked += 1
    assert checked >= 6
    resume = {"$ref": "#/components/schemas/ResumeOptions", "components": found["components"]}
    assert OAS30WriteValidator(resume).is_valid({"missed": None})
    assert not OAS30WriteValidator(resume).is_valid({"missed": "never"})


def keywords(schemas: dict[str, Any]) -> Iterator[str]:
    """Yield the keywords of schemas and of those within them."""
    for schema in schemas.values():
        yield from schema
        yield from keywords(schema.get("properties", {}))
        for name in ("allOf", "anyOf", "oneOf"):
            yield from keywords({str(place): each for place, each in enumerate(schema.get(name, []))})


def test_enumerations_are_components() -> None:
    """Generators make one type of each enumeration, because each is a component that others refer to."""
    schemas = document()["components"]["schemas"]
    named = {name for name, schema in schemas.items() if "enum" in schema}
    assert named == {
        *("HealthStatus", "HttpMethod", "LostPolicy", "MisfirePolicy", "OverlapPolicy", "Reachability", "RunCause"),
        *("RunState", "Status", "TaskStatus", "TriggerKind"),
    }
    rest = {name: schema for name, schema in schemas.items() if name not in named} | document()["paths"]
    assert '"enum"' not in json.dumps(rest)


def test_every_example_is_right() -> None:
    """Every example of requests and responses is valid by the schema beside it."""
    components = {"components": document()["components"]}
    checked = 0

    def check(schema: dict[str, Any], example: Any) -> None:
        nonlocal checked
        Draft202012Validator(schema | components).validate(example)
        checked += 1

    for _, _, operation in operations():
        contents = [answer["content"] for answer in operation["responses"].values()]
        if "requestBody" in operation:
            contents.append(operation["requestBody"]["content"])
        for content in contents:
            for media in content.values():
                examples = [example["value"] for example in media.get("examples", {}).values()]
                examples += [media["example"]] if "example" in media else []
                assert examples, media
                for example in examples:
                    check(media["schema"], example)
        for parameter in operation["parameters"]:
            assert parameter["description"]
            if "example" in parameter:
                check(parameter["schema"], parameter["example"])
    for schema in document()["components"]["schemas"].values():
        assert schema["description"]
        for example in schema.get("examples", []):
            check(schema, example)
    assert checked > 50


def test_errors_are_told() -> None:
    """Every possible error is in the document, in the form of errors."""
    for path, method, operation in operations():
        answers = operation["responses"]
        assert {"403", "431", "500"} <= answers.keys()
        needs_key = operation.get("security") != []
        assert needs_key != path.startswith("/health")
        assert all((status in answers) == needs_key for status in ("401", "429"))
        assert ("503" in answers) == (needs_key or path == "/health")
        assert ("404" in answers) == ("{id}" in path), path
        assert ("413" in answers) == ("requestBody" in operation)
        changes = method != "get" and path != "/tasks/preview"
        assert ("only read" in answers["403"]["description"]) == changes
        for status, answer in answers.items():
            if status >= "400" and (status, path) != ("503", "/health"):
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
        assert operation["summary"]
        assert operation["operationId"]


async def test_swagger_ui_is_found(api: Api, tmp_path: Path) -> None:
    """Swagger UI is found from its folder as well, and its policy allows no other host. Before a build it says how to
    build.
    """
    for path in ("/swagger", "/swagger/"):
        answer = await api.http.get(path)
        assert answer.status_code == 307
        assert answer.url.join(answer.headers["location"]).path == "/swagger/index.html"
    (tmp_path / "swagger.html").write_text("<p>page</p>")
    page = swagger.show(Request({"type": "http", "headers": []}), built=tmp_path)
    assert (page.status_code, page.body) == (200, b"<p>page</p>")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    missing = swagger.show(Request({"type": "http", "headers": []}), built=tmp_path / "none")
    assert missing.status_code == 404
    assert b"make install" in missing.body
