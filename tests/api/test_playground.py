"""What a browser gets at /graphql, tested over HTTP. tests/browser opens it in a real browser."""

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import URL
from starlette.routing import Mount

from graphql_api.pages.playground import STATIC, Assets, Playground
from tests.support.graphql import Api

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ADDRESS = URL("https://duetime.example/graphql")


async def test_browser_gets_a_page_of_our_own(api: Api) -> None:
    """The page names only files of this service, which exist, and its policy allows nothing else."""
    page = await api.http.get("/graphql", headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept, Accept-Encoding"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["worker-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in page.text
    names = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert names
    for name in names:
        assert name.startswith("./assets/")
        asset = await api.http.get(name)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers.get("content-encoding") == "gzip" or len(asset.content) < 1_000


def test_nothing_built_names_another_host() -> None:
    """No style imports from another host, and no font or picture comes from one."""
    styles = list(STATIC.glob("assets/*.css"))
    assert styles
    for style in styles:
        assert not re.findall(r"(?:@import|url\()[\s\"']*(?:https?:)?//", style.read_text())


async def test_assets_are_all_that_can_be_had(api: Api) -> None:
    """Nothing outside the folder of assets can be read, and nothing can be sent there."""
    for path in ("/assets/", "/assets/nothing.js", "/assets/../graphql.html", "/assets/%2e%2e/graphql.html"):
        assert (await api.http.get(path)).status_code == 404, path
    assert (await api.http.post("/assets/nothing.js")).status_code == 405


def test_turned_off_it_is_text() -> None:
    """With the playground disabled, a person reads what this is and how to send operations."""
    answer = Playground(enabled=False).show(ADDRESS)
    assert answer.media_type == "text/plain"
    assert str(ADDRESS) in bytes(answer.body).decode()
    assert "make install" not in bytes(answer.body).decode()


def test_not_built_it_says_what_to_do(tmp_path: Path) -> None:
    """An installation without the pages answers, and says what is missing."""
    answer = Playground(enabled=True, built=tmp_path).show(ADDRESS)
    assert answer.status_code == 200
    assert "`make install`" in bytes(answer.body).decode()


@pytest.mark.parametrize("path", ["/assets/a.js", "/assets/"])
async def test_not_built_assets_are_not_there(tmp_path: Path, path: str) -> None:
    """Before a build each asset is a 404, not an error of the service."""
    app = Starlette(routes=[Mount("/assets", Assets(tmp_path))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://duetime.example") as http:
        assert (await http.get(path)).status_code == 404
