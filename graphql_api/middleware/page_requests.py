"""Recognizes requests for pages, which have no data."""

from starlette.requests import HTTPConnection
from starlette.types import Scope

from graphql_api import content_negotiation

GRAPHQL = "/graphql"
PAGES = {"/", "/swagger", "/swagger/", "/swagger/index.html"}


def is_page(scope: Scope) -> bool:
    """Return whether the request is for a page, and not for data at the same address."""
    if scope["type"] != "http":
        return False
    if scope["path"] != GRAPHQL:
        return scope["path"] in PAGES
    is_plain = scope["method"] == "GET" and not scope["query_string"]
    return is_plain and content_negotiation.names(HTTPConnection(scope), content_negotiation.HTML)
