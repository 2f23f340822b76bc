"""The schema as a document in GraphQL's schema definition language, for generators: `GET /schema.graphql`."""

from functools import cache

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from graphql_api.execution.schema import DuetimeSchema
from graphql_api.middleware.authentication import scoped
from graphql_api.responses import refusal, with_etag
from graphql_api.settings import PREFIX

PATH = "/schema.graphql"


def sdl_route(schema: DuetimeSchema, *, shown: bool) -> Route:
    """Return the route of the document. It shows what introspection shows, to whom introspection shows it."""
    text = cache(schema.as_str)

    async def show(request: Request) -> Response:
        """Return the document, or 403 if introspection is off."""
        if not shown:
            return refusal(403, f"The schema is not shown here, because {PREFIX}INTROSPECTION is false")
        return with_etag(request, PlainTextResponse(text() + "\n"))

    return Route(PATH, scoped(show), methods=["GET"])
