"""What browsers and programs get at the addresses of the dashboard, tested over HTTP."""

import gzip
import json
import re
from pathlib import Path

import pytest

from graphql_api.pages.playground import STATIC
from tests.support.graphql import Api

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
KILOBYTE = 1_000


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/tasks/new", "/tasks/0190a1b2/edit", "/runs", "/runs/0190a1b2", "/keys"]
)
async def test_browser_gets_the_page_at_every_address_of_it(api: Api, path: str) -> None:
    """The page names its assets relative to the address, and its policy allows nothing else, inline styles included."""
    page = await api.http.get(path, headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept, Accept-Encoding"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "font-src")} == {"'self'"}
    assert "<script>" not in page.text
    assert "style=" not in page.text
    names = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert names
    for name in names:
        asset = await api.http.get(page.url.join(name).path)
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable", name
    again = await api.http.get(path, headers=HTML | {"if-none-match": page.headers["etag"]})
    assert again.status_code == 304


async def test_programs_get_no_page(api: Api) -> None:
    """A program gets the addresses of the APIs at the root, and an error at the other addresses of the page."""
    greeting = await api.http.get("/", headers={"accept": "application/json"})
    assert greeting.json()["graphql"] == f"{api.url}/graphql"
    assert greeting.headers["vary"] == "Accept, Accept-Encoding"
    for path in ("/tasks", "/tasks/new", "/runs/0190a1b2"):
        missing = await api.http.get(path)
        assert missing.status_code == 404
        assert missing.json() == {"error": f"There is nothing at {path}"}


async def test_other_addresses_are_no_pages(api: Api) -> None:
    """A browser gets no page where the APIs are, or where nothing is."""
    for path in ("/health", "/openapi.json", "/api/v1/tasks", "/nothing", "/tasksnew"):
        answer = await api.http.get(path, headers=HTML)
        assert "text/html" not in answer.headers["content-type"], path


def weight(*entries: str, lazily: bool) -> int:
    """Return the compressed bytes of the scripts and styles that entries of the build load, at once or also later."""
    manifest = json.loads((STATIC / "manifest.json").read_text())
    pending, seen, files = [*entries], set[str](), set[Path]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        chunk = manifest[name]
        files |= {STATIC / chunk["file"], *(STATIC / style for style in chunk.get("css", ()))}
        pending += chunk.get("imports", ())
        pending += chunk.get("dynamicImports", ()) if lazily else ()
    return sum(len(gzip.compress(file.read_bytes())) for file in files)


def test_pages_are_small() -> None:
    """The first view loads at most 170 kB of scripts and styles, and all of the dashboard has at most 400 kB."""
    charts = "node_modules/uplot/dist/uPlot.esm.js"
    first_view = weight("index.html", "src/app/pages/overview/Overview.tsx", charts, lazily=False)
    assert first_view <= 170 * KILOBYTE
    assert weight("index.html", lazily=True) <= 400 * KILOBYTE
