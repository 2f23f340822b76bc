"""The playground: GraphiQL for browsers at /graphql. Duetime serves everything that it needs.

Its sources are in dashboard/; `make install` builds them into static/. The page's policy lets the browser load from,
and connect to, nothing but the service itself (https://www.w3.org/TR/CSP3/).
"""

from pathlib import Path

from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from graphql_api import content_negotiation

STATIC = Path(__file__).parents[1] / "static"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",  # the editor writes its colours and positions into the page
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # the page names the assets of one build
    "Vary": "Accept",
}

GREETING = """\
This is Duetime's GraphQL endpoint. Send queries and mutations by POST as application/json, for example

  curl -s {url} -H 'Content-Type: application/json' -d '{{"query": "{{ tasks {{ nodes {{ id name status }} }} }}"}}'

and subscriptions over a websocket to the same URL, protocol graphql-transport-ws.
"""
NOT_BUILT = """
There would be a playground here, but its page was not built: run `make install`, and start Duetime again.
"""


class Playground:
    """What a browser gets at /graphql: the page, or text if the page is disabled or was not built."""

    def __init__(self, *, enabled: bool, built: Path = STATIC) -> None:
        self.enabled = enabled
        self.page = built / "graphql.html"

    def show(self, url: URL) -> Response:
        """Return the response to a browser that opens `url`."""
        if self.enabled and self.page.is_file():
            # Read each time, because another build replaces the assets that it names.
            return HTMLResponse(self.page.read_bytes(), headers=HEADERS)
        text = GREETING.format(url=url) + (NOT_BUILT if self.enabled else "")
        return PlainTextResponse(text, headers={"Vary": "Accept"})


class Assets(StaticFiles):
    """Scripts, styles and fonts of the pages. Their names are hashes of their contents, so a file never changes."""

    def __init__(self, built: Path = STATIC) -> None:
        super().__init__(directory=built / "assets", check_dir=False)

    async def check_config(self) -> None:
        """Check nothing: before a build there are no files, and each request gets a 404."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file as it was compressed at the build, or as it is. Raises 404 if it does not exist."""
        response = await super().get_response(path, scope)
        compressed, found = self.lookup_path(f"{path}.gz")
        if found is not None and content_negotiation.accepts_gzip(HTTPConnection(scope)):
            response = self.file_response(compressed, found, scope)
            if not isinstance(response, NotModifiedResponse):
                response.headers["Content-Encoding"] = "gzip"
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
