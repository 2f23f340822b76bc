"""The middleware that authenticates is not the only wall: each field and each path checks the scope itself."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import httpx
import pytest
from graphql import (
    GraphQLField,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from db.settings import DatabaseSettings
from db.states import KeyScope
from graphql_api.app import create_app
from graphql_api.context import Context, Services
from graphql_api.execution.schema import schema
from graphql_api.middleware.authentication import ASSETS, OPEN, READ_BY_POST
from graphql_api.middleware.page_requests import DASHBOARD, PAGES
from graphql_api.settings import ApiSettings
from jobs.security.api_keys import Caller
from jobs.settings import JobsSettings
from tests.support.clients_schema import SCHEMA

NO_SERVICES = cast("Services", None)
"""A field that uses anything before it checks the scope fails with an internal error."""
EXAMPLES = {"ID": '"x"', "String": '"x"', "DateTime": '"2030-01-31T09:00:00Z"', "Boolean": "true"}
NEEDED = {"query": KeyScope.READ, "mutation": KeyScope.WRITE, "subscription": KeyScope.READ}
NEEDS_ADMIN = {"auditLog", "apiKeys", "createApiKey", "revokeApiKey"}


def example(kind: Any) -> str:
    """Return a literal of an input type, with no more members than it needs."""
    bare = get_nullable_type(kind)
    if is_list_type(bare):
        return f"[{example(bare.of_type)}]"
    if is_enum_type(bare):
        return str(next(iter(bare.values)))
    if is_input_object_type(bare):
        members = bare.fields.items()
        wanted = list(members)[:1] if bare.is_one_of else [(n, f) for n, f in members if is_required_input_field(f)]
        return "{" + " ".join(f"{name}: {example(field.type)}" for name, field in wanted) + "}"
    return EXAMPLES.get(bare.name, "1")


def selection(field: GraphQLField) -> str:
    """Return a field's arguments, as far as they are required, and a selection of its value."""
    required = [f"{name}: {example(each.type)}" for name, each in field.args.items() if is_required_argument(each)]
    below = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    return (f"({' '.join(required)})" if required else "") + below


def root_fields() -> Iterator[tuple[str, str, str]]:
    """Yield each field of the root types: the operation, the field's name, and a document that selects it."""
    for operation, root in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert root is not None
        for name, field in root.fields.items():
            yield operation, name, f"{operation} {{ {name}{selection(field)} }}"


ROOT_FIELDS = list(root_fields())


async def code(document: str, caller: Caller | None) -> Any:
    """Return the code of the only error of an operation by this caller, which has no other effect."""
    context = Context(NO_SERVICES, caller=caller, address="unknown")
    results = await schema.stream(document, context_value=context)
    [[result]] = [each async for each in results]
    assert not any((result.data or {}).values())
    [error] = result.errors or []
    return (error.extensions or {})["code"]


@pytest.mark.parametrize(("operation", "name", "document"), ROOT_FIELDS, ids=[name for _, name, _ in ROOT_FIELDS])
async def test_each_root_field_checks_the_scope(operation: str, name: str, document: str) -> None:
    """Without a key each field is UNAUTHENTICATED, and FORBIDDEN with a smaller scope than it needs."""
    assert await code(document, None) == "UNAUTHENTICATED"
    scopes = list(KeyScope)
    needed = KeyScope.ADMIN if name in NEEDS_ADMIN else NEEDED[operation]
    for scope in scopes[: scopes.index(needed)]:
        assert await code(document, Caller(name="small", scope=scope, key_id=None)) == "FORBIDDEN", scope


def paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every method and path that the app serves, except pages, health and GraphQL."""
    for route in routes:
        if isinstance(route, Mount):
            yield from paths(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            path = prefix + route.path
            if path.strip("/").partition("/")[0] in DASHBOARD:
                continue
            if path not in OPEN | PAGES | {"/graphql"} and not path.startswith(ASSETS):
                yield from ((method, path) for method in route.methods or ())


async def test_each_rest_path_checks_the_scope(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Without the middleware, each path answers 401 without a caller, and 403 for a change by one who may read."""
    app = create_app(database, jobs_settings, ApiSettings())
    callers: list[Caller | None] = [None]

    async def without_middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await app.router({**scope, "app": app, "caller": callers[-1]}, receive, send)

    found = list(paths(app.routes))
    assert ("POST", "/api/v1/tasks") in found
    assert ("GET", "/metrics") in found
    transport = httpx.ASGITransport(app=without_middleware)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for method, path in found:
            answer = await client.request(method, path.replace("{id}", "x"))
            assert answer.status_code == 401, (method, path)
        callers.append(Caller(name="small", scope=KeyScope.READ, key_id=None))
        changes = [each for each in found if each[0] not in {"GET", "HEAD"} and each[1] not in READ_BY_POST]
        assert len(changes) == 8
        for method, path in changes:
            answer = await client.request(method, path.replace("{id}", "x"))
            assert answer.status_code == 403, (method, path)
