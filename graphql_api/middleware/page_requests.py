"""Recognizes requests for pages, which have no data."""

from starlette.requests import HTTPConnection
from starlette.types import Scope

from graphql_api import content_negotiation

GRAPHQL = "/graphql"
PAGES = {"/", "/swagger", "/swagger/", "/swagger/index.html"}
DASHBOARD = frozenset({"tasks", "runs", "notifications", "limits", "keys", "audit", "workers", "storage"})
"""The first segments of the paths at which a browser gets the dashboard, apart from the root."""


def is_page(scope: Scope) -> bool:
    """Return whether the request is for a page, and not for data at the same address."""
    if scope["type"] != "http":
        return False
    path: str = scope["path"]
    if path in PAGES:
        return True
    if path != GRAPHQL and path.split("/")[1] not in DASHBOARD:
        return False
    is_plain = scope["method"] == "GET" and (path != GRAPHQL or not scope["query_string"])
    return is_plain and content_negotiation.names(HTTPConnection(scope), content_negotiation.HTML)
