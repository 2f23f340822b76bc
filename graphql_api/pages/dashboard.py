"""The dashboard: the page that browsers get at / and at its deep links. Duetime serves everything that it needs.

Its sources are in dashboard/src/app; `make install` builds them into static/. The page has no data: it asks the GraphQL
API for all of them, with the key that its user enters.
"""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from graphql_api import content_negotiation
from graphql_api.middleware.page_requests import DASHBOARD
from graphql_api.pages.playground import HEADERS, POLICY, STATIC
from graphql_api.responses import json_answer, with_etag

# The dashboard writes no styles into the page, unlike the editor of the playground.
STRICT = {**HEADERS, "Content-Security-Policy": POLICY.replace(" 'unsafe-inline'", "")}
ASSETS = b'"./assets/'
NOT_BUILT = "There would be a page here, but it was not built: run `make install`, and start Duetime again.\n"


async def show(request: Request, *, built: Path = STATIC) -> Response:
    """Return the page to a browser, or text if it was not built. Raises 404 for programs.

    The page names its assets relative to itself, so that it works behind a proxy that serves Duetime under a prefix.
    """
    if not content_negotiation.names(request, content_negotiation.HTML):
        raise HTTPException(404, headers={"Vary": "Accept"})
    page = built / "index.html"
    if not page.is_file():
        return PlainTextResponse(NOT_BUILT, status_code=404, headers={"Vary": "Accept"})
    up = b"../" * (request.url.path.count("/") - 1)
    # Read each time, because another build replaces the assets that it names.
    body = page.read_bytes().replace(ASSETS, b'"' + (up or b"./") + b"assets/")
    return with_etag(request, HTMLResponse(body, headers=STRICT))


async def greet(request: Request, *, built: Path = STATIC) -> Response:
    """Return the page to a browser, and the addresses of the APIs to a program, or if the page was not built."""
    if content_negotiation.names(request, content_negotiation.HTML) and (built / "index.html").is_file():
        return await show(request, built=built)
    paths = {"graphql": "/graphql", "rest": "/api/v1/tasks", "health": "/health"}
    base = str(request.base_url).rstrip("/")
    answer = json_answer({"service": "Duetime", **{name: base + path for name, path in paths.items()}})
    answer.headers["vary"] = "Accept"
    return answer


ROUTES = [
    Route("/", greet, methods=["GET"]),
    *(
        Route(path, show, methods=["GET"])
        for part in sorted(DASHBOARD)
        for path in (f"/{part}", f"/{part}/{{rest:path}}")
    ),
]
