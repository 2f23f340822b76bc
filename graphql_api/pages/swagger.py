"""Swagger UI at /swagger/index.html. Duetime serves everything that it needs."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from graphql_api.pages.playground import HEADERS, STATIC, Assets
from graphql_api.responses import with_etag

PAGE = "/swagger/index.html"
NOT_BUILT = """\
There would be a page here, but it was not built: run `make install`, and start Duetime again.
The document that it shows is at /swagger/doc.json.
"""


def show(request: Request, *, built: Path = STATIC) -> Response:
    """Return the page, or text if it was not built."""
    page = built / "swagger.html"
    if page.is_file():
        # Read each time, because another build replaces the assets that it names.
        return with_etag(request, HTMLResponse(page.read_bytes(), headers=HEADERS))
    return PlainTextResponse(NOT_BUILT, status_code=404)


def lead(_request: Request) -> Response:
    """Redirect to the page; relative, so that it works behind a proxy with a prefix."""
    return RedirectResponse("./index.html", status_code=307)


def lead_in(_request: Request) -> Response:
    """Redirect to the page from the folder's name without a slash."""
    return RedirectResponse("./swagger/index.html", status_code=307)


ROUTES = [
    Route("/swagger", lead_in, methods=["GET"]),
    Route("/swagger/", lead, methods=["GET"]),
    Route(PAGE, show, methods=["GET"]),
    # The page names its assets relative to itself.
    Mount("/swagger/assets", Assets()),
]
